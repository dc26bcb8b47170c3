"""The compiled pass: records of a batch in log order, each judged against the state that the ones before it left.

Everything a verdict depends on is an argument; nothing here reads a clock. The order for a set-up: clamp `at`, move the
partition's watermark, look whether the call was answered before (then repeat that), look whether it is another
operator's sighting of a call already counted, count it, fill the features, run the detectors and the model, decide, count
the block, remember the verdict. Answers and ends find their set-up's entry and count in the slot of its origin class.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from streamer.calls.plan import NOT_VALID, SHORT_NUMBER, VALID, classify
from streamer.detectors import judge_all
from streamer.features import INDEX, WINDOWS
from streamer.models.scorer import score_row
from streamer.policy import ALLOW, BLOCK, decide
from streamer.registers import facts as line_facts
from streamer.registers import lists as number_lists
from streamer.registers.operators import owner_by_range
from streamer.windows import callers as slots
from streamer.windows import calls as recent
from streamer.windows import distinct, sliding
from streamer.windows.hashing import hash_bytes, hash_words

SETUP: Final = 1
ANSWER: Final = 2
END: Final = 3

# columns of `records`, int64[n, RECORD_COLUMNS]
KIND, AT, APPENDED, PARTITION, OPERATOR = 0, 1, 2, 3, 4
INGRESS, ATTESTATION, SCOPE, TRUNK, DIVERTED = 5, 6, 7, 8, 9
RING, TALK, CAUSE = 5, 6, 7
RECORD_COLUMNS: Final = 10

# columns of `verdicts`, int64[n, VERDICT_COLUMNS]
ACTION, SHADOW, POLICY, MODEL, CACHE_S, FLAGS, SAID_AT, CALLER_LISTS, CALLEE_LISTS = range(9)
VERDICT_COLUMNS: Final = 9
REPEATED, EVIDENCE, CONTROL, CLAMPED, SAMPLED, STANDING, LATE_EVENT = 1, 2, 4, 8, 16, 32, 64

CLAMP_BACK_MS: Final = 300_000
CLAMP_AHEAD_MS: Final = 5_000
SHORT_MS: Final = 6_000
SHORT_RING_MS: Final = 5_000
STANDING_MS: Final = 30 * 86_400_000
_GAP_WEIGHT: Final = 0.2

_DNO: Final = number_lists.BIT["do_not_originate"]
_UNALLOCATED: Final = number_lists.BIT["unallocated"]
_MSRN: Final = number_lists.BIT["roaming_numbers"]
_BLOCK_LIST: Final = number_lists.BIT["block"]

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
_AT_MSRN = INDEX["callee_roaming_number"]
_AT_DNO = INDEX["caller_dno"]
_AT_UNALLOCATED_CALLER = INDEX["caller_unallocated"]
_AT_UNALLOCATED_CALLEE = INDEX["callee_unallocated"]


class State(NamedTuple):
    """What a pass changes: callers, calls, pairs, and the watermark of each partition, int64[partitions], ms (-1: none yet)."""

    callers: Any
    calls: Any
    pairs: Any
    watermark: Any


class World(NamedTuple):
    """What a pass only reads. `emergency` int64[k] number ids; `constants` int64[4]: home region, policy row, model row, clamp."""

    plan: Any
    lists: Any
    facts: Any
    operators: Any
    rules: Any
    model: Any
    emergency: Any
    constants: Any
    secret: Any


class Columns(NamedTuple):
    """The batch: `records` int64[n, RECORD_COLUMNS], number ids int64[n], withheld bool[n], call hashes uint64[n], skip bool[n]."""

    records: Any
    caller: Any
    callee: Any
    key: Any
    withheld: Any
    call: Any
    skip: Any


class Verdicts(NamedTuple):
    """What a pass fills, a row a record; rows of answers and ends stay as they were."""

    columns: Any
    reasons: Any
    score: Any
    x: Any
    found: Any
    modes: Any


@njit(cache=True)
def _shared_digits(one: int, other: int) -> int:
    """Leading digits that two E.164 ids of equal length share, the country code's first digit left out."""
    top = 1
    while one // top >= 10:
        top *= 10
    shared = 0
    while top > 0 and one // top == other // top:
        shared += 1
        top //= 10
    return max(shared - 1, 0)


@njit(cache=True)
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


