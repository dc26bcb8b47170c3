"""A table of whole entries that grows a little at a time, found by a keyed 64-bit hash that includes the partition.

Extendible hashing (Fagin, Nievergelt, Pippenger, Strong: Extendible hashing, 1979): the upper half of the hash names a
segment by way of a directory, the lower half the row within it where the search begins, by open addressing. When a new
entry finds no empty row near its home the segment is split in two, by one more bit of the hash. So the table is never
copied as a whole: growing costs one segment's worth of work (measured: 40 µs), and a search looks in one place.

Rows are reserved for the largest size at once; the system gives memory only to segments that were ever used.

An entry is one row of int64 words, 64 or 32 bytes, so that looking at one costs one line of the processor's cache (as
columns, each look cost eight, and they were a third of the engine's time).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer.compiled import inlined, loop
from streamer.windows import marks
from streamer.windows.hashing import BUCKETS

SEGMENT: Final = 2_048
"""Rows of a segment. Half of them are full before one has to be split, and seldom more than two thirds."""
PROBES: Final = 64
"""An entry lies within so many rows of its home."""
_LAST: Final = SEGMENT - 1
_LINE_BYTES: Final = 64

HASH: Final = 0
"""Word of an entry: the hash, its bits."""
HELD: Final = 1
"""Word of an entry: 0 for an empty row, else the partition + 1 in the low 16 bits and the flags above them."""
TOUCHED_MS: Final = 2
"""Word of an entry: when it was last asked for or written; of a pair, when it was counted."""

HAND: Final = 0
"""Index into `meta`: the row where the sweep goes on."""
USED: Final = 1
"""Index into `meta`: rows of the segments in use."""
EVICTED: Final = 2
"""Index into `meta`: entries given up although they still counted."""


class Table(NamedTuple):
    """`rows` int64[2**k, words]; `directory` int64[2**k / SEGMENT]: the first row of the segment that bits of the hash's
    upper half name, and in its low bits, which are 0 in that, how many of those bits the segment's entries share; `meta`.
    """

    rows: Any
    directory: Any
    meta: Any


def table(entries: int, words: int, begin: int) -> Table:
    """An empty table that holds so many entries before it has to give up any, and at first `begin` of them or fewer, before
    it has to grow. Its rows begin at a cache line.
    """
    segments, first_ones, bits = 1, 1, 0
    while segments * SEGMENT < 2 * entries:
        segments *= 2
    while first_ones * SEGMENT < 2 * min(entries, begin):
        first_ones, bits = 2 * first_ones, bits + 1
    size = segments * SEGMENT * words
    flat = np.zeros(size + _LINE_BYTES // 8, np.int64)
    first = -flat.ctypes.data % _LINE_BYTES // 8
    return Table(
        flat[first : first + size].reshape(-1, words),
        np.arange(segments) % first_ones * SEGMENT | bits,
        np.array([0, first_ones * SEGMENT, 0]),
    )


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


@inlined
def first_of(table: Table, wanted: int) -> int:
    """The first row of the segment that a hash belongs to; `wanted` is its bits as int64."""
    return table.directory[(wanted >> 32) & (table.directory.shape[0] - 1)] & ~_LAST


@inlined
def near(first: int, wanted: int, step: int) -> int:
    """The row so many steps after the home of a hash, in the segment that begins at `first`."""
    return first | ((wanted + step) & _LAST)


@inlined
def home(table: Table, wanted: int) -> int:
    """The row where the search for a hash begins."""
    return (table.directory[(wanted >> 32) & (table.directory.shape[0] - 1)] & ~_LAST) | (wanted & _LAST)


@loop
def find(table: Table, wanted: int) -> int:
    """The row of an entry, -1 if there is none."""
    rows = table.rows
    first = first_of(table, wanted)
    for step in range(PROBES):
        cell = near(first, wanted, step)
        if rows[cell, HELD] == 0:
            return -1
        if rows[cell, HASH] == wanted:
            return cell
    return -1


@loop
def vacant(table: Table, wanted: int) -> int:
    """The first empty row for an entry, -1 if there is none near its home."""
    first = first_of(table, wanted)
    for step in range(PROBES):
        cell = near(first, wanted, step)
        if table.rows[cell, HELD] == 0:
            return cell
    return -1


@loop
def _closes(rows: Any, hole: int) -> int:
    """The next row whose entry may move into `hole`, -1 when there is none.

    An entry lies within `PROBES` rows of its home, so no farther one can want the hole; a full segment has no empty row
    at which a search without this bound would end.
    """
    first = hole & ~_LAST
    for distance in range(1, PROBES):
        cell = near(first, hole, distance)
        if rows[cell, HELD] == 0:
            return -1
        if ((cell - rows[cell, HASH]) & _LAST) >= distance:
            return cell
    return -1


@loop
def _copy(rows: Any, source: int, target: int) -> None:
    for word in range(rows.shape[1]):
        rows[target, word] = rows[source, word]


@loop
def remove(table: Table, cell: int) -> None:
    """Take an entry out and close its chain."""
    rows = table.rows
    while True:
        follower = _closes(rows, cell)
        if follower < 0:
            break
        _copy(rows, follower, cell)
        cell = follower
    rows[cell, HELD] = 0


@loop
def split(table: Table, wanted: int) -> bool:
    """Make two segments of the one that a hash belongs to; False when the table may not grow there any more, or when the segment
    has no empty row: whoever enters something has to make room before it comes to that.
    """
    rows, directory = table.rows, table.directory
    at = (wanted >> 32) & (directory.shape[0] - 1)
    first = directory[at] & ~_LAST
    bit = 1 << (directory[at] & _LAST)
    empty = first
    while empty < first + SEGMENT and rows[empty, HELD] != 0:
        empty += 1
    if bit >= directory.shape[0] or empty == first + SEGMENT:
        return False
    fresh = table.meta[USED]
    table.meta[USED] += SEGMENT
    deeper = (directory[at] & _LAST) + 1
    for other in range(at & (bit - 1), directory.shape[0], bit):
        directory[other] = (fresh if other & bit else first) | deeper
    # From an empty row on, chains are met from their beginnings, so that no entry comes to lie farther from its home.
    for step in range(1, SEGMENT):
        cell = near(first, empty, step)
        held_by = rows[cell, HELD]
        if held_by == 0:
            continue
        rows[cell, HELD] = 0
        target = vacant(table, rows[cell, HASH])
        rows[cell, HELD] = held_by
        if target != cell:
            _copy(rows, cell, target)
            rows[cell, HELD] = 0
    return True


@loop
def drop(table: Table, partition: int) -> None:
    """Forget a partition."""
    cell = 0
    while cell < table.meta[USED]:
        if partition_at(table, cell) == partition:
            remove(table, cell)
        else:
            cell += 1


def all_of(table: Table, partition: int) -> Any:
    """int64[n]: the rows of a partition's entries."""
    return np.flatnonzero((table.rows[: table.meta[USED], HELD] & 0xFFFF) == partition + 1)


def some_of(table: Table, partition: int, hashes: Any, buckets: Any) -> Any:
    """int64[n]: the rows of a partition's entries that have one of these hashes, or lie in a bucket that bool[BUCKETS] wants."""
    marked = marks.none(table.meta[USED])
    _mark(table, partition, hashes, buckets, marked)
    return marks.places(marked)


@loop
def _mark(table: Table, partition: int, hashes: Any, buckets: Any, marked: Any) -> None:
    """Mark the rows that `some_of` gives. The bits of the hash that name a segment name the bucket too, so that few segments
    have to be looked through.
    """
    rows, directory = table.rows, table.directory
    for wanted in hashes:
        cell = find(table, wanted)
        if cell >= 0:
            marked[cell] = True
    for at in range(directory.shape[0]):
        deep = 1 << (directory[at] & _LAST)
        if at >= deep or (deep >= BUCKETS and not buckets[at & (BUCKETS - 1)]):
            continue
        first = directory[at] & ~_LAST
        for cell in range(first, first + SEGMENT):
            if partition_at(table, cell) == partition and buckets[(rows[cell, HASH] >> 32) & (BUCKETS - 1)]:
                marked[cell] = True
