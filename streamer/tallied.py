"""What is saved of a partition's partial sums that were not told yet: how far they are, and rows beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

from streamer.calls.events import LATEST_MS, Operator
from streamer.columns import State
from streamer.faults import first_fault, outside
from streamer.windows import tallies

_TrunkName = Annotated[str, Meta(min_length=1, max_length=255)]


class Tallied(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How far a partition's partial sums are: the message that is gathered, its rows so far, and the trunks that rows name."""

    number: Annotated[int, Meta(ge=0, le=LATEST_MS)] = 0
    filled: Annotated[int, Meta(ge=0, le=tallies.PART)] = 0
    trunks: list[tuple[int, Operator, _TrunkName]] = []


def copied(state: State, names: Mapping[int, tuple[str, str]], partition: int) -> Tallied:
    """How far the partial sums of a partition are; `names` of registered trunks by row."""
    rows = np.unique(tallies.held(state.tallies, partition)[:, tallies.TRUNK]).tolist()
    return Tallied(
        int(state.tallies.number[partition]),
        int(state.tallies.filled[partition]),
        [(row, *names[row]) for row in rows if row in names],
    )


def faults(rows: Any, tallied: Tallied) -> Iterator[str]:
    """What is wrong with what is counted and not summed up."""
    if len(rows) > tallies.PART:
        yield f"tallies has {len(rows)} rows, at most {tallies.PART} wait"
    yield from outside("tallies.number", rows[:, tallies.NUMBER], 0, tallied.number)
    yield from first_fault(
        "tallies.number", np.diff(rows[:, tallies.NUMBER], prepend=0) < 0, "is less than the one before"
    )
    yield from outside("tallies.callee", rows[:, tallies.CALLEE], 0, 10**15 - 1)
    yield from outside("tallies.block", rows[:, tallies.BLOCK], 0, 10**12 - 1)
    yield from outside("tallies.bits", rows[:, tallies.BITS], 0, (1 << tallies.COUNTS) - 1)


def as_ours(rows: Any, tallied: Tallied, ours: Mapping[tuple[str, str], int]) -> Any:
    """A copy of rows whose trunks are named as this worker does; 0 for those that nobody registered here."""
    rows = rows.copy()
    theirs, places = np.unique(rows[:, tallies.TRUNK], return_inverse=True)
    rows_of = {row: ours.get((operator, trunk), 0) for row, operator, trunk in tallied.trunks}
    rows[:, tallies.TRUNK] = np.array([rows_of.get(row, 0) for row in theirs.tolist()], np.int64)[places]
    return rows