@njit(cache=True)
def _count_attempt(callers: Any, slot: int, callee: int, at_ms: int, now_ms: int) -> None:
    sliding.add(callers.counts[slot], sliding.ATTEMPTS, at_ms, now_ms)
    slots.note_callee(callers, slot, callee, at_ms, now_ms)
    back = callers.attempt_back[slot]
    if back != slots.NEVER:
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
    since = np.int64(min(max(now_ms - at_ms, 0), slots.NEVER - 1))
    if back == slots.NEVER or since < back:
        callers.attempt_back[slot] = since
    low = np.uint32(callee & 0xFFFFFFFF)
    if callers.run[slot] > 0 and low == np.uint32((np.int64(callers.last_callee[slot]) + 1) & 0xFFFFFFFF):
        if callers.run[slot] < 65_535:
            callers.run[slot] += 1
    elif callers.run[slot] == 0 or low != callers.last_callee[slot]:
        callers.run[slot] = 1
    callers.last_callee[slot] = low


@njit(cache=True)
def _is_emergency(world: World, number: int) -> bool:
    for known in world.emergency:
        if known == number:
            return True
    return False


@njit(cache=True)
def _setup(state: State, world: World, batch: Columns, row: int, out: Verdicts, at: int, filled: Any) -> None:
    record = batch.records[row]
    verdict = out.columns[row]
    partition = record[PARTITION]
    now = state.watermark[partition]
    key = batch.key[row]
    callee = batch.callee[row]
    calls = state.calls
    cell = recent.find(calls.hash, calls.partition, batch.call[row])
    if (
        cell >= 0
        and calls.flags[cell] & recent.SETUP
        and now - calls.setup_ms[cell] <= recent.KEEP_MS
        and abs(at - calls.setup_ms[cell]) <= recent.SAME_CALL_MS
    ):
        said = calls.verdict[cell]
        verdict[ACTION] = said[recent.ACTION]
        verdict[SHADOW] = said[recent.SHADOW]
        verdict[POLICY] = said[recent.POLICY]
        verdict[MODEL] = said[recent.MODEL]
        verdict[CACHE_S] = said[recent.CACHE_S]
        verdict[FLAGS] |= REPEATED
        verdict[SAID_AT] = calls.setup_ms[cell]
        out.reasons[row] = calls.reasons[cell]
        out.score[row] = calls.score[cell]
        return
    own_line = record[INGRESS] == 0
    pairs = state.pairs
    pair = hash_words(key, callee ^ (np.int64(partition) << 48), world.secret)
    at_pair = recent.find(pairs.hash, pairs.partition, pair)
    counted = True
    if at_pair >= 0 and now - pairs.at_ms[at_pair] <= recent.PAIR_KEEP_MS:
        if pairs.operator[at_pair] != record[OPERATOR] and abs(at - pairs.at_ms[at_pair]) <= recent.SIGHTING_MS:
            counted = False
    diversion_seen = 0.0
    if record[DIVERTED] != 0:
        first_leg = hash_words(key, record[DIVERTED] ^ (np.int64(partition) << 48), world.secret)
        found = recent.find(pairs.hash, pairs.partition, first_leg)
        if (
            found >= 0
            and now - pairs.at_ms[found] <= recent.PAIR_KEEP_MS
            and (0 <= at - pairs.at_ms[found] <= recent.DIVERSION_MS)
        ):
            diversion_seen = 1.0
    slot = slots.open_slot(state.callers, partition, key, 0 if own_line else 1, now)
    if counted:
        _count_attempt(state.callers, slot, callee, at, now)
        if at_pair < 0:
            at_pair = recent.place(pairs.hash, pairs.partition, pairs.at_ms, pair)
        pairs.hash[at_pair] = pair
        pairs.partition[at_pair] = partition
        pairs.at_ms[at_pair] = at
        pairs.operator[at_pair] = record[OPERATOR]
    x = out.x[row]
    fill_windows(state.callers, slot, now, x, filled)
    status, region, kind = classify(key, world.plan)
    callee_status, callee_region, _ = classify(callee, world.plan)
    home = world.constants[0]
    withheld = batch.withheld[row]
    known = not withheld or status == VALID
    caller_home = region == home and status != SHORT_NUMBER
    callee_home = callee_region == home and callee_status != SHORT_NUMBER
    fact = line_facts.row_of(world.facts, key)
    caller_lists = number_lists.lookup(world.lists, key, 0, record[TRUNK], at)
    callee_lists = number_lists.lookup(world.lists, callee, 1, record[TRUNK], at)
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
        x[_AT_SAME_PREFIX] = _shared_digits(key, callee)
    x[_AT_DIVERTED] = 1.0 if record[DIVERTED] != 0 else 0.0
    x[_AT_ATTESTED] = record[ATTESTATION] if record[ATTESTATION] > 0 else np.nan
    x[_AT_HOUR] = at // 3_600_000 % 24
    x[_AT_ROAMING] = line_facts.roaming(world.facts, fact, at)
    owner = -1
    if fact >= 0 and world.facts.owner[fact] > 0:
        owner = world.facts.owner[fact] - 1
    else:
        owner = owner_by_range(world.operators, key)
    x[_AT_UNPUBLISHED] = 0.0 if owner >= 0 and world.operators.publishes[owner, 1] else 1.0
    x[_AT_CALLER_SHORT] = 1.0 if status == SHORT_NUMBER else 0.0
    x[_AT_DIVERSION_SEEN] = diversion_seen
    x[_AT_SAME_PARTY] = 1.0 if key == callee else 0.0
    x[_AT_MALFORMED] = (
        1.0 if status != VALID and status != NOT_VALID and status != SHORT_NUMBER and not withheld else 0.0
    )
    x[_AT_MSRN] = 1.0 if callee_lists & _MSRN else 0.0
    x[_AT_DNO] = 1.0 if caller_lists & _DNO else 0.0
    x[_AT_UNALLOCATED_CALLER] = 1.0 if caller_lists & _UNALLOCATED else 0.0
    x[_AT_UNALLOCATED_CALLEE] = 1.0 if callee_lists & _UNALLOCATED else 0.0
    judge_all(x, world.rules.thresholds, out.found[row], 0)
    score = score_row(x, world.model)
    spread = hash_words(np.int64(batch.call[row]), 11, world.secret)
    draw = np.float64(spread & np.uint64(0xFFFFFFFF)) / 4294967296.0
    sample = np.float64(spread >> np.uint64(32)) / 4294967296.0
    emergency = _is_emergency(world, callee)
    action, shadow, reasons, cache_s, control = decide(
        world.rules,
        np.int64(world.operators.mode[record[OPERATOR]]),
        record[OPERATOR],
        record[SCOPE],
        at,
        caller_lists,
        callee_lists,
        emergency,
        score,
        out.found[row],
        draw,
        out.modes[row],
    )
    if counted and action == BLOCK:
        sliding.add(state.callers.counts[slot], sliding.BLOCKED, at, now)
    if fact >= 0 and world.facts.line[fact] == line_facts.LINE_ACTIVE and caller_lists & _BLOCK_LIST == 0:
        if at - world.facts.line_since_ms[fact] >= STANDING_MS:
            verdict[FLAGS] |= STANDING
    verdict[ACTION] = action
    verdict[SHADOW] = shadow
    verdict[POLICY] = world.constants[1]
    verdict[MODEL] = world.constants[2]
    verdict[CACHE_S] = cache_s
    verdict[SAID_AT] = at
    verdict[CALLER_LISTS] = caller_lists
    verdict[CALLEE_LISTS] = callee_lists
    if action != ALLOW or shadow != ALLOW or reasons != 0:
        verdict[FLAGS] |= EVIDENCE
    elif sample < world.rules.numbers[1]:
        verdict[FLAGS] |= EVIDENCE | SAMPLED
    if control:
        verdict[FLAGS] |= CONTROL
    out.reasons[row] = reasons
    out.score[row] = score
    if cell < 0:
        cell = recent.place(calls.hash, calls.partition, calls.touched_ms, batch.call[row])
    calls.hash[cell] = batch.call[row]
    calls.partition[cell] = partition
    calls.setup_ms[cell] = at
    calls.touched_ms[cell] = now
    calls.flags[cell] = recent.SETUP | (recent.COUNTED if counted else 0) | (recent.OWN_LINE if own_line else 0)
    calls.verdict[cell, recent.ACTION] = action
    calls.verdict[cell, recent.SHADOW] = shadow
    calls.verdict[cell, recent.POLICY] = world.constants[1]
    calls.verdict[cell, recent.MODEL] = world.constants[2]
    calls.verdict[cell, recent.CACHE_S] = cache_s
    calls.reasons[cell] = reasons
    calls.score[cell] = score


