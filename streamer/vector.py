"""Filling the feature vector of one call: the caller's windows and profile, the call itself, facts and lists."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer import columns
from streamer.calls.plan import GARBAGE, NOT_VALID, SHORT_NUMBER, VALID
from streamer.calls.signals import KINDS
from streamer.columns import ASSERTED, ATTESTATION, DIVERTED, IDENTITY, INGRESS, REGISTERED, Columns, World
from streamer.compiled import loop
from streamer.features import CAME_FROM_ABROAD, INDEX, WINDOWS
from streamer.registers import facts as line_facts
from streamer.registers import lists as number_lists
from streamer.registers import signals as known_signals
from streamer.registers import trunks as known_trunks
from streamer.registers.operators import owner_by_range
from streamer.windows import distinct, sliding, slots
from streamer.windows.calls import FROM_ABROAD, ORIGINATED
from streamer.windows.newcomers import range_of, route_of
from streamer.windows.tallies import E164, PREFIX_BLOCKS, block_of, place_of

_DNO: Final = number_lists.BIT["do_not_originate"]
_UNALLOCATED: Final = number_lists.BIT["unallocated"]
_ALLOCATED: Final = number_lists.BIT["allocated"]
_MSRN: Final = number_lists.BIT["roaming_numbers"]
_PROTECTED: Final = number_lists.BIT["protected"]
_MS_AN_HOUR: Final = 3_600_000.0

_PER_WINDOW: Final = 7
_ORDER: Final = tuple(
    INDEX[f"{name}_{window}"]
    for window, _ in WINDOWS
    for name in ("attempts", "blocked", "answered", "short", "distinct", "talk", "gap")
)
assert tuple(range(len(WINDOWS) * _PER_WINDOW)) == _ORDER, "the windowed columns come first, window by window"

_AT_SHORT_RING = INDEX["short_ring_10m"]
_AT_UNALLOCATED = INDEX["unallocated_10m"]
_AT_RUN = INDEX["run_length"]
_AT_GAP_MEAN = INDEX["gap_mean"]
_AT_GAP_JITTER = INDEX["gap_jitter"]
_AT_AGE = INDEX["age"]
_AT_OWN_LINE = INDEX["own_line"]
_AT_INTERNATIONAL = INDEX["international"]
_AT_CALLER_HOME = INDEX["caller_home"]
_AT_CALLER_VALID = INDEX["caller_valid"]
_AT_CALLER_MOBILE = INDEX["caller_mobile"]
_AT_WITHHELD = INDEX["withheld"]
_AT_CALLEE_HOME = INDEX["callee_home"]
_AT_CALLEE_VALID = INDEX["callee_valid"]
_AT_CALLEE_SHORT = INDEX["callee_short"]
_AT_SAME_PREFIX = INDEX["same_prefix"]
_AT_DIVERTED = INDEX["diverted"]
_AT_ATTESTED = INDEX["attested"]
_AT_HOUR = INDEX["hour"]
_AT_ROAMING = INDEX["caller_roaming"]
_AT_UNPUBLISHED = INDEX["location_unpublished"]
_AT_CALLER_SHORT = INDEX["caller_short"]
_AT_DIVERSION_SEEN = INDEX["diversion_seen"]
_AT_SAME_PARTY = INDEX["same_party"]
_AT_MALFORMED = INDEX["caller_malformed"]
_AT_AMBIGUOUS = INDEX["caller_ambiguous"]
_AT_EMERGENCY = INDEX["caller_emergency"]
_AT_MSRN = INDEX["callee_roaming_number"]
_AT_DNO = INDEX["caller_dno"]
_AT_UNALLOCATED_CALLER = INDEX["caller_unallocated"]
_AT_UNALLOCATED_CALLEE = INDEX["callee_unallocated"]
_AT_TRUNK_KIND = INDEX["trunk_kind"]
_AT_TRUNK_PARTNER = INDEX["trunk_partner"]
_AT_TRUNK_IN_RANGE = INDEX["trunk_in_range"]
_AT_ORIGINATION = INDEX["origination_seen"]
_AT_IDENTITY = INDEX["identity_failed"]
_AT_SIM_AGE = INDEX["sim_age"]
_AT_PROTECTED = INDEX["callee_protected"]
_AT_LINE_AGE = INDEX["line_age"]
_AT_CALLEE_SIGNAL = INDEX["callee_callers_1m"]
_AT_TRUNK_SIGNAL = INDEX["trunk_attempts_10m"]
_AT_BLOCK_SIGNAL = INDEX["block_attempts_10m"]
_AT_BURST = INDEX["block_burst_10m"]
_AT_LINE_SIGNAL = INDEX["line_incoming"]
_AT_RANGE_SIGNAL = INDEX["range_lines"]
_AT_PREFIX_SIGNAL = INDEX["prefix_fresh_10m"]
_AT_LURE_SIGNAL = INDEX["callee_rings_10m"]
_CALLEE_VALUES, _TRUNK_VALUES, _BLOCK_VALUES, _LINE_VALUES, _RANGE_VALUES, _PREFIX_VALUES, _LURE_VALUES = (
    len(known_signals.VALUES[kind]) for kind in KINDS
)


@loop
def _top(number: int) -> int:
    """The power of ten of a number's first digit."""
    top = 1
    while number // top >= 10:
        top *= 10
    return top


