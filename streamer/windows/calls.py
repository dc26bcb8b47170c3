"""Calls of the last minutes: what was said of each, and which (caller, called number) pairs were seen.

Both tables are open-addressing tables of whole entries, found by a keyed 64-bit hash that includes the partition, so
that partitions never touch each other. Whether an entry still counts is decided by times alone; the sweep only gives
back what nothing can ask for any more, so when it runs never changes a verdict. Only a full table, which is too small
for its worker, drops what still counts: among the entries near the new one that which was touched longest ago, whatever
its partition.

An entry is one row of int64 words: calls of 64 bytes, pairs of 32, so that looking at one costs one line of the
processor's cache (as columns, each look cost eight, and they were a third of the engine's time).

A call is (operator, call id) within 120 s of event time. An answered call is kept until its end, at most six hours.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer.compiled import inlined, loop

KEEP_MS: Final = 180_000
OPEN_MS: Final = 6 * 3_600_000
PAIR_KEEP_MS: Final = 120_000
SIGHTING_MS: Final = 10_000
DIVERSION_MS: Final = 60_000
_PROBES: Final = 64
_LINE_BYTES: Final = 64

HASH: Final = 0
"""Word of both tables: the hash, its bits."""
HELD: Final = 1
"""Word of both tables: 0 for an empty row, else the partition + 1 in the low 16 bits and the flags above them."""
TOUCHED_MS: Final = 2
"""Word of both tables: when the entry was last asked for or written; of a pair, when it was counted."""
SETUP_MS: Final = 3
SAID: Final = 4
"""Word of a call: action, shadow action (a byte each) and the seconds that a switch may cache it, above them."""
VERSIONS: Final = 5
"""Word of a call: the policy and the model that it was judged by, as `streamer.in_force.Versions` names them."""
REASONS: Final = 6
SCORE: Final = 7
"""Word of a call: the score in millionths, -1 without a model."""
OPERATOR: Final = 3
"""Word of a pair: the operator that reported it."""

SETUP: Final = 1
COUNTED: Final = 2
ANSWERED: Final = 4
ENDED: Final = 8
OWN_LINE: Final = 16
LET_THROUGH: Final = 32
"""Flag of a pair: the call went through with its number shown, and its origin was not doubted."""
DIVERSION_BACK_MS: Final = 5_000
"""How far the clock of the operator that diverts may be behind; that the first leg came first the log tells."""


class Table(NamedTuple):
    """`rows` int64[2**k, words]; `meta` int64[1]: where the sweep goes on."""

    rows: Any
    meta: Any


def _table(capacity: int, words: int) -> Table:
    spare = _LINE_BYTES // 8
    flat = np.zeros(capacity * words + spare, np.int64)
    first = -flat.ctypes.data % _LINE_BYTES // 8
    return Table(flat[first : first + capacity * words].reshape(capacity, words), np.zeros(1, np.int64))


def calls(capacity: int) -> Table:
    """An empty table of calls; `capacity` is a power of two."""
    return _table(capacity, 8)


def pairs(capacity: int) -> Table:
    """An empty table of pairs; `capacity` is a power of two."""
    return _table(capacity, 4)


@inlined
def partition_at(table: Table, cell: int) -> int:
    """The partition of an entry, -1 for an empty row."""
    return (table.rows[cell, HELD] & 0xFFFF) - 1


@inlined
def flags_at(table: Table, cell: int) -> int:
    """The flags of an entry."""
    return table.rows[cell, HELD] >> 16


@inlined
def held(partition: int, flags: int) -> int:
    """The word `HELD` of an entry."""
    return flags << 16 | (partition + 1)


@loop
def find(table: Table, wanted: int) -> int:
    """The row of an entry, -1 if there is none; `wanted` is the hash's bits as int64."""
    rows = table.rows
    mask = np.int64(rows.shape[0] - 1)
    cell = wanted & mask
    for _ in range(_PROBES):
        if rows[cell, HELD] == 0:
            return -1
        if rows[cell, HASH] == wanted:
            return cell
        cell = (cell + 1) & mask
    return -1


@loop
def place(table: Table, wanted: int) -> int:
    """A row for a new entry: the first empty one of its chain, else the one there that was touched longest ago."""
    rows = table.rows
    mask = np.int64(rows.shape[0] - 1)
    cell = wanted & mask
    victim = cell
    for _ in range(_PROBES):
        if rows[cell, HELD] == 0:
            return cell
        if rows[cell, TOUCHED_MS] < rows[victim, TOUCHED_MS]:
            victim = cell
        cell = (cell + 1) & mask
    return victim


@loop
def _closes(rows: Any, hole: int) -> int:
    """The next row whose entry may move into `hole`, -1 when there is none.

    An entry lies within `_PROBES` rows of its home, so no farther one can want the hole; a full table has no empty row
    at which a search without this bound would end.
    """
    mask = np.int64(rows.shape[0] - 1)
    for distance in range(1, _PROBES):
        cell = (hole + distance) & mask
        if rows[cell, HELD] == 0:
            return -1
        home = rows[cell, HASH] & mask
        if ((cell - home) & mask) >= distance:
            return cell
    return -1


@loop
def remove(table: Table, cell: int) -> None:
    """Take an entry out and close its chain."""
    rows = table.rows
    while True:
        follower = _closes(rows, cell)
        if follower < 0:
            break
        for word in range(rows.shape[1]):
            rows[cell, word] = rows[follower, word]
        cell = follower
    rows[cell, HELD] = 0


@loop
def call_is_over(table: Table, cell: int, watermark: int) -> bool:
    """Nothing can ask for this call any more."""
    silent = watermark - table.rows[cell, TOUCHED_MS]
    flags = flags_at(table, cell)
    if flags & ANSWERED and not flags & ENDED:
        return silent > OPEN_MS
    return silent > KEEP_MS


@loop
def sweep(table: Table, seen: Table, watermarks: Any, look: int) -> None:
    """Look at so many rows of both tables and empty those that are over."""
    cell = table.meta[0]
    for _ in range(min(look, table.rows.shape[0])):
        partition = partition_at(table, cell)
        if partition >= 0 and call_is_over(table, cell, watermarks[partition]):
            remove(table, cell)
        else:
            cell = (cell + 1) & (table.rows.shape[0] - 1)
    table.meta[0] = cell
    cell = seen.meta[0]
    for _ in range(min(look, seen.rows.shape[0])):
        partition = partition_at(seen, cell)
        if partition >= 0 and watermarks[partition] - seen.rows[cell, TOUCHED_MS] > PAIR_KEEP_MS:
            remove(seen, cell)
        else:
            cell = (cell + 1) & (seen.rows.shape[0] - 1)
    seen.meta[0] = cell


@loop
def drop(table: Table, partition: int) -> None:
    """Forget a partition."""
    cell = 0
    while cell < table.rows.shape[0]:
        if partition_at(table, cell) == partition:
            remove(table, cell)
        else:
            cell += 1


def copy_out(table: Table, partition: int) -> Any:
    """int64[n, words]: the entries of a partition."""
    return table.rows[(table.rows[:, HELD] & 0xFFFF) == partition + 1]


@loop
def copy_in(table: Table, rows: Any) -> None:
    """Take in what `copy_out` gave."""
    for row in range(rows.shape[0]):
        cell = place(table, rows[row, HASH])
        for word in range(table.rows.shape[1]):
            table.rows[cell, word] = rows[row, word]
