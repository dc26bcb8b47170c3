"""The report of what would have been blocked, on calls of which nobody knows the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streamer.desk.record import time_text
from streamer.lab.evaluation import plots
from streamer.lab.evaluation.asked import Asked, AskedLine
from streamer.lab.evaluation.pages import Heading, Part, Picture, Table, Text

TOP: Final = 50
"""Lines and trunks that are told, the busiest first."""


def parts(asked: Asked) -> Iterator[Part]:
    """Everything but the title and where the calls came from."""
    share = asked.asked / asked.setups if asked.setups else 0.0
    milder = ", ".join(f"{count:,} `{action}`" for action, count in asked.milder.most_common())
    yield Text(
        f"Of {asked.setups:,} set-ups of {len(asked.lines):,} lines, {asked.asked:,} ({share:.3%}) of {len(asked.by_line):,} lines would"
        f" have been blocked; what the rules run in shadow is taken as switched on. Milder actions: {milder or 'none'}."
    )
    rows = [(reason, "block", count) for reason, count in asked.by_reason.most_common()]
    rows += [(reason, "less", count) for reason, count in asked.milder_by.most_common()]
    if rows:
        yield Heading("By reason")
        yield Table(("reason", "leads to", "calls "), [(f"`{reason}`", leads, f"{n:,}") for reason, leads, n in rows])
    if asked.asked:
        yield from _where(asked)


def _where(asked: Asked) -> Iterator[Part]:
    yield Heading("By trunk")
    yield Table(
        ("operator and trunk", "would be blocked ", "of its calls ", "its calls "),
        [
            (f"`{trunk}`", f"{count:,}", f"{count / asked.of_trunk[trunk]:.2%}", f"{asked.of_trunk[trunk]:,}")
            for trunk, count in asked.by_trunk.most_common(TOP)
        ],
    )
    yield Heading("By hour of the day, UTC")
    yield Picture("hours", _hours(asked), "Calls that would have been blocked by hour of the day")
    yield Heading(f"Lines, the {TOP} with most blocks")
    busiest = sorted(asked.by_line.items(), key=lambda found: (-found[1].calls, found[0]))[:TOP]
    yield Table(
        ("line", "origin", "calls ", "called lines ", "first", "last", "reasons", "seen at the first"),
        [_line_row(line, found) for line, found in busiest],
    )


def _line_row(line: tuple[str, str], found: AskedLine) -> tuple[str, ...]:
    reasons = ", ".join(f"`{reason}` {count:,}" for reason, count in found.reasons.most_common(3))
    key, origin = line
    return (
        key, origin.replace("_", " "), f"{found.calls:,}", f"{len(found.callees):,}", time_text(found.first_ms),
        time_text(found.last_ms), reasons, found.why,
    )  # fmt: skip


def _hours(asked: Asked) -> str:
    rows = [
        plots.Bar(
            f"{hour:02d}", asked.by_hour[hour], None, f"{asked.by_hour[hour]:,} of {asked.of_hour[hour]:,}", good=False
        )
        for hour in range(24)
        if asked.of_hour[hour]
    ]
    return plots.bars(rows, max(asked.by_hour.values()), "calls that would have been blocked, of all in that hour")