@loop
def _shared_digits(one: int, other: int, code: int) -> int:
    """Leading national digits that two E.164 ids under one calling `code` share."""
    top, other_top = _top(one), _top(other)
    shared = 0
    while top > 0 and other_top > 0 and one // top == other // other_top:
        shared += 1
        top //= 10
        other_top //= 10
    while code > 0:
        shared -= 1
        code //= 10
    return max(shared, 0)


@loop
def fill_windows(callers: Any, slot: int, now_ms: int, x: Any, filled: Any) -> None:
    """The windowed columns and the profile of one caller, read at the clock `now_ms` that the slot was brought to."""
    counts = callers.counts[slot]
    distinct.filled(callers.narrow[slot], now_ms, filled)
    for ring in range(sliding.RINGS):
        x[ring * _PER_WINDOW + 4] = distinct.NARROW_ESTIMATE[filled[ring]]
    wide = callers.wide_of[slot]
    if wide > 0:
        distinct.filled(callers.wide[wide - 1], now_ms, filled)
        for ring in range(sliding.RINGS):
            column = ring * _PER_WINDOW + 4
            x[column] = max(x[column], distinct.WIDE_ESTIMATE[filled[ring]])
    back = callers.attempt_back[slot]
    for ring in range(sliding.RINGS):
        base = ring * _PER_WINDOW
        attempts = sliding.total(counts, ring, sliding.ATTEMPTS)
        x[base] = attempts
        x[base + 1] = sliding.total(counts, ring, sliding.BLOCKED)
        x[base + 2] = sliding.total(counts, ring, sliding.ANSWERED)
        x[base + 3] = sliding.total(counts, ring, sliding.SHORT)
        talk = 0
        for bucket in range(ring * sliding.STEPS, (ring + 1) * sliding.STEPS):
            talk += callers.talk[slot, bucket]
        x[base + 5] = talk / 10.0
        x[base + 6] = np.nan
        if attempts >= 2 and back != slots.NEVER:
            begin = max(sliding.oldest_attempt_ms(counts, ring, now_ms), np.int64(callers.first_s[slot]) * 1000)
            x[base + 6] = max(now_ms - np.int64(back) - begin, 0) / (attempts - 1) / 1000.0
    short_ring = 0
    unallocated = 0
    for step in range(sliding.STEPS):
        short_ring += callers.ten[slot, step, sliding.SHORT_RING]
        unallocated += callers.ten[slot, step, sliding.UNALLOCATED]
    x[_AT_SHORT_RING] = short_ring
    x[_AT_UNALLOCATED] = unallocated
    x[_AT_RUN] = callers.run[slot]
    x[_AT_GAP_MEAN] = callers.gap_mean[slot]
    x[_AT_GAP_JITTER] = callers.gap_jitter[slot]
    x[_AT_AGE] = now_ms // 1000 - np.int64(callers.first_s[slot])


