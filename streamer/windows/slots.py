"""The store of callers: one slot for each (partition, calling number, origin class), a struct of arrays.

A caller's calls to costly destinations have a second slot (`streamer.windows.costly`).

The arrays are reserved for `capacity` slots at once; the system gives memory only to pages that are touched, so a store
for millions costs what the callers in it cost, and growing never copies. A slot is 473 bytes (`slot_bytes`), index, free list and mark
10 to 16 more, a busy caller's wide sketch 512 more.

A slot that was silent for `SPAN_MS` holds nothing: finding it again starts it afresh, so it never matters for a verdict
when the sweep gives it back. When the store is full, the slot that matters least among a few looked at is taken over,
whatever its partition (`evicted` counts them): verdicts are those of a store that is large enough while it is 0. Least
matters who was silent longest, the time between a caller's first and latest sign of life given to him as credit once he
has called twice. By silence alone a flood of numbers that call once would push out everybody who calls seldom: the flood
is always newest. Credit takes as long to earn as it lasts, so that no flood has any.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer.compiled import loop
from streamer.windows import distinct, sliding
from streamer.windows.hashing import Secret, cells_for, hash_words

FREE: Final = 0
"""Index into `meta`: how many slots the free list holds."""
USED: Final = 1
"""Index into `meta`: slots ever handed out (the free list holds some of them again)."""
HAND: Final = 2
"""Index into `meta`: where the sweep goes on."""
WIDE_FREE: Final = 3
WIDE_USED: Final = 4
EVICTED: Final = 5
_LOOK: Final = 16


class Callers(NamedTuple):
    """Arrays of slots. `partition` is -1 for a slot not in use; `touched` tells which ones may have changed since their partition
    was last copied; `secret` keys the index.
    """

    cells: Any
    meta: Any
    free: Any
    key: Any
    origin: Any
    partition: Any
    clock_ms: Any
    first_s: Any
    attempt_back: Any
    last_callee: Any
    run: Any
    gap_mean: Any
    gap_jitter: Any
    counts: Any
    talk: Any
    ten: Any
    narrow: Any
    wide_of: Any
    wide: Any
    wide_free: Any
    touched: Any
    secret: Any


COLUMNS: Final = (
    "key",
    "origin",
    "partition",
    "clock_ms",
    "first_s",
    "attempt_back",
    "last_callee",
    "run",
    "gap_mean",
    "gap_jitter",
    "counts",
    "talk",
    "ten",
    "narrow",
    "wide_of",
)
"""The per-slot columns: what is exported, and what a slot costs."""

ORIGINS: Final = 4
"""Origin classes of slots: own lines (0) and interconnect (1), and the costly calls of both (`streamer.windows.costly`)."""

NEVER: Final = 4_294_967_295
"""`attempt_back` of a slot without an attempt."""


def store(capacity: int, secret: Secret) -> Callers:
    """An empty store for so many callers; an eighth as many wide sketches."""
    wide = max(capacity // 8, 1024)
    partition = np.empty(capacity, np.int16)
    partition.fill(-1)
    return Callers(
        cells=cells_for(capacity),
        meta=np.zeros(8, np.int64),
        free=np.zeros(capacity, np.int32),
        key=np.zeros(capacity, np.int64),
        origin=np.zeros(capacity, np.uint8),
        partition=partition,
        clock_ms=np.zeros(capacity, np.int64),
        first_s=np.zeros(capacity, np.uint32),
        attempt_back=np.zeros(capacity, np.uint32),
        last_callee=np.zeros(capacity, np.uint32),
        run=np.zeros(capacity, np.uint16),
        gap_mean=np.zeros(capacity, np.float32),
        gap_jitter=np.zeros(capacity, np.float32),
        counts=np.zeros((capacity, sliding.BUCKETS, sliding.COUNTERS), np.uint16),
        talk=np.zeros((capacity, sliding.BUCKETS), np.uint32),
        ten=np.zeros((capacity, sliding.STEPS, 2), np.uint16),
        narrow=np.zeros((capacity, distinct.NARROW), np.uint16),
        wide_of=np.zeros(capacity, np.int32),
        wide=np.zeros((wide, distinct.WIDE), np.uint16),
        wide_free=np.zeros(wide, np.int32),
        touched=np.zeros(capacity, np.bool_),
        secret=secret,
    )


def slot_bytes(callers: Callers) -> int:
    """Bytes that one slot costs, without index and wide sketch."""
    return sum(int(np.prod(getattr(callers, name).shape[1:])) * getattr(callers, name).itemsize for name in COLUMNS)


def held(callers: Callers) -> int:
    """Callers in the store."""
    return int(callers.meta[USED] - callers.meta[FREE])


@loop
def hash_of(callers: Callers, partition: int, key: int, origin: int) -> int:
    """The keyed hash of a caller, its bits as int64."""
    return np.int64(hash_words(key, np.int64(partition) * 2 + origin, callers.secret))


@loop
def find_hashed(callers: Callers, mixed: int, partition: int, key: int, origin: int) -> int:
    """The slot of a caller whose hash is `mixed`, -1 if there is none."""
    mask = np.int64(callers.cells.shape[0] - 1)
    cell = mixed & mask
    while True:
        slot = callers.cells[cell]
        if slot < 0:
            return -1
        if callers.key[slot] == key and callers.partition[slot] == partition and callers.origin[slot] == origin:
            return slot
        cell = (cell + 1) & mask


@loop
def find(callers: Callers, partition: int, key: int, origin: int) -> int:
    """The slot of a caller, -1 if there is none."""
    return find_hashed(callers, hash_of(callers, partition, key, origin), partition, key, origin)


@loop
def _unlink(callers: Callers, slot: int) -> None:
    mask = np.int64(callers.cells.shape[0] - 1)
    cell = hash_of(callers, callers.partition[slot], callers.key[slot], callers.origin[slot]) & mask
    while callers.cells[cell] != slot:
        cell = (cell + 1) & mask
    hole = cell
    cell = (cell + 1) & mask
    while callers.cells[cell] >= 0:
        other = callers.cells[cell]
        home = hash_of(callers, callers.partition[other], callers.key[other], callers.origin[other]) & mask
        if ((cell - home) & mask) >= ((cell - hole) & mask):
            callers.cells[hole] = other
            hole = cell
        cell = (cell + 1) & mask
    callers.cells[hole] = -1


@loop
def release(callers: Callers, slot: int) -> None:
    """Give a slot back."""
    _unlink(callers, slot)
    callers.partition[slot] = -1
    narrow_again(callers, slot)
    callers.free[callers.meta[FREE]] = slot
    callers.meta[FREE] += 1


@loop
def widen(callers: Callers, slot: int) -> bool:
    """Give a caller an empty wide sketch; False when there is none left."""
    if callers.meta[WIDE_FREE] > 0:
        callers.meta[WIDE_FREE] -= 1
        wide = callers.wide_free[callers.meta[WIDE_FREE]]
    elif callers.meta[WIDE_USED] < callers.wide.shape[0]:
        wide = callers.meta[WIDE_USED]
        callers.meta[WIDE_USED] += 1
    else:
        return False
    callers.wide[wide] = 0
    callers.wide_of[slot] = wide + 1
    return True


@loop
def narrow_again(callers: Callers, slot: int) -> None:
    """Take a caller's wide sketch back, if it has one."""
    wide = callers.wide_of[slot]
    if wide > 0:
        callers.wide_free[callers.meta[WIDE_FREE]] = wide - 1
        callers.meta[WIDE_FREE] += 1
        callers.wide_of[slot] = 0


