"""Calls that cost: which they are, and the columns that tell what the caller's other ones were like.

Costly is a call abroad (to any country but the home country, satellites and codes of no country among them, worldwide freephone
numbers under +800 not), and one at a premium rate: by the called number's plan, or because the list `premium` names it or its range,
which is where an operator keeps the ranges that it knows to be pumped. Other calls are not looked at any further.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer.calls.plan import NO_COUNTRY, NOT_VALID, PREMIUM, VALID
from streamer.columns import PARTITION, Columns, State, World
from streamer.compiled import loop
from streamer.features import INDEX
from streamer.reasons import CODING
from streamer.registers.lists import BIT
from streamer.windows import callers, calls, costly, sliding

ABROAD: Final = 1.0
PREMIUM_RATE: Final = 2.0
_FREEPHONE: Final = 800
"""The calling code of universal international freephone numbers (ITU-T E.169.1)."""

_PREMIUM: Final = BIT["premium"]
_COSTLY = INDEX["costly"]
_ATTEMPTS_1M = INDEX["costly_attempts_1m"]
_ATTEMPTS_1H = INDEX["costly_attempts_1h"]
_BLOCKED_1H = INDEX["costly_blocked_1h"]
_ANSWERED_1H = INDEX["costly_answered_1h"]
_TALK_1H = INDEX["costly_talk_1h"]
_OVERLAPPING_1H = INDEX["costly_overlapping_1h"]
_OVERLAPPING_24H = INDEX["costly_overlapping_24h"]
_GOING_ON = INDEX["costly_going_on"]
_RANGE_RUN = INDEX["range_run"]
_COUNTRY_KNOWN = INDEX["country_known"]
_FOUND = INDEX["costly_found"]
_WEEK_HOUR = INDEX["week_hour"]
_FIRST, _LAST = _COSTLY, _WEEK_HOUR
_1M, _1H, _24H = 0, 2, 3
_PBX: Final = CODING.fields["pbx_hacking"]
_PBX_AT, _PBX_MASK = _PBX.at, _PBX.mask
_CRITICAL: Final = [value for value, name in enumerate(_PBX.names, 1) if name.endswith("_critical")]
_FIRST_CRITICAL, _LAST_CRITICAL = _CRITICAL[0], _CRITICAL[-1]
_MS_AN_HOUR: Final = 3_600_000
_THURSDAY_H: Final = 72
"""Hours from the beginning of a week to that of 1970."""


@loop
def country_of(batch: Columns, row: int) -> int:
    """What the called country is told from others by: its region or, where that is no country, the calling code, which has three digits."""
    region = batch.callee_region[row]
    if region != NO_COUNTRY:
        return int(region)
    code = batch.callee[row]
    while code >= 1_000:
        code //= 10
    return int(code)


@loop
def _level_of(world: World, batch: Columns, row: int, callee_lists: int) -> float:
    """0 for a call that is not costly, else `ABROAD` or `PREMIUM_RATE`."""
    if callee_lists & _PREMIUM or batch.callee_kind[row] == PREMIUM:
        return PREMIUM_RATE
    if batch.callee_region[row] == world.constants[0] or country_of(batch, row) == _FREEPHONE:
        return 0.0
    return ABROAD if batch.callee_status[row] == VALID or batch.callee_status[row] == NOT_VALID else 0.0


@loop
def _leave_empty(x: Any) -> None:
    """The columns of a call that is not costly."""
    x[_FIRST] = 0.0
    for column in range(_FIRST + 1, _LAST + 1):
        x[column] = np.nan


@loop
def fill(
    state: State, world: World, batch: Columns, row: int, callee_lists: int, origin: int, counted: bool, at: int, x: Any
) -> int:
    """Fill the columns that tell of the costly calls of a caller of an origin class, this one counted if it is to be.

    Gives the slot of his costly calls, for which another may have been given up; -1 for a call that is not costly.
    """
    level = _level_of(world, batch, row, callee_lists)
    if level == 0.0:
        _leave_empty(x)
        return -1
    key, callee = batch.key[row], batch.callee[row]
    partition = batch.records[row, PARTITION]
    now = state.watermark[partition]
    slots = state.callers
    slot = callers.open_slot(slots, partition, key, costly.ORIGIN + origin, now)
    if counted:
        costly.count_attempt(slots, slot, callee, at, now)
    counts = slots.counts[slot]
    talk = np.int64(0)
    for bucket in range(_1H * sliding.STEPS, (_1H + 1) * sliding.STEPS):
        talk += slots.talk[slot, bucket]
    x[_COSTLY] = level
    x[_ATTEMPTS_1M] = sliding.total(counts, _1M, sliding.ATTEMPTS)
    x[_ATTEMPTS_1H] = sliding.total(counts, _1H, sliding.ATTEMPTS)
    x[_BLOCKED_1H] = sliding.total(counts, _1H, sliding.BLOCKED)
    x[_ANSWERED_1H] = sliding.total(counts, _1H, sliding.ANSWERED)
    x[_TALK_1H] = talk / 10.0
    x[_OVERLAPPING_1H] = sliding.total(counts, _1H, costly.OVERLAPPING)
    x[_OVERLAPPING_24H] = sliding.total(counts, _24H, costly.OVERLAPPING)
    x[_GOING_ON] = costly.going_on(slots, slot)
    x[_RANGE_RUN] = costly.run_to(slots, slot, callee)
    x[_COUNTRY_KNOWN] = costly.known_for_s(slots, slot, country_of(batch, row), now)
    x[_FOUND] = costly.found_s(slots, slot)
    x[_WEEK_HOUR] = ((at + world.constants[4]) // _MS_AN_HOUR + _THURSDAY_H) % 168
    return int(slot)


@loop
def count_block(slots: Any, slot: int, at_costly: int, country: int, at_ms: int, now_ms: int) -> None:
    """Count a block where its attempt was counted: in the caller's slot, unless that was given up for the one of his costly calls
    (`at_costly`, -1 if this is none), and in that one, to which the called `country` is as new as before.
    """
    if slots.origin[slot] < costly.ORIGIN:
        sliding.add(slots.counts[slot], sliding.BLOCKED, at_ms, now_ms)
    if at_costly >= 0:
        sliding.add(slots.counts[at_costly], sliding.BLOCKED, at_ms, now_ms)
        costly.forget_new(slots, at_costly, country, now_ms)


@loop
def note_found(slots: Any, at_costly: int, reasons: int) -> None:
    """See whether a word of reasons says that the costly calls are those of a hacked exchange."""
    if at_costly >= 0 and _FIRST_CRITICAL <= reasons >> _PBX_AT & _PBX_MASK <= _LAST_CRITICAL:
        costly.note_found(slots, at_costly)


@loop
def flags_of(x: Any) -> int:
    """The flags that a costly call has in the table of calls."""
    return calls.COSTLY | (calls.PREMIUM if x[_COSTLY] == PREMIUM_RATE else 0)