@njit(cache=True)
def _outcome(state: State, batch: Columns, row: int, at: int) -> None:
    """An answer or an end: what it tells counts once, in the slot of the set-up's origin class."""
    record = batch.records[row]
    partition = record[PARTITION]
    now = state.watermark[partition]
    calls = state.calls
    is_end = record[KIND] == END
    cell = recent.find(calls.hash, calls.partition, batch.call[row])
    if cell >= 0 and recent.call_is_over(calls, cell, now):
        recent.remove_call(calls, cell)
        cell = -1
    if cell < 0:
        cell = recent.place(calls.hash, calls.partition, calls.touched_ms, batch.call[row])
        calls.hash[cell] = batch.call[row]
        calls.partition[cell] = partition
        calls.setup_ms[cell] = at
        calls.verdict[cell] = 0
        calls.reasons[cell] = 0
        calls.score[cell] = np.nan
        own = slots.find(state.callers, partition, batch.key[row], 1) < 0 and (
            slots.find(state.callers, partition, batch.key[row], 0) >= 0
        )
        calls.flags[cell] = recent.COUNTED | (recent.OWN_LINE if own else 0)
    calls.touched_ms[cell] = now
    flags = calls.flags[cell]
    if flags & recent.ENDED or (not is_end and flags & recent.ANSWERED):
        return
    answered = not is_end or record[TALK] > 0
    first_answer = answered and not flags & recent.ANSWERED
    calls.flags[cell] = flags | (recent.ANSWERED if answered else 0) | (recent.ENDED if is_end else 0)
    if not flags & recent.COUNTED or calls.verdict[cell, recent.ACTION] == BLOCK:
        return
    slot = slots.open_slot(state.callers, partition, batch.key[row], 0 if flags & recent.OWN_LINE else 1, now)
    counts = state.callers.counts[slot]
    if first_answer:
        sliding.add(counts, sliding.ANSWERED, at, now)
    if not is_end:
        return
    if record[TALK] > 0 or flags & recent.ANSWERED:
        if record[TALK] < SHORT_MS:
            sliding.add(counts, sliding.SHORT, at, now)
        sliding.add_talk(state.callers.talk[slot], record[TALK], at, now)
    elif 0 <= record[RING] < SHORT_RING_MS:
        sliding.add_ten(state.callers.ten[slot], sliding.SHORT_RING, at, now)
    if record[CAUSE] == 1 or record[CAUSE] == 28:
        sliding.add_ten(state.callers.ten[slot], sliding.UNALLOCATED, at, now)