@loop
def _fill_trunk(world: World, record: Any, key: int, owner: int, known: bool, x: Any) -> None:
    """What the registry says of a number on the trunk it came over; `owner` is the row of the operator of `key`, -1: none."""
    trunk = record[REGISTERED]
    kind = world.trunks.kind[trunk]
    x[_AT_TRUNK_KIND] = kind
    x[_AT_TRUNK_PARTNER] = np.nan
    x[_AT_TRUNK_IN_RANGE] = np.nan
    number = key
    if record[DIVERTED] != 0:
        number = record[DIVERTED]
        known = True
    if kind == known_trunks.DIRECT and record[INGRESS] == 1:
        if record[DIVERTED] != 0:
            owner = owner_by_range(world.operators, number)
        partner = world.trunks.partner[trunk]
        if known and owner >= 0 and partner >= 0 and world.operators.ranged[partner]:
            x[_AT_TRUNK_PARTNER] = 1.0 if owner == partner else 0.0
    elif kind == known_trunks.ENTERPRISE:
        if 0 < record[ASSERTED] < E164:
            number = record[ASSERTED]
            known = True
        if known and 0 < number < E164:
            x[_AT_TRUNK_IN_RANGE] = known_trunks.has(world.trunks, trunk, number)


@loop
def _copy(signals: Any, row: int, x: Any, first: int, count: int) -> None:
    """What a signal says, or that nothing is known."""
    for place in range(count):
        x[first + place] = signals.values[row, place] if row >= 0 else np.nan


