"""Calls of the last minutes: what was said of each, and which (caller, called number) pairs were seen.

Both tables are open-addressing tables of whole entries, found by a keyed 64-bit hash that includes the partition, so
that partitions never touch each other. Whether an entry still counts is decided by times alone; the sweep only gives
back what nothing can ask for any more, so when it runs never changes a verdict. A full table drops, among the entries
near the new one, that which was touched longest ago.

A call is (operator, call id) within 120 s of event time. An answered call is kept until its end, at most six hours.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

SAME_CALL_MS: Final = 120_000
KEEP_MS: Final = 180_000
OPEN_MS: Final = 6 * 3_600_000
PAIR_KEEP_MS: Final = 120_000
SIGHTING_MS: Final = 10_000
DIVERSION_MS: Final = 60_000
_PROBES: Final = 64

SETUP: Final = 1
COUNTED: Final = 2
ANSWERED: Final = 4
ENDED: Final = 8
OWN_LINE: Final = 16
CONTROL: Final = 32


class Calls(NamedTuple):
    """Entries; `partition` is -1 for an empty cell. `verdict` holds what was said, by the columns `ACTION` and on."""

    hash: Any
    partition: Any
    setup_ms: Any
    touched_ms: Any
    flags: Any
    verdict: Any
    reasons: Any
    score: Any
    meta: Any


ACTION: Final = 0
SHADOW: Final = 1
POLICY: Final = 2
MODEL: Final = 3
CACHE_S: Final = 4
VERDICT_COLUMNS: Final = 5


class Pairs(NamedTuple):
    """When a (caller, called number) was last counted, and by which operator."""

    hash: Any
    partition: Any
    at_ms: Any
    operator: Any
    meta: Any


def calls(capacity: int) -> Calls:
    """An empty table; `capacity` is a power of two."""
    return Calls(
        hash=np.zeros(capacity, np.uint64),
        partition=np.full(capacity, -1, np.int16),
        setup_ms=np.zeros(capacity, np.int64),
        touched_ms=np.zeros(capacity, np.int64),
        flags=np.zeros(capacity, np.uint8),
        verdict=np.zeros((capacity, VERDICT_COLUMNS), np.int32),
        reasons=np.zeros(capacity, np.uint64),
        score=np.zeros(capacity, np.float64),
        meta=np.zeros(2, np.int64),
    )


def pairs(capacity: int) -> Pairs:
    """An empty table; `capacity` is a power of two."""
    return Pairs(
        hash=np.zeros(capacity, np.uint64),
        partition=np.full(capacity, -1, np.int16),
        at_ms=np.zeros(capacity, np.int64),
        operator=np.zeros(capacity, np.int32),
        meta=np.zeros(2, np.int64),
    )


@njit(cache=True)
def find(hashes: Any, partitions: Any, wanted: int) -> int:
    """The cell of an entry, -1 if there is none."""
    mask = np.int64(hashes.shape[0] - 1)
    cell = np.int64(wanted & np.uint64(mask))
    for _ in range(_PROBES):
        if partitions[cell] < 0:
            return -1
        if hashes[cell] == wanted:
            return cell
        cell = (cell + 1) & mask
    return -1


@njit(cache=True)
def place(hashes: Any, partitions: Any, touched: Any, wanted: int) -> int:
    """A cell for a new entry: the first empty one of its chain, else the one there that was touched longest ago."""
    mask = np.int64(hashes.shape[0] - 1)
    cell = np.int64(wanted & np.uint64(mask))
    victim = cell
    for _ in range(_PROBES):
        if partitions[cell] < 0:
            return cell
        if touched[cell] < touched[victim]:
            victim = cell
        cell = (cell + 1) & mask
    return victim


@njit(cache=True)
def _closes(hashes: Any, partitions: Any, hole: int) -> int:
    """The next cell whose entry may move into `hole`, -1 when there is none.

    An entry lies within `_PROBES` cells of its home, so no farther one can want the hole; a full table has no empty cell
    at which a search without this bound would end.
    """
    mask = np.int64(hashes.shape[0] - 1)
    for distance in range(1, _PROBES):
        cell = (hole + distance) & mask
        if partitions[cell] < 0:
            return -1
        home = np.int64(hashes[cell] & np.uint64(mask))
        if ((cell - home) & mask) >= distance:
            return cell
    return -1


@njit(cache=True)
def remove_call(table: Calls, cell: int) -> None:
    """Take an entry out and close its chain."""
    while True:
        follower = _closes(table.hash, table.partition, cell)
        if follower < 0:
            break
        table.hash[cell] = table.hash[follower]
        table.partition[cell] = table.partition[follower]
        table.setup_ms[cell] = table.setup_ms[follower]
        table.touched_ms[cell] = table.touched_ms[follower]
        table.flags[cell] = table.flags[follower]
        table.verdict[cell] = table.verdict[follower]
        table.reasons[cell] = table.reasons[follower]
        table.score[cell] = table.score[follower]
        cell = follower
    table.partition[cell] = -1


@njit(cache=True)
def remove_pair(table: Pairs, cell: int) -> None:
    """Take an entry out and close its chain."""
    while True:
        follower = _closes(table.hash, table.partition, cell)
        if follower < 0:
            break
        table.hash[cell] = table.hash[follower]
        table.partition[cell] = table.partition[follower]
        table.at_ms[cell] = table.at_ms[follower]
        table.operator[cell] = table.operator[follower]
        cell = follower
    table.partition[cell] = -1


@njit(cache=True)
def call_is_over(table: Calls, cell: int, watermark: int) -> bool:
    """Nothing can ask for this entry any more."""
    silent = watermark - table.touched_ms[cell]
    if table.flags[cell] & ANSWERED and not table.flags[cell] & ENDED:
        return silent > OPEN_MS
    return silent > KEEP_MS


@njit(cache=True)
def sweep(table: Calls, seen: Pairs, watermarks: Any, look: int) -> None:
    """Look at so many cells of both tables and empty those that are over."""
    cell = table.meta[0]
    for _ in range(min(look, table.hash.shape[0])):
        if table.partition[cell] >= 0 and call_is_over(table, cell, watermarks[table.partition[cell]]):
            remove_call(table, cell)
        else:
            cell = (cell + 1) & (table.hash.shape[0] - 1)
    table.meta[0] = cell
    cell = seen.meta[0]
    for _ in range(min(look, seen.hash.shape[0])):
        if seen.partition[cell] >= 0 and watermarks[seen.partition[cell]] - seen.at_ms[cell] > PAIR_KEEP_MS:
            remove_pair(seen, cell)
        else:
            cell = (cell + 1) & (seen.hash.shape[0] - 1)
    seen.meta[0] = cell


@njit(cache=True)
def drop(table: Calls, seen: Pairs, partition: int) -> None:
    """Forget a partition."""
    cell = 0
    while cell < table.hash.shape[0]:
        if table.partition[cell] == partition:
            remove_call(table, cell)
        else:
            cell += 1
    cell = 0
    while cell < seen.hash.shape[0]:
        if seen.partition[cell] == partition:
            remove_pair(seen, cell)
        else:
            cell += 1


CALL_COLUMNS: Final = ("hash", "setup_ms", "touched_ms", "flags", "verdict", "reasons", "score")
PAIR_COLUMNS: Final = ("hash", "at_ms", "operator")


def copy_out(table: Calls | Pairs, columns: tuple[str, ...], partition: int) -> dict[str, Any]:
    """Columns of a partition's entries."""
    cells = np.nonzero(table.partition == partition)[0]
    return {name: getattr(table, name)[cells] for name in columns}


@njit(cache=True)
def _cells_for(hashes: Any, partitions: Any, touched: Any, partition: int, wanted: Any, times: Any, cells: Any) -> None:
    for row in range(wanted.shape[0]):
        cell = place(hashes, partitions, touched, wanted[row])
        hashes[cell] = wanted[row]
        partitions[cell] = partition
        touched[cell] = times[row]
        cells[row] = cell


def copy_in(table: Calls | Pairs, columns: tuple[str, ...], partition: int, rows: dict[str, Any]) -> None:
    """Take in what `copy_out` gave."""
    touched = "touched_ms" if isinstance(table, Calls) else "at_ms"
    cells = np.empty(len(rows["hash"]), np.int64)
    _cells_for(table.hash, table.partition, getattr(table, touched), partition, rows["hash"], rows[touched], cells)
    for name in columns:
        if name != "hash":
            getattr(table, name)[cells] = rows[name]
