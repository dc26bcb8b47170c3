"""The section on fraudsters who adapt: how far they have to go until they are not seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamer.lab.evaluation import plots
from streamer.lab.evaluation.adversaries import Row
from streamer.lab.evaluation.figures import FraudFigure
from streamer.lab.evaluation.pages import Heading, Part, Picture, Table, Text
from streamer.lab.evaluation.report import share
from streamer.lab.evaluation.spread import pair


def parts(rows: Sequence[Row]) -> Iterator[Part]:
    """The section; nothing where none was tried."""
    if not rows:
        return
    yield Heading("Adversaries that adapt")
    yield Text(
        "In traffic of their own, by how far they go: *slower* lines by so many times, *rotating* through so many times as many numbers,"
        " *mixed* with so large a part of calls to accomplices who talk as acquaintances do, *spread* over so many trunks; `scam_line`"
        " is one swindler so many times as fast as the fraudulent lines of the Sichuan records, `flood_from_lines` a flood from so many lines. The first step is the published"
        " fraud. Counted as its bar counts; no bar is promised of these."
    )
    curves = [row for row in rows if sum(one.recall is not None for _, one in row.steps) > 1]
    if curves:
        panels = [_panel(row) for row in curves]
        picture = plots.panels(panels, "recall of the counted calls", "part of campaigns caught")
        yield Picture("adversaries", picture, "Recall and campaigns caught by how far an adversary goes")
    heads = (
        "adversary", "how far ", "recall ", "counted ", "all calls, blocked at last ", "campaigns caught ", "lines caught ",
        "calls until the first ",
    )  # fmt: skip
    yield Table(heads, [_row(row.name, far, one) for row in rows for far, one in row.steps])


def _panel(row: Row) -> plots.Panel:
    caught = [one.campaigns_met / one.campaigns if one.campaigns else None for _, one in row.steps]
    recall = [one.recall for _, one in row.steps]
    return plots.Panel(row.name, [far for far, _ in row.steps], 0, recall, caught, 1.0, 1.0)


def _row(name: str, far: str, one: FraudFigure) -> tuple[str, ...]:
    recall = "too few calls" if one.recall is None else share(one.recall)
    blocked = f"{one.calls:,}, {share(one.blocked / one.calls)}" if one.calls else "0"
    campaigns = f"{one.campaigns_met:,} of {one.campaigns:,}"
    lines = f"{one.lines_met:,} of {one.lines:,}"
    return f"`{name}`", far, recall, f"{one.counted:,}", blocked, campaigns, lines, pair(one.first_calls)