@loop
def fill_signals(world: World, batch: Columns, row: int, now_ms: int, x: Any) -> None:
    """What is known over all partitions of the called number, the trunk, the caller's block of numbers or own line, and its range."""
    signals = world.signals
    record, key = batch.records[row], batch.key[row]
    own_line = record[INGRESS] == 0
    callee = known_signals.find(signals, known_signals.CALLEE, place_of(batch.callee[row]), now_ms)
    _copy(signals, callee, x, _AT_CALLEE_SIGNAL, _CALLEE_VALUES)
    lure = known_signals.find(signals, known_signals.LURE, batch.callee[row], now_ms)
    _copy(signals, lure, x, _AT_LURE_SIGNAL, _LURE_VALUES)
    trunk = known_signals.find(signals, known_signals.TRUNK, record[REGISTERED], now_ms)
    _copy(signals, trunk, x, _AT_TRUNK_SIGNAL, _TRUNK_VALUES)
    block = -1
    line = -1
    prefix = -1
    if own_line:
        line = known_signals.find(signals, known_signals.LINE, key, now_ms)
    else:
        block = known_signals.find(signals, known_signals.BLOCK, block_of(key), now_ms)
        prefix = known_signals.find(signals, known_signals.PREFIX, block_of(key) // PREFIX_BLOCKS, now_ms)
    _copy(signals, block, x, _AT_BLOCK_SIGNAL, _BLOCK_VALUES)
    if block >= 0:
        over = route_of(block_of(key), record[REGISTERED])
        route = known_signals.find(signals, known_signals.BLOCK, over, now_ms)
        x[_AT_BURST] = signals.values[route, known_signals.BURST] if route >= 0 else 0.0
    _copy(signals, line, x, _AT_LINE_SIGNAL, _LINE_VALUES)
    around = known_signals.find(signals, known_signals.RANGE, range_of(key, own_line, record[REGISTERED]), now_ms)
    _copy(signals, around, x, _AT_RANGE_SIGNAL, _RANGE_VALUES)
    _copy(signals, prefix, x, _AT_PREFIX_SIGNAL, _PREFIX_VALUES)


@loop
def _is_asked(world: World, batch: Columns, row: int, owner: int, status: int, exempt: bool) -> bool:
    """Whether the operator of the calling number should have said that this call began on its line."""
    if batch.records[row, INGRESS] != 1 or owner < 0 or not world.operators.publishes[owner, 0]:
        return False
    return bool(status == VALID and not batch.withheld[row] and not exempt)


@loop
def fill_call(
    world: World, batch: Columns, row: int, at: int, fact: int, owner: int, caller_lists: int, callee_lists: int,
    diversion_seen: float, origin: int, x: Any,
) -> None:  # fmt: skip
    """The columns that tell of the call itself; `fact` is the row of the caller's facts, `owner` that of the caller's operator
    (-1: none), the lists are masks; `origin` see `streamer.windows.calls.origin_of`.
    """
    record = batch.records[row]
    key = batch.key[row]
    callee = batch.callee[row]
    own_line = record[INGRESS] == 0
    status, kind = batch.key_status[row], batch.key_kind[row]
    if status == NOT_VALID and caller_lists & _ALLOCATED:
        status = VALID
    callee_status = batch.callee_status[row]
    home = world.constants[0]
    withheld = batch.withheld[row]
    known = not withheld or status == VALID
    caller_home = batch.key_region[row] == home and status != SHORT_NUMBER
    callee_home = batch.callee_region[row] == home and callee_status != SHORT_NUMBER
    x[_AT_OWN_LINE] = 1.0 if own_line else 0.0
    x[_AT_INTERNATIONAL] = 1.0 if record[INGRESS] == 2 else 0.0
    x[_AT_CALLER_HOME] = 1.0 if caller_home else 0.0
    x[_AT_CALLER_VALID] = (1.0 if status == VALID else 0.0) if known else np.nan
    x[_AT_CALLER_MOBILE] = 1.0 if status == VALID and (kind == 2 or kind == 3) else 0.0
    x[_AT_WITHHELD] = 1.0 if withheld else 0.0
    x[_AT_CALLEE_HOME] = 1.0 if callee_home else 0.0
    x[_AT_CALLEE_VALID] = 1.0 if callee_status == VALID else 0.0
    x[_AT_CALLEE_SHORT] = 1.0 if callee_status == SHORT_NUMBER else 0.0
    x[_AT_SAME_PREFIX] = 0.0
    if caller_home and callee_home:
        x[_AT_SAME_PREFIX] = _shared_digits(key, callee, world.constants[5])
    x[_AT_DIVERTED] = 1.0 if record[DIVERTED] != 0 else 0.0
    verified = record[IDENTITY]
    level = verified if verified != 0 else record[ATTESTATION]
    x[_AT_ATTESTED] = level if level > 0 else np.nan
    x[_AT_IDENTITY] = max(-verified, 0) if verified != 0 else np.nan
    x[_AT_HOUR] = at // 3_600_000 % 24
    x[_AT_ROAMING] = line_facts.roaming(world.facts, fact, owner, at)
    _fill_trunk(world, record, key, owner, known, x)
    x[_AT_ORIGINATION] = np.nan
    exempt = callee_lists & _MSRN != 0 or diversion_seen == 1.0 or (x[_AT_ROAMING] == 1.0 and origin != ORIGINATED)
    if _is_asked(world, batch, row, owner, status, exempt):
        x[_AT_ORIGINATION] = 1.0 if origin == ORIGINATED else CAME_FROM_ABROAD if origin == FROM_ABROAD else 0.0
    x[_AT_SIM_AGE] = np.nan
    if fact >= 0 and 0 < world.facts.sim_ms[fact] <= at:
        x[_AT_SIM_AGE] = (at - world.facts.sim_ms[fact]) / _MS_AN_HOUR
    x[_AT_LINE_AGE] = np.nan
    if fact >= 0 and world.facts.line[fact] == line_facts.LINE_ACTIVE and 0 < world.facts.line_since_ms[fact] <= at:
        x[_AT_LINE_AGE] = (at - world.facts.line_since_ms[fact]) / _MS_AN_HOUR
    x[_AT_PROTECTED] = 1.0 if callee_lists & _PROTECTED else 0.0
    x[_AT_UNPUBLISHED] = 0.0 if owner >= 0 and world.operators.publishes[owner, 1] else 1.0
    x[_AT_CALLER_SHORT] = 1.0 if status == SHORT_NUMBER else 0.0
    x[_AT_DIVERSION_SEEN] = diversion_seen
    x[_AT_SAME_PARTY] = 1.0 if key == callee else 0.0
    x[_AT_MALFORMED] = 1.0 if status == GARBAGE and not withheld else 0.0
    x[_AT_AMBIGUOUS] = batch.ambiguous[row]
    x[_AT_EMERGENCY] = record[columns.SHOWS_URGENT]
    x[_AT_MSRN] = 1.0 if callee_lists & _MSRN else 0.0
    x[_AT_DNO] = 1.0 if caller_lists & _DNO else 0.0
    x[_AT_UNALLOCATED_CALLER] = 1.0 if caller_lists & _UNALLOCATED else 0.0
    x[_AT_UNALLOCATED_CALLEE] = 1.0 if callee_lists & _UNALLOCATED else 0.0
