"""The compiled pass: records of a batch in log order, each judged against the state that the ones before it left.

Everything a verdict depends on is an argument; nothing here reads a clock. The order for a set-up: clamp `at`, move the
partition's watermark, look whether the call was answered before (then repeat that), look whether it is another
operator's sighting of a call already counted, count it, fill the features, run the detectors and the model, decide, count
the block, remember the verdict. Answers and ends find their set-up's entry and count in the slot of its origin class.

The tables are far larger than the processor's caches, and a record's entries lie where its hash says. So before the
records are judged one by one, `_reach` looks at all of their entries in turn: those looks do not wait for one another.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer.calls.compiled_decisions import MILLIONTHS
from streamer.columns import (
    ACTION,
    APPENDED,
    AT,
    CACHE_S,
    CALLEE_LISTS,
    CALLER_LISTS,
    CAUSE,
    CLAMPED,
    CONTROL,
    DIVERTED,
    END,
    EVIDENCE,
    FLAGS,
    GOVERNED,
    INGRESS,
    KIND,
    LATE_EVENT,
    MODEL,
    OPERATOR,
    PARTITION,
    POLICY,
    REPEATED,
    RING,
    SAID_AT,
    SAMPLED,
    SCOPE,
    SETUP,
    SHADOW,
    STANDING,
    TALK,
    TRUNK,
    Columns,
    State,
    Verdicts,
    World,
)
from streamer.compiled import loop
from streamer.detectors import DETECTORS, judge_all
from streamer.models.scorer import score_row
from streamer.policy import ALLOW, BLOCK, LABEL, decide, governed
from streamer.registers import facts as line_facts
from streamer.registers import lists as number_lists
from streamer.vector import fill_call, fill_windows
from streamer.windows import callers as slots
from streamer.windows import calls as recent
from streamer.windows import sliding
from streamer.windows.hashing import hash_words

CLAMP_BACK_MS: Final = 300_000
CLAMP_AHEAD_MS: Final = 5_000
SHORT_MS: Final = 6_000
SHORT_RING_MS: Final = 5_000
STANDING_MS: Final = 30 * 86_400_000
_GAP_WEIGHT: Final = 0.2
_BLOCK_LIST: Final = number_lists.BIT["block"]
_CLI_SPOOFING: Final = next(row for row, detector in enumerate(DETECTORS) if detector.id == "cli_spoofing")
_RANG: Final = (16, 19, 31, 127)
"""Causes (Q.850) of a call that rang and was given up; a busy line, a failing network or an absent one is no wangiri."""
_LOW: Final = (1 << 32) - 1


@loop
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


@loop
def _is_emergency(world: World, number: int) -> bool:
    for known in world.emergency:
        if known == number:
            return True
    return False


@loop
def _pair_hash(world: World, key: int, called: int, partition: int) -> int:
    return np.int64(hash_words(key, called ^ (np.int64(partition) << 48), world.secret))


@loop
def _reach(state: State, world: World, batch: Columns, hashes: Any) -> int:
    """Fill `hashes` int64[n, 2] (slot and pair of each set-up) and look once at all that the pass will look at.

    What it returns tells nothing; it is returned so that the looks are not left out as useless.
    """
    callers, calls, pairs = state.callers, state.calls.rows, state.pairs.rows
    last_slot, last_call, last_pair = callers.cells.shape[0] - 1, calls.shape[0] - 1, pairs.shape[0] - 1
    seen = np.int64(0)
    for row in range(batch.records.shape[0]):
        seen += calls[batch.call[row] & last_call, recent.HELD]
        if batch.records[row, KIND] == SETUP:
            partition = batch.records[row, PARTITION]
            key = batch.key[row]
            origin = 0 if batch.records[row, INGRESS] == 0 else 1
            hashes[row, 0] = slots.hash_of(callers, partition, key, origin)
            hashes[row, 1] = _pair_hash(world, key, batch.callee[row], partition)
            seen += callers.cells[hashes[row, 0] & last_slot] + pairs[hashes[row, 1] & last_pair, recent.HELD]
    for row in range(batch.records.shape[0]):
        if batch.records[row, KIND] != SETUP:
            own = recent.flags_at(state.calls, batch.call[row] & last_call) & recent.OWN_LINE
            partition = batch.records[row, PARTITION]
            hashes[row, 0] = slots.hash_of(callers, partition, batch.key[row], 0 if own else 1)
        slot = callers.cells[hashes[row, 0] & last_slot]
        if slot >= 0:
            seen += callers.key[slot] + callers.clock_ms[slot] + callers.talk[slot, 0] + callers.talk[slot, 16]
            seen += callers.narrow[slot, 0] + callers.partition[slot] + callers.first_s[slot] + callers.run[slot]
            for bucket in range(0, sliding.BUCKETS, 8):
                seen += callers.counts[slot, bucket, 0]
    return seen


@loop
def _repeat(calls: Any, cell: int, row: int, out: Verdicts) -> None:
    """Say again what was said of a call."""
    entry = calls.rows[cell]
    verdict = out.columns[row]
    verdict[ACTION] = entry[recent.SAID] & 0xFF
    verdict[SHADOW] = (entry[recent.SAID] >> 8) & 0xFF
    verdict[CACHE_S] = entry[recent.SAID] >> 16
    verdict[POLICY] = entry[recent.VERSIONS] >> 32
    verdict[MODEL] = entry[recent.VERSIONS] & _LOW
    verdict[FLAGS] |= REPEATED
    verdict[SAID_AT] = entry[recent.SETUP_MS]
    out.reasons[row] = entry[recent.REASONS]
    out.millionths[row] = entry[recent.SCORE]


@loop
def _setup(
    state: State, world: World, batch: Columns, row: int, out: Verdicts, at: int, filled: Any, hashes: Any
) -> None:
    record = batch.records[row]
    verdict = out.columns[row]
    partition = record[PARTITION]
    now = state.watermark[partition]
    key = batch.key[row]
    callee = batch.callee[row]
    calls = state.calls
    cell = recent.find(calls, batch.call[row])
    if cell >= 0 and recent.flags_at(calls, cell) & recent.SETUP:
        before = calls.rows[cell, recent.SETUP_MS]
        if now - before <= recent.KEEP_MS and abs(at - before) <= recent.SAME_CALL_MS:
            _repeat(calls, cell, row, out)
            return
    own_line = record[INGRESS] == 0
    pairs = state.pairs
    at_pair = recent.find(pairs, hashes[row, 1])
    counted = True
    seen_own = own_line
    if at_pair >= 0 and now - pairs.rows[at_pair, recent.TOUCHED_MS] <= recent.PAIR_KEEP_MS:
        seen_ms = pairs.rows[at_pair, recent.TOUCHED_MS]
        if pairs.rows[at_pair, recent.OPERATOR] != record[OPERATOR] and abs(at - seen_ms) <= recent.SIGHTING_MS:
            counted = False
            seen_own = recent.flags_at(pairs, at_pair) & recent.OWN_LINE != 0
    diversion_seen = 0.0
    if record[DIVERTED] != 0 and record[DIVERTED] != callee:
        found = recent.find(pairs, _pair_hash(world, key, record[DIVERTED], partition))
        if found >= 0:
            seen_ms = pairs.rows[found, recent.TOUCHED_MS]
            sound = recent.flags_at(pairs, found) & (recent.OWN_LINE | recent.LET_THROUGH) != 0
            since = at - seen_ms
            if sound and now - seen_ms <= recent.PAIR_KEEP_MS:
                if -recent.DIVERSION_BACK_MS <= since <= recent.DIVERSION_MS:
                    diversion_seen = 1.0
    # Another operator's sighting of a call is judged by the windows that the call was counted in.
    mixed = (
        hashes[row, 0] if seen_own == own_line else slots.hash_of(state.callers, partition, key, 0 if seen_own else 1)
    )
    slot = slots.open_hashed(state.callers, mixed, partition, key, 0 if seen_own else 1, now)
    if counted:
        _count_attempt(state.callers, slot, callee, at, now)
        if at_pair < 0:
            at_pair = recent.place(pairs, hashes[row, 1])
        entry = pairs.rows[at_pair]
        entry[recent.HASH] = hashes[row, 1]
        entry[recent.HELD] = recent.held(partition, recent.OWN_LINE if own_line else 0)
        entry[recent.TOUCHED_MS] = at
        entry[recent.OPERATOR] = record[OPERATOR]
    x = out.x[row]
    fill_windows(state.callers, slot, now, x, filled)
    fact = line_facts.row_of(world.facts, key)
    caller_lists = number_lists.lookup(world.lists, key, 0, record[TRUNK], at)
    callee_lists = number_lists.lookup(world.lists, callee, 1, record[TRUNK], at)
    fill_call(world, batch, row, at, fact, caller_lists, callee_lists, diversion_seen, x)
    judge_all(x, world.rules.thresholds, out.found[row], 0)
    score = score_row(x, world.model)
    spread = hash_words(batch.call[row], 11, world.secret)
    draw = np.float64(spread & np.uint64(0xFFFFFFFF)) / 4294967296.0
    sample = np.float64(spread >> np.uint64(32)) / 4294967296.0
    action, shadow, reasons, cache_s, control = decide(
        world.rules,
        np.int64(world.operators.mode[record[OPERATOR]]),
        record[OPERATOR],
        record[SCOPE],
        at,
        caller_lists,
        callee_lists,
        _is_emergency(world, callee),
        score,
        out.found[row],
        draw,
        out.modes[row],
    )
    if world.constants[3] == 0:
        cache_s = 0  # history: for no switch's cache, and whether it came in time hangs on the judge's clock
    if counted and action <= LABEL and out.found[row, _CLI_SPOOFING, 0] == 0.0:
        pairs.rows[at_pair, recent.HELD] |= recent.LET_THROUGH << 16
    if counted and action == BLOCK:
        sliding.add(state.callers.counts[slot], sliding.BLOCKED, at, now)
    # Own-line ingress alone: whoever spoofs a line of good standing from elsewhere has no say in what is governed.
    if own_line and fact >= 0 and world.facts.line[fact] == line_facts.LINE_ACTIVE and caller_lists & _BLOCK_LIST == 0:
        if at - world.facts.line_since_ms[fact] >= STANDING_MS:
            verdict[FLAGS] |= STANDING
            verdict[GOVERNED] = governed(world.rules, score, out.found[row], out.modes[row])
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
    millionths = np.int64(-1) if np.isnan(score) else np.int64(score * MILLIONTHS + 0.5)
    out.reasons[row] = np.int64(reasons)
    out.score[row] = score
    out.millionths[row] = millionths
    if cell < 0:
        cell = recent.place(calls, batch.call[row])
    flags = recent.SETUP | (recent.COUNTED if counted else 0) | (recent.OWN_LINE if own_line else 0)
    entry = calls.rows[cell]
    entry[recent.HASH] = batch.call[row]
    entry[recent.HELD] = recent.held(partition, flags)
    entry[recent.TOUCHED_MS] = now
    entry[recent.SETUP_MS] = at
    entry[recent.SAID] = cache_s << 16 | shadow << 8 | action
    entry[recent.VERSIONS] = world.constants[1] << 32 | world.constants[2]
    entry[recent.REASONS] = np.int64(reasons)
    entry[recent.SCORE] = millionths


@loop
def _own_line_alone(callers: Any, partition: int, key: int) -> bool:
    """The caller is known by own-line calls and by no others."""
    return slots.find(callers, partition, key, 1) < 0 and slots.find(callers, partition, key, 0) >= 0


@loop
def _outcome(state: State, batch: Columns, row: int, at: int) -> None:
    """An answer or an end: what it tells counts once, in the slot of the set-up's origin class."""
    record = batch.records[row]
    partition = record[PARTITION]
    key = batch.key[row]
    now = state.watermark[partition]
    calls = state.calls
    is_end = record[KIND] == END
    cell = recent.find(calls, batch.call[row])
    if cell >= 0 and recent.call_is_over(calls, cell, now):
        recent.remove(calls, cell)
        cell = -1
    if cell < 0:
        cell = recent.place(calls, batch.call[row])
        entry = calls.rows[cell]
        entry[:] = 0
        entry[recent.HASH] = batch.call[row]
        entry[recent.SETUP_MS] = at
        entry[recent.SCORE] = -1
        own = recent.OWN_LINE if _own_line_alone(state.callers, partition, key) else 0
        entry[recent.HELD] = recent.held(partition, recent.COUNTED | own)
    entry = calls.rows[cell]
    entry[recent.TOUCHED_MS] = now
    flags = recent.flags_at(calls, cell)
    if flags & recent.ENDED or (not is_end and flags & recent.ANSWERED):
        return
    answered = not is_end or record[TALK] > 0
    first_answer = answered and not flags & recent.ANSWERED
    entry[recent.HELD] = recent.held(
        partition, flags | (recent.ANSWERED if answered else 0) | (recent.ENDED if is_end else 0)
    )
    if not flags & recent.COUNTED or entry[recent.SAID] & 0xFF == BLOCK:
        return
    origin = 0 if flags & recent.OWN_LINE else 1
    slot = slots.open_slot(state.callers, partition, key, origin, now)
    counts = state.callers.counts[slot]
    if first_answer:
        sliding.add(counts, sliding.ANSWERED, at, now)
    if not is_end:
        return
    if record[TALK] > 0 or flags & recent.ANSWERED:
        if record[TALK] < SHORT_MS:
            sliding.add(counts, sliding.SHORT, at, now)
        sliding.add_talk(state.callers.talk[slot], record[TALK], at, now)
    elif 0 < record[RING] < SHORT_RING_MS and (record[CAUSE] < 0 or record[CAUSE] in _RANG):
        sliding.add_ten(state.callers.ten[slot], sliding.SHORT_RING, at, now)
    if record[CAUSE] == 1 or record[CAUSE] == 28:
        sliding.add_ten(state.callers.ten[slot], sliding.UNALLOCATED, at, now)


@loop
def run(state: State, world: World, batch: Columns, out: Verdicts, hashes: Any, filled: Any) -> int:
    """Judge the records of a batch, those marked `skip` left out, and sweep a little. What it returns tells nothing.

    To write to: `hashes` int64[n, 2], `filled` int64[RINGS].
    """
    n = batch.records.shape[0]
    seen = _reach(state, world, batch, hashes)
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
            _setup(state, world, batch, row, out, at, filled, hashes)
        else:
            _outcome(state, batch, row, at)
    slots.sweep(state.callers, state.watermark, 8 + 2 * n)
    recent.sweep(state.calls, state.pairs, state.watermark, 64 + 8 * n)
    return seen
