"""What happens to callers: their slots brought to the present, calls counted in them, partitions swept and handed over."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer.compiled import loop
from streamer.windows import distinct, marks, sliding
from streamer.windows.hashing import BUCKETS, hash_words
from streamer.windows.slots import (
    COLUMNS,
    HAND,
    NEVER,
    USED,
    Callers,
    find,
    find_hashed,
    hash_of,
    link,
    narrow_again,
    release,
    reset,
    take,
    widen,
)

_GAP_WEIGHT: Final = 0.2
"""Of the latest gap, in the moving mean of gaps."""


@loop
def open_slot(callers: Callers, partition: int, key: int, origin: int, now_ms: int) -> int:
    """The caller's slot brought to `now_ms`, made if there was none (or only one that holds nothing any more); it counts as touched."""
    return open_hashed(callers, hash_of(callers, partition, key, origin), partition, key, origin, now_ms)


@loop
def open_hashed(callers: Callers, mixed: int, partition: int, key: int, origin: int, now_ms: int) -> int:
    """`open_slot` of a caller whose hash is `mixed`."""
    slot = find_hashed(callers, mixed, partition, key, origin)
    if slot < 0:
        slot = take(callers)
        callers.key[slot] = key
        callers.partition[slot] = partition
        callers.origin[slot] = origin
        link(callers, slot)
        reset(callers, slot, now_ms)
        callers.touched[slot] = True
        return slot
    callers.touched[slot] = True
    clock = callers.clock_ms[slot]
    if now_ms - clock >= sliding.SPAN_MS:
        reset(callers, slot, now_ms)
        return slot
    if now_ms > clock:
        sliding.advance(callers.counts[slot], callers.talk[slot], callers.ten[slot], clock, now_ms)
        day = sliding.step_ms(sliding.RINGS - 1)
        if clock // day != now_ms // day:
            distinct.wipe(callers.narrow[slot], now_ms)
            if callers.wide_of[slot] > 0:
                distinct.wipe(callers.wide[callers.wide_of[slot] - 1], now_ms)
        if callers.attempt_back[slot] != NEVER:
            callers.attempt_back[slot] = min(NEVER - 1, np.int64(callers.attempt_back[slot]) + now_ms - clock)
        callers.clock_ms[slot] = now_ms
    return slot


@loop
def note_callee(callers: Callers, slot: int, callee: int, at_ms: int, now_ms: int) -> None:
    """Count a called number in the sketches; widen them for a busy caller."""
    spread = hash_words(callee, 7, callers.secret)
    distinct.hit(callers.narrow[slot], np.int64(spread % np.uint64(distinct.NARROW)), at_ms, now_ms)
    if callers.wide_of[slot] == 0:
        filled = 0
        for which in range(distinct.NARROW):
            if callers.narrow[slot, which] != 0:
                filled += 1
        if filled < distinct.PROMOTE or not widen(callers, slot):
            return
    wide = callers.wide[callers.wide_of[slot] - 1]
    distinct.hit(wide, np.int64((spread >> np.uint64(32)) % np.uint64(distinct.WIDE)), at_ms, now_ms)


@loop
def count_attempt(callers: Any, slot: int, callee: int, at_ms: int, now_ms: int) -> None:
    """Count a call in the windows and the profile of its caller."""
    sliding.add(callers.counts[slot], sliding.ATTEMPTS, at_ms, now_ms)
    note_callee(callers, slot, callee, at_ms, now_ms)
    back = callers.attempt_back[slot]
    if back != NEVER:
        gap = (at_ms - (now_ms - np.int64(back))) / 1000.0
        if gap >= 0.0:
            mean = callers.gap_mean[slot]
            if np.isnan(mean):
                callers.gap_mean[slot] = gap
                callers.gap_jitter[slot] = 0.0
            else:
                off = abs(gap - mean) / max(mean, 0.001)
                callers.gap_mean[slot] = mean + _GAP_WEIGHT * (gap - mean)
                callers.gap_jitter[slot] += _GAP_WEIGHT * (min(off, 100.0) - callers.gap_jitter[slot])
    since = np.int64(min(max(now_ms - at_ms, 0), NEVER - 1))
    if back == NEVER or since < back:
        callers.attempt_back[slot] = since
    low = np.uint32(callee & 0xFFFFFFFF)
    if callers.run[slot] > 0 and low == np.uint32((np.int64(callers.last_callee[slot]) + 1) & 0xFFFFFFFF):
        if callers.run[slot] < 65_535:
            callers.run[slot] += 1
    elif callers.run[slot] == 0 or low != callers.last_callee[slot]:
        callers.run[slot] = 1
    callers.last_callee[slot] = low


@loop
def sweep(callers: Callers, watermarks: Any, look: int) -> None:
    """Look at so many slots and give back those that hold nothing any more."""
    used = callers.meta[USED]
    if used == 0:
        return
    slot = callers.meta[HAND] % used
    for _ in range(min(look, used)):
        partition = callers.partition[slot]
        if partition >= 0 and watermarks[partition] - callers.clock_ms[slot] >= sliding.SPAN_MS:
            release(callers, slot)
        slot += 1
        if slot == used:
            slot = 0
    callers.meta[HAND] = slot


@loop
def drop(callers: Callers, partition: int) -> None:
    """Give back every slot of a partition."""
    for slot in range(callers.meta[USED]):
        if callers.partition[slot] == partition:
            release(callers, slot)


