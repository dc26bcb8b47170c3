"""Calls to costly destinations counted a second time, in a slot of their own: what they alone are like tells of stolen minutes.

The slot lies in the same store, under an origin class of its own (`ORIGIN` above its caller's), so that windows, expiry,
eviction and hand-over are those of every slot, and callers who never make such calls pay nothing. Some of its columns tell
something else than in a caller's slot:

- `last_callee` and `run`: the destination range that most of the calls go to, and by how many they are ahead of the calls to
  others (Boyer, Moore: MJRTY, a fast majority vote algorithm, 1991), at most `MOST_RUN`, so that a new range is not kept waiting
  by an old one. A range is `RANGE` numbers, as premium-rate providers rent them out;
- `narrow`: when each country was called for the first time, by registers as in `streamer.windows.distinct`: two countries that
  share one of the 32 are one. One that was first called `KNOWN_S` ago stays known until 20 hours after its last call. A call that is
  blocked takes back that a country was called which is not known yet: no attack makes its own countries known;
- `attempt_back`: how long ago what was let through was last enough for a block (`note_found`);
- the counter `OVERLAPPING` for that of short calls: answers at a premium rate while `HELD_AT_PREMIUM` other calls still went on,
  which is more than one person can hold, and of calls to a country that is new while `HELD_ABROAD` did, which is more than a small
  office that calls abroad has;
- `ten`: answers, and ends by when their call was answered: their difference is what still goes on of the calls that were
  answered in the last ten minutes. A lost end is forgotten with its answer.

`gap_mean`, `gap_jitter` and the wide sketch are not used.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer.compiled import loop
from streamer.windows import callers, distinct, sliding
from streamer.windows.hashing import hash_words
from streamer.windows.slots import NEVER

ORIGIN: Final = 2
RANGE: Final = 10_000
MOST_RUN: Final = 12
KNOWN_S: Final = 8 * 3_600
HELD_AT_PREMIUM: Final = 2
HELD_ABROAD: Final = 5
OVERLAPPING: Final = sliding.SHORT
"""Of the counters of a slot of costly calls."""

_ANSWERS: Final = 0
_ENDS: Final = 1
_KNOWN: Final = KNOWN_S * 1_000 // distinct.UNIT_MS
_FORGOTTEN: Final = sliding.SPAN_MS // distinct.UNIT_MS


@loop
def count_attempt(slots: Any, slot: int, callee: int, at_ms: int, now_ms: int) -> None:
    """Count a call, and its range."""
    sliding.add(slots.counts[slot], sliding.ATTEMPTS, at_ms, now_ms)
    called = np.uint32(callee // RANGE & 0xFFFFFFFF)
    if slots.run[slot] == 0:
        slots.last_callee[slot] = called
        slots.run[slot] = 1
    elif slots.last_callee[slot] != called:
        slots.run[slot] -= 1
    elif slots.run[slot] < MOST_RUN:
        slots.run[slot] += 1


@loop
def run_to(slots: Any, slot: int, callee: int) -> int:
    """By how many the calls to the range of a called number are ahead of those to others; 0 for any range but one."""
    return int(slots.run[slot]) if slots.last_callee[slot] == np.uint32(callee // RANGE & 0xFFFFFFFF) else 0


@loop
def _register_of(slots: Any, country: int) -> int:
    return int(hash_words(country, 9, slots.secret) % np.uint64(distinct.NARROW))


@loop
def _known_for(register: int, unit: int) -> int:
    """Units since the country of a register was called for the first time, at most `_KNOWN`; 0 when it never was."""
    if register == 0:
        return 0
    age = distinct.age_of(register, unit)
    return 0 if age >= _FORGOTTEN else int(min(age, _KNOWN))


@loop
def known_for_s(slots: Any, slot: int, country: int, now_ms: int) -> int:
    """How long ago a country (any integer of its own) was called for the first time, at most `KNOWN_S`; the call counts."""
    unit = now_ms // distinct.UNIT_MS
    which = _register_of(slots, country)
    age = _known_for(slots.narrow[slot, which], unit)
    slots.narrow[slot, which] = distinct.mark_of(unit - age)
    return int(age * (distinct.UNIT_MS // 1_000))


@loop
def _is_new(slots: Any, slot: int, country: int, now_ms: int) -> bool:
    return bool(_known_for(slots.narrow[slot, _register_of(slots, country)], now_ms // distinct.UNIT_MS) < _KNOWN)


@loop
def forget_new(slots: Any, slot: int, country: int, now_ms: int) -> None:
    """A call to a country was blocked: unless it is known, it was never called."""
    if _is_new(slots, slot, country, now_ms):
        slots.narrow[slot, _register_of(slots, country)] = 0


@loop
def note_found(slots: Any, slot: int) -> None:
    """The calls that were let through are enough for a block, at the slot's clock."""
    slots.attempt_back[slot] = 0


@loop
def found_s(slots: Any, slot: int) -> float:
    """How long ago they were last enough for one, s; NaN when they never were."""
    back = slots.attempt_back[slot]
    return np.nan if back == NEVER else back / 1_000.0


@loop
def going_on(slots: Any, slot: int) -> int:
    """Calls answered in the last ten minutes that have not ended."""
    held = np.int64(0)
    for step in range(sliding.STEPS):
        held += np.int64(slots.ten[slot, step, _ANSWERS]) - np.int64(slots.ten[slot, step, _ENDS])
    return int(max(held, 0))


@loop
def count_outcome(
    slots: Any, partition: int, key: int, origin: int, premium: bool, country: int, answered: bool, ended: bool,
    talk_ms: int, at_ms: int, now_ms: int,
) -> None:  # fmt: skip
    """An answer or an end at `at_ms` of a call at a premium rate or to a country: `answered` when it is the first to tell that it was
    answered, `ended` when it is the end of an answered call.
    """
    slot = callers.open_slot(slots, partition, key, ORIGIN + origin, now_ms)
    since_ms = at_ms - talk_ms if ended else at_ms
    if answered:
        held = going_on(slots, slot)
        if (held >= HELD_AT_PREMIUM and premium) or (held >= HELD_ABROAD and _is_new(slots, slot, country, now_ms)):
            sliding.add(slots.counts[slot], OVERLAPPING, since_ms, now_ms)
        sliding.add(slots.counts[slot], sliding.ANSWERED, since_ms, now_ms)
        sliding.add_ten(slots.ten[slot], _ANSWERS, since_ms, now_ms)
    if ended:
        sliding.add_ten(slots.ten[slot], _ENDS, since_ms, now_ms)
        sliding.add_talk(slots.talk[slot], talk_ms, at_ms, now_ms)