@njit(cache=True, nogil=True)
def run(state: State, world: World, batch: Columns, out: Verdicts) -> None:
    """Judge the records of a batch, those marked `skip` left out, and sweep a little."""
    filled = np.zeros(sliding.RINGS, np.int64)
    n = batch.records.shape[0]
    for row in range(n):
        if batch.skip[row]:
            continue
        record = batch.records[row]
        at = record[AT]
        if world.constants[3] != 0:
            kept = min(max(at, record[APPENDED] - CLAMP_BACK_MS), record[APPENDED] + CLAMP_AHEAD_MS)
            if kept != at:
                out.columns[row, FLAGS] |= CLAMPED
                at = kept
        partition = record[PARTITION]
        if at > state.watermark[partition]:
            state.watermark[partition] = at
        elif at < state.watermark[partition] - sliding.step_ms(0):
            out.columns[row, FLAGS] |= LATE_EVENT
        if record[KIND] == SETUP:
            _setup(state, world, batch, row, out, at, filled)
        else:
            _outcome(state, batch, row, at)
    slots.sweep(state.callers, state.watermark, 8 + 2 * n)
    recent.sweep(state.calls, state.pairs, state.watermark, 64 + 8 * n)


@njit(cache=True)
def call_hashes(buffer: Any, ends: Any, partitions: Any, secret: Any, out: Any) -> None:
    """uint64[n]: the keyed hash of (partition, operator, call id); the texts lie end to end in `buffer`, uint8."""
    begin = 0
    for row in range(ends.shape[0]):
        out[row] = hash_bytes(buffer, begin, ends[row], partitions[row], secret)
        begin = ends[row]