class Rows(NamedTuple):
    """Slots as columns: those of `COLUMNS`, and `wide` uint16[m, WIDE], which `wide_of` counts from 1."""

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


assert (*COLUMNS, "wide") == Rows._fields, "what is exported is what a slot has"


_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio, odd: a product with it has well mixed upper bits (Knuth: The Art of Computer Programming 3, 6.4)."""


_BUCKET_SHIFT: Final = np.uint64(64 - BUCKETS.bit_length() + 1)


def slots_of(callers: Callers, partition: int) -> Any:
    """int64[n]: the slots of a partition, rising."""
    return np.flatnonzero(callers.partition[: callers.meta[USED]] == partition)


def held_and_touched(callers: Callers, partition: int) -> tuple[int, int]:
    """How many slots a partition has, and how many of them may have changed since `untouch`."""
    used = callers.meta[USED]
    ours = callers.partition[:used] == partition
    return int(np.count_nonzero(ours)), int(np.count_nonzero(ours & callers.touched[:used]))


def untouch(callers: Callers, slots: Any) -> None:
    """These slots were copied."""
    callers.touched[slots] = False


def changed(callers: Callers, partition: int, buckets: Any) -> Any:
    """int64[n]: the slots of a partition that were touched or lie in a bucket that bool[BUCKETS] wants, rising. A caller's bucket
    follows from his key, all origin classes in the same; it is the same everywhere.
    """
    marked = marks.none(callers.meta[USED])
    _mark(callers, partition, buckets, marked)
    return marks.places(marked)


@loop
def _mark(callers: Callers, partition: int, wanted: Any, marked: Any) -> None:
    word = np.uint64(0)
    for bucket in range(BUCKETS):
        if wanted[bucket]:
            word |= np.uint64(1) << np.uint64(bucket)
    keys, partitions, touched = callers.key, callers.partition, callers.touched
    # Without a branch, so that some are looked at at once: this goes through all slots.
    for slot in range(callers.meta[USED]):
        bucket = (np.uint64(keys[slot]) * _SPREAD) >> _BUCKET_SHIFT
        wants = (word >> bucket) & np.uint64(1) != np.uint64(0)
        marked[slot] = (partitions[slot] == partition) & (touched[slot] | wants)


def copy_out(callers: Callers, slots: Any) -> dict[str, Any]:
    """Columns of slots as in `Rows`, by name; the wide sketches are in the order of the slots that have one."""
    # take, since rows[slots] needs three times as long where a row is more than one number
    columns = {name: getattr(callers, name).take(slots, axis=0) for name in COLUMNS}
    has = columns["wide_of"] > 0
    columns["wide"] = callers.wide.take(columns["wide_of"][has] - 1, axis=0)
    columns["wide_of"][has] = np.arange(1, len(columns["wide"]) + 1)
    return columns


def cut(columns: dict[str, Any], rows: slice) -> dict[str, Any]:
    """Some rows of what `copy_out` gave, with their wide sketches."""
    found = {name: columns[name][rows] for name in COLUMNS}
    has = found["wide_of"] > 0
    found["wide"] = columns["wide"][found["wide_of"][has] - 1]
    found["wide_of"] = np.cumsum(has, dtype=np.int32) * has
    return found


def put(callers: Callers, partition: int, columns: dict[str, Any]) -> None:
    """Take in what `copy_out` gave; slots of the same callers are replaced. Where there is no room, the idlest go."""
    _put(callers, partition, Rows(**columns))


@loop
def _put(callers: Callers, partition: int, rows: Rows) -> None:
    for row in range(rows.key.shape[0]):
        slot = find(callers, partition, rows.key[row], rows.origin[row])
        if slot < 0:
            slot = take(callers)
            callers.key[slot] = rows.key[row]
            callers.origin[slot] = rows.origin[row]
            callers.partition[slot] = partition
            link(callers, slot)
        callers.clock_ms[slot] = rows.clock_ms[row]
        callers.first_s[slot] = rows.first_s[row]
        callers.attempt_back[slot] = rows.attempt_back[row]
        callers.last_callee[slot] = rows.last_callee[row]
        callers.run[slot] = rows.run[row]
        callers.gap_mean[slot] = rows.gap_mean[row]
        callers.gap_jitter[slot] = rows.gap_jitter[row]
        for bucket in range(sliding.BUCKETS):
            callers.talk[slot, bucket] = rows.talk[row, bucket]
            for counter in range(sliding.COUNTERS):
                callers.counts[slot, bucket, counter] = rows.counts[row, bucket, counter]
        for step in range(sliding.STEPS):
            callers.ten[slot, step, sliding.SHORT_RING] = rows.ten[row, step, sliding.SHORT_RING]
            callers.ten[slot, step, sliding.UNALLOCATED] = rows.ten[row, step, sliding.UNALLOCATED]
        for which in range(distinct.NARROW):
            callers.narrow[slot, which] = rows.narrow[row, which]
        if rows.wide_of[row] == 0:
            narrow_again(callers, slot)
        elif callers.wide_of[slot] > 0 or widen(callers, slot):
            wide = callers.wide_of[slot] - 1
            for which in range(distinct.WIDE):
                callers.wide[wide, which] = rows.wide[rows.wide_of[row] - 1, which]