@loop
def reset(callers: Callers, slot: int, now_ms: int) -> None:
    """Make a slot as if its caller had never been seen; a wide sketch goes back."""
    callers.clock_ms[slot] = now_ms
    callers.first_s[slot] = now_ms // 1000
    callers.attempt_back[slot] = NEVER
    callers.last_callee[slot] = 0
    callers.run[slot] = 0
    callers.gap_mean[slot] = np.nan
    callers.gap_jitter[slot] = np.nan
    callers.counts[slot] = 0
    callers.talk[slot] = 0
    callers.ten[slot] = 0
    callers.narrow[slot] = 0
    narrow_again(callers, slot)


@loop
def _matters(callers: Callers, slot: int) -> int:
    """Until when a caller is not to be evicted before others, ms; of two it is the later one who stays."""
    clock = callers.clock_ms[slot]
    if np.isnan(callers.gap_mean[slot]):
        return int(clock)
    return int(2 * clock - 1000 * np.int64(callers.first_s[slot]))


@loop
def take(callers: Callers) -> int:
    """A slot to use, not linked yet; evicts who matters least of a few when the store is full."""
    if callers.meta[FREE] > 0:
        callers.meta[FREE] -= 1
        return callers.free[callers.meta[FREE]]
    capacity = callers.key.shape[0]
    if callers.meta[USED] < capacity:
        callers.meta[USED] += 1
        return callers.meta[USED] - 1
    hand = callers.meta[HAND] % capacity
    victim = hand
    for back in range(_LOOK):
        other = (hand + back) % capacity
        if _matters(callers, other) < _matters(callers, victim):
            victim = other
    callers.meta[HAND] = (hand + _LOOK) % capacity
    callers.meta[EVICTED] += 1
    release(callers, victim)
    callers.meta[FREE] -= 1
    return callers.free[callers.meta[FREE]]


@loop
def link(callers: Callers, slot: int) -> None:
    """Put a slot whose key, partition and origin are set into the index."""
    mask = np.int64(callers.cells.shape[0] - 1)
    cell = hash_of(callers, callers.partition[slot], callers.key[slot], callers.origin[slot]) & mask
    while callers.cells[cell] >= 0:
        cell = (cell + 1) & mask
    callers.cells[cell] = slot
