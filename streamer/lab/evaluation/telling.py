"""What an evaluation came to: the report for people, and the figures for machines."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from msgspec import Struct, structs

from streamer.desk.edits import differences
from streamer.lab.evaluation import adversaries, report, report_adversaries, report_asked, report_basis, report_changes
from streamer.lab.evaluation.evaluation import SEEDS, Count, Records, Simulation
from streamer.lab.evaluation.figures import Figures
from streamer.lab.evaluation.pages import Heading, Part, Text
from streamer.lab.evaluation.passes import REACT_MS
from streamer.lab.evaluation.relay import LAG_MS


def of_simulation(order: Simulation, count: Count, partitions: int, adapting: Count | None = None) -> Iterator[Part]:
    """The report on traffic that was made up; `adapting` is of traffic with adversaries that was made up beside it."""
    runs = "; ".join(
        f"{run.seed}: {run.seconds:,.0f} s at {run.rate:g} set-ups a second from {run.hour}:00 on"
        + ", with the day's rhythm" * run.rhythm
        for run in order.runs()
    )
    unseen = ", on which no threshold was set and no test was written" if set(order.seeds) <= set(SEEDS) else ""
    yield Heading("Evaluation on simulated traffic", 1)
    yield Text(
        f"Seeds{unseen}: {runs}; {count.events:,} events. A call that is blocked"
        f" hears it within {REACT_MS} ms of its set-up, is not answered and ends with cause 21; signals are heard {LAG_MS / 1000:g} s after the second that they sum up. Policy {count.policies[0].version}, windows"
        f" spread over {partitions} partition{'s' * (partitions > 1)}; no block was let through to learn from."
    )
    yield from _all(count, adapting)


def of_records(order: Records, count: Count, named: int | None) -> Iterator[Part]:
    """The report on records; `named` is how many calls the truth names (None: there is none)."""
    yield Heading("What would have been blocked" if named is None else "Evaluation on labelled records", 1)
    files = ", ".join(f"`{path.name}`" for path in order.files)
    yield Text(
        f"Records of {files}: {count.events:,} events, home country {order.home}, policy {count.policies[0].version}. The calls were over"
        " before anybody judged them, so that none was stopped by its verdict, and no block was let through to learn from;"
        f" signals are heard {LAG_MS / 1000:g} s after the second that they sum up."
    )
    if count.basis is not None:
        yield from report_basis.parts(count.basis)
    if named is not None:
        yield Text(
            f"The truth names {named:,} calls; {count.unnamed:,} of which it says nothing were judged and not counted."
        )
    yield from _all(count)


def _all(count: Count, adapting: Count | None = None) -> Iterator[Part]:
    if count.forgotten:
        yield Text(
            f"*{count.forgotten:,} callers and calls were forgotten before their time, as tables were full*: raise `max_callers` and"
            " `max_calls`."
        )
    if count.asked is not None:
        yield from report_asked.parts(count.asked)
    else:
        found = count.figures()
        yield from report.parts(found)
        if adapting is not None:
            yield from report_adversaries.parts(_adversaries(adapting, found))
    if count.changes is not None:
        present, candidate = count.policies
        yield from report_changes.parts(
            count.changes, present.version, candidate.version, differences(present, candidate)
        )


def document(count: Count, adapting: Count | None = None) -> dict[str, Any]:
    """The same for machines. Of lines, how many; what never happened is null, and so are adversaries that were not tried."""
    figures = count.figures() if count.asked is None else None
    found: dict[str, Any] = {
        "policies": [policy.version for policy in count.policies],
        "events": count.events,
        "forgotten": count.forgotten,
        "records": None if count.basis is None else count.basis.document(),
        "unnamed": count.unnamed,
        "figures": figures,
        "adversaries": None
        if adapting is None or figures is None
        else [
            {"name": row.name, "steps": [{"far": far, "figure": one} for far, one in row.steps]}
            for row in _adversaries(adapting, figures)
        ],
        "asked": None if count.asked is None else vars(count.asked),
        "changes": None if count.changes is None else vars(count.changes),
    }
    return {name: _plain(part) for name, part in found.items()}


def _adversaries(adapting: Count, found: Figures) -> list[adversaries.Row]:
    return adversaries.rows(adapting.figures().frauds, found.frauds)


def _plain(value: Any) -> Any:
    """Nothing but what JSON has."""
    if isinstance(value, dict):
        return {
            " ".join(map(str, key)) if isinstance(key, tuple) else str(key): _plain(part) for key, part in value.items()
        }
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, set):
        return len(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, str | int) or value is None:
        return value
    return _plain(structs.asdict(value) if isinstance(value, Struct) else vars(value))
