"""The compiled pass: records of a batch in log order, each judged against the state that the ones before it left.

Everything a verdict depends on is an argument; nothing here reads a clock. The order for a set-up: clamp `at`, move the
partition's watermark, look whether the call was answered before (then repeat that), look whether it is another
operator's sighting of a call already counted, count it, fill the features, run the detectors and the model, decide, count
the block, remember the verdict. Before each record, calls whose time to wait for their origination is up are settled. Answers and ends find their set-up's entry and count in the slot of its origin class.

Before the records are judged one by one, `streamer.reach` looks at all that the pass will look at.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer import columns, costly, telling
from streamer.answers import count_outcome
from streamer.beginnings import CLI_SPOOFING, append_ms, is_own, is_reported_by_owner, leg_of, shown
from streamer.calls.clamping import clamped
from streamer.calls.compiled_decisions import MILLIONTHS
from streamer.calls.events import SAME_CALL_MS
from streamer.columns import Columns, State, Verdicts, World
from streamer.compiled import loop
from streamer.detectors import judge_all
from streamer.features import INDEX
from streamer.models.scorer import score_row
from streamer.policy import ALLOW, BLOCK, LABEL, OFF, decide, governed
from streamer.reach import reach
from streamer.registers import facts as line_facts
from streamer.registers import lists as number_lists
from streamer.repeats import repeat
from streamer.settling import UNVERIFIED, settle
from streamer.throttling import is_throttled, throttle
from streamer.vector import fill_call, fill_signals, fill_windows
from streamer.windows import callers, ids, originations, shares, sliding, slots, table, tallies
from streamer.windows import calls as recent
from streamer.windows.hashing import hash_words

SKIPPED, LINES, SETTLED, SUMMED = 1, 2, 4, 8
"""Bits of what a pass gives: records were skipped, lines are to be told about, calls that waited were settled, sums are complete."""
STANDING_MS: Final = 30 * 86_400_000
_BLOCK_LIST: Final = number_lists.BIT["block"]
_ALLOW_LIST: Final = number_lists.BIT["allow"]
_MSRN: Final = number_lists.BIT["roaming_numbers"]
_SEEN: Final = INDEX["origination_seen"]
_WITHHELD: Final = INDEX["withheld"]
_ATTEMPTS_24H: Final = INDEX["attempts_24h"]


@loop
def _clock(state: State, world: World, record: Any, at: int) -> int:
    """What time it is when a record is judged: that of the log, of history that of the events."""
    if world.constants[2] != 0:
        return record[columns.APPENDED]
    return max(at, state.watermark[record[columns.PARTITION]])


@loop
def _setup(
    state: State, world: World, batch: Columns, row: int, said: Any, out: Verdicts, at: int, filled: Any, hashes: Any
) -> None:
    record = batch.records[row]
    verdict = out.columns[row]
    partition = record[columns.PARTITION]
    now = state.watermark[partition]
    key = batch.key[row]
    callee = batch.callee[row]
    calls = state.calls
    said_before = said.shape[0] > 0 and said[row, columns.STANDS] != 0
    if said_before:
        verdict[columns.FLAGS] |= columns.SAID_BEFORE
    cell = ids.find(calls, batch.call[row], hashes[row, 2], False)
    if cell >= 0:
        hashes[row, 2] = calls.rows[cell, table.HASH]
    if cell >= 0 and table.flags_at(calls, cell) & recent.SETUP:
        first_ms = calls.rows[cell, recent.SETUP_MS]
        if now - first_ms <= recent.KEEP_MS and abs(at - first_ms) <= SAME_CALL_MS:
            repeat(calls, cell, row, out)
            return
    if is_throttled(state, world, batch, row, said):
        throttle(state, world, batch, row, said, out, at, cell, hashes)
        return
    pairs = state.pairs
    at_pair = table.find(pairs, hashes[row, 1])
    counted = True
    first_of_pair = calls_anew = at_pair < 0 or now - pairs.rows[at_pair, table.TOUCHED_MS] > recent.PAIR_KEEP_MS
    fact = line_facts.row_of(world.facts, key)
    owner = line_facts.owner_of(world.facts, world.operators, fact, key)
    by_owner, own_line = is_reported_by_owner(record, owner), is_own(world, record, owner, key)
    met = recent.met_ms(pairs, at_pair, at, append_ms(world, record, at), now)
    seen_own = own_line
    origin, carried = np.int64(0), np.int64(0)
    late = late_own = False
    if at_pair >= 0 and now - pairs.rows[at_pair, table.TOUCHED_MS] <= recent.PAIR_KEEP_MS:
        seen_ms = pairs.rows[at_pair, table.TOUCHED_MS]
        flags = table.flags_at(pairs, at_pair)
        origin = recent.origin_of(pairs, at_pair, met)
        carried = recent.carried(pairs, at_pair, met)
        calls_anew = recent.is_later_minute(hashes[row, 1], seen_ms, met)
        if abs(met - seen_ms) <= recent.SIGHTING_MS:
            late = origin != recent.ORIGINATED and flags & recent.ASKED != 0
            if flags & recent.UNJUDGED:
                first_of_pair = calls_anew = True
            elif pairs.rows[at_pair, recent.OPERATOR] != record[columns.OPERATOR]:
                counted = False
                seen_own = own_line or flags & recent.OWN_LINE != 0
                late_own = own_line and flags & recent.CALLED != 0
    leg, diversion_seen = leg_of(state, world, batch, row, at)
    # Another operator's sighting of a call is judged by the windows that the call was counted in, an own line always by its own.
    seen_as = 0 if seen_own else 1
    looked_up = seen_own == (record[columns.INGRESS] == 0)
    mixed = hashes[row, 0] if looked_up else slots.hash_of(state.callers, partition, key, seen_as)
    slot = callers.open_hashed(state.callers, mixed, partition, key, seen_as, now)
    if counted:
        callers.count_attempt(state.callers, slot, callee, at, now)
        if at_pair < 0:
            at_pair = recent.place(pairs, hashes[row, 1], state.watermark)
        entry = pairs.rows[at_pair]
        entry[table.HASH] = hashes[row, 1]
        shown_by = recent.OWN_LINE | recent.DOUBTED if own_line else recent.CALLED if calls_anew else 0
        entry[table.HELD] = table.held(partition, carried | shown_by)
        entry[table.TOUCHED_MS] = met
        entry[recent.OPERATOR] = record[columns.OPERATOR]
    x = out.x[row]
    fill_windows(state.callers, slot, now, x, filled)
    caller_lists = number_lists.lookup(world.lists, key, 0, record[columns.TRUNK], at)
    callee_lists = number_lists.lookup(world.lists, callee, 1, record[columns.TRUNK], at)
    fill_call(world, batch, row, at, fact, owner, caller_lists, callee_lists, diversion_seen, origin, x)
    fill_signals(world, batch, row, _clock(state, world, record, at), x)
    if x[_SEEN] == 1.0:
        originations.count(state.on_time, partition, owner, originations.IN_TIME, now)
    elif x[_SEEN] == 0.0:
        pairs.rows[at_pair, table.HELD] |= recent.ASKED << 16
    at_costly = costly.fill(state, world, batch, row, callee_lists, seen_as, counted, at, x)
    judge_all(x, world.rules.thresholds, out.found[row], 0)
    score = score_row(x, world.model)
    # The id alone would be enough for whoever can choose it: he would keep one that was let through.
    spread = hash_words(batch.call[row] ^ hashes[row, 1], record[columns.AT], world.secret)
    draw = np.float64(spread & np.uint64(0xFFFFFFFF)) / 4294967296.0
    sample = np.float64(spread >> np.uint64(32)) / 4294967296.0
    if record[columns.CACHED] != 0:
        draw = 1.0  # its switch has refused it: whatever is said, it is not let through
    action, shadow, mask, cache_s, control = decide(
        world.rules,
        np.int64(world.operators.mode[record[columns.OPERATOR]]),
        record[columns.OPERATOR],
        record[columns.SCOPE],
        at,
        caller_lists,
        callee_lists,
        record[columns.URGENT] != 0,
        score,
        out.found[row],
        draw,
        out.modes[row],
    )
    reasons = np.int64(mask)  # beside what was said before, int64, a uint64 would become a float
    if world.constants[2] == 0:
        cache_s = 0  # history: for no switch's cache, and whether it came in time hangs on the judge's clock
    millionths = np.int64(-1) if np.isnan(score) else np.int64(score * MILLIONTHS + 0.5)
    made_with = world.constants[1]
    if said_before:
        action, shadow = said[row, columns.SAID_ACTION], said[row, columns.SAID_SHADOW]
        reasons, millionths = said[row, columns.SAID_REASONS], said[row, columns.SAID_MILLIONTHS]
        cache_s = said[row, columns.SAID_CACHE_S] if said[row, columns.SAID_CACHE_S] >= 0 else cache_s
        made_with = said[row, columns.SAID_VERSIONS]
    if x[_SEEN] == 0.0 and action <= LABEL and out.modes[row, UNVERIFIED] != OFF:
        limits = world.rules.thresholds[UNVERIFIED]
        sure = originations.is_sure(state.on_time, partition, owner, limits[2], limits[1], now)
        due = _clock(state, world, record, at) + np.int64(1_000 * limits[0])
        waits = originations.wait(
            state.waiting, partition, record[columns.OFFSET], due, hashes[row, 2], hashes[row, 1], key, met,
            record[columns.OPERATOR], originations.UNHEARD if sure else originations.UNSURE,
            said_before and said[row, columns.SAID_REVISED] != 0, leg,
        )  # fmt: skip
        if waits and sure:
            verdict[columns.FLAGS] |= columns.WAITS
    place = out.found[row, CLI_SPOOFING, 0]
    began = shown(world, record, owner, diversion_seen, place, action)
    if own_line and counted and began != 0:
        recent.note_own(pairs, at_pair)
    elif began != 0:
        recent.note_origin(pairs, at_pair, began, met)
    if by_owner and began != 0 and late and owner >= 0:
        originations.count(state.on_time, partition, owner, originations.LATE, now)
    looked_at = x[_WITHHELD] == 0.0 and callee_lists & _MSRN == 0
    unproven = record[columns.INGRESS] == 0 and began == 0 and world.operators.publishes[owner, 0]
    if counted and action <= LABEL and place == 0.0 and looked_at and x[_SEEN] != 0.0 and not unproven:
        pairs.rows[at_pair, table.HELD] |= recent.LET_THROUGH << 16
    if counted:
        if action == BLOCK:
            costly.count_block(state.callers, slot, at_costly, costly.country_of(batch, row), at, now)
        costly.note_found(state.callers, at_costly, reasons)
        clock = _clock(state, world, record, at)
        telling.tally(
            state, world, batch, row, clock, x, own_line, by_owner, first_of_pair, calls_anew, action, reasons
        )
        verdict[columns.FLAGS] |= telling.flags_of(
            world, x, out.found[row], out.modes[row], own_line, first_of_pair, record[columns.REGISTERED], caller_lists
        )
    elif late_own:
        telling.tally_own(state, batch, row, _clock(state, world, record, at), at_pair)
    # Own-line ingress alone: whoever spoofs a line of good standing from elsewhere has no say in what is governed.
    if own_line and fact >= 0 and world.facts.line[fact] == line_facts.LINE_ACTIVE and caller_lists & _BLOCK_LIST == 0:
        if at - abs(world.facts.line_since_ms[fact]) >= STANDING_MS:
            verdict[columns.FLAGS] |= columns.STANDING
            if not said_before:  # whoever said it has counted it
                verdict[columns.GOVERNED] = governed(world.rules, score, out.found[row], out.modes[row])
    verdict[columns.ACTION] = action
    verdict[columns.SHADOW] = shadow
    verdict[columns.VERSIONS] = made_with
    verdict[columns.CACHE_S] = cache_s
    verdict[columns.SAID_AT] = at
    verdict[columns.CALLER_LISTS] = caller_lists
    verdict[columns.CALLEE_LISTS] = callee_lists
    if action != ALLOW or shadow != ALLOW or reasons != 0:
        verdict[columns.FLAGS] |= columns.EVIDENCE
    elif sample < world.rules.numbers[1]:
        verdict[columns.FLAGS] |= columns.EVIDENCE | columns.SAMPLED
    if control:
        verdict[columns.FLAGS] |= columns.CONTROL
    out.reasons[row] = reasons
    out.score[row] = score
    out.millionths[row] = millionths
    if cell < 0:
        cell = ids.place(calls, batch.call[row], hashes[row, 2], state.watermark)
    flags = recent.SETUP | (recent.COUNTED if counted else 0) | (recent.OWN_LINE if own_line else 0)
    if counted and at_costly >= 0:
        flags |= costly.flags_of(x)
    if counted and record[columns.INGRESS] != 0 and x[_ATTEMPTS_24H] <= 1.0 and caller_lists & _ALLOW_LIST == 0:
        flags |= record[columns.REGISTERED] << recent.TRUNK_SHIFT
    entry = calls.rows[cell]
    entry[table.HASH] = hashes[row, 2]
    entry[table.HELD] = table.held(partition, flags)
    entry[table.TOUCHED_MS] = now
    entry[recent.SETUP_MS] = at
    entry[recent.SAID] = cache_s << 16 | shadow << 8 | action
    entry[recent.VERSIONS] = made_with
    entry[recent.REASONS] = reasons
    entry[recent.SCORE] = millionths


@loop
def run(state: State, world: World, batch: Columns, said: Any, out: Verdicts, hashes: Any, filled: Any) -> int:
    """Judge the records of a batch, those marked `skip` left out, and sweep a little. Gives bits of what there is to be told.

    `said` see `streamer.said.Said.of`. To write to: `hashes` int64[n, 3], `filled` int64[RINGS].
    """
    n = batch.records.shape[0]
    found = 0
    seen = reach(state, world, batch, hashes)
    shares.advance(state.shares, world.constants[3])
    for row in range(n):
        if batch.skip[row]:
            found |= SKIPPED
            continue
        record = batch.records[row]
        at = record[columns.AT]
        if world.constants[2] != 0:
            kept = clamped(at, record[columns.APPENDED])
            if kept != at:
                out.columns[row, columns.FLAGS] |= columns.CLAMPED
                at = kept
        partition = record[columns.PARTITION]
        clock = _clock(state, world, record, at)
        if state.waiting.due[partition] <= clock:
            settle(state, world, partition, clock)
        if at > state.watermark[partition]:
            state.watermark[partition] = at
        elif at < state.watermark[partition] - sliding.step_ms(0):
            out.columns[row, columns.FLAGS] |= columns.LATE_EVENT
        if record[columns.KIND] == columns.SETUP:
            if record[columns.INGRESS] == 0 and clock - at <= recent.ASTRAY_MS:
                originations.hear(state.waiting, partition, record[columns.OPERATOR], record[columns.OFFSET])
            _setup(state, world, batch, row, said, out, at, filled, hashes)
            if out.columns[row, columns.FLAGS] & columns.TELLS:
                found |= LINES
        else:
            count_outcome(state, batch, row, at, clock, out, hashes)
        effect = out.columns[row, columns.FLAGS] & columns.THROTTLED == 0
        shares.count(state.shares, record[columns.OPERATOR], effect)
    callers.sweep(state.callers, state.watermark, 8 + 2 * n)
    recent.sweep(state.calls, state.watermark, 64 + 8 * n)
    recent.sweep(state.pairs, state.watermark, 64 + 8 * n)
    filled[0] = seen  # nobody reads it: so that the looks of `reach` are not left out as useless
    if state.waiting.settled.any():
        found |= SETTLED
    if tallies.any_complete(state.tallies):
        found |= SUMMED
    return found
