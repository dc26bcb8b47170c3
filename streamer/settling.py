"""What comes of calls whose time to wait is up: their origination came, or they are blocked after all, if that can still be and their
operator still publishes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer.calls.events import CLAMP_BACK_MS, SKEW_MS
from streamer.columns import State, World
from streamer.compiled import loop
from streamer.detectors import DETECTORS
from streamer.policy import BLOCK, ENFORCE, mode_of
from streamer.registers import facts as line_facts
from streamer.registers.facts import Facts
from streamer.registers.operators import Operators
from streamer.windows import callers, originations, sliding, slots, table
from streamer.windows import calls as recent
from streamer.windows.originations import Waiting

UNVERIFIED: Final = next(row for row, detector in enumerate(DETECTORS) if detector.deferred)
"""The detector whose findings wait."""
_LOOK: Final = 2_000
"""Rows of each table looked at in a tick."""


@loop
def _is_heard(waiting: Waiting, facts: Facts, operators: Operators, row: Any, partition: int) -> bool:
    """Whether the operator of a waiting call's number published after it, and in time before."""
    key = row[originations.KEY]
    owner = line_facts.owner_of(facts, operators, line_facts.row_of(facts, key), key)
    return bool(originations.is_heard(waiting, partition, row, owner))


@loop
def note_heard(waiting: Waiting, facts: Facts, operators: Operators, partition: int) -> None:
    """Write down with each waiting call of a partition whether its operator published after it."""
    for place in range(waiting.count[partition]):
        row = waiting.rows[partition, place]
        if row[originations.SURE] == originations.UNHEARD and _is_heard(waiting, facts, operators, row, partition):
            row[originations.SURE] = originations.HEARD


@loop
def _came_of(state: State, world: World, row: Any, partition: int) -> int:
    """What comes of a call whose time to wait is up."""
    if row[originations.BEFORE]:
        return originations.REVISED
    pairs, calls = state.pairs, state.calls
    at_pair = table.find(pairs, row[originations.PAIR])
    if at_pair >= 0 and recent.origin_of(pairs, at_pair, row[originations.AT]) != 0:
        return originations.VERIFIED
    leg, at = row[originations.LEG], row[originations.AT]
    if leg != 0 and recent.leg_seen(pairs, leg, at, state.watermark[partition], recent.QUEUED_MS):
        return originations.VERIFIED
    cell = table.find(calls, row[originations.CALL])
    if cell < 0 or table.flags_at(calls, cell) & (recent.ANSWERED | recent.ENDED):
        return originations.ANSWERED
    rules, operator = world.rules, row[originations.OPERATOR]
    mode = mode_of(
        rules, np.int64(world.operators.mode[operator]), UNVERIFIED, operator, operator, row[originations.AT]
    )
    heard = _is_heard(state.waiting, world.facts, world.operators, row, partition)
    enforced = heard and mode == ENFORCE and rules.numbers[3] == 0.0
    return originations.REVISED if enforced and rules.action[UNVERIFIED, 1] == BLOCK else originations.SHADOW


@loop
def settle(state: State, world: World, partition: int, until_ms: int) -> None:
    """See what comes of a partition's calls whose time to wait is up by then."""
    waiting, calls = state.waiting, state.calls
    due = np.int64(originations.NEVER)
    for place in range(waiting.count[partition]):
        row = waiting.rows[partition, place]
        if row[originations.STATE] != originations.WAITING:
            continue
        if row[originations.DUE_MS] > until_ms:
            due = min(due, row[originations.DUE_MS])
            continue
        row[originations.STATE] = _came_of(state, world, row, partition)
        waiting.settled[partition] += 1
        if row[originations.STATE] != originations.REVISED:
            continue
        cell = table.find(calls, row[originations.CALL])
        if cell >= 0:
            entry = calls.rows[cell]
            if table.flags_at(calls, cell) & recent.COUNTED and entry[recent.SAID] & 0xFF != BLOCK:
                # Not brought to the present: when the clock finds that a call's time is up, and when a record does, is not the same.
                slot = slots.find(state.callers, partition, row[originations.KEY], 1)
                if slot >= 0:
                    counts, clock = state.callers.counts[slot], state.callers.clock_ms[slot]
                    sliding.add(counts, sliding.BLOCKED, row[originations.AT], clock)
                    state.callers.touched[slot] = True
            entry[recent.SAID] = BLOCK << 8 | BLOCK
            entry[recent.REASONS] |= 1 << world.rules.reason_at[UNVERIFIED]
    waiting.due[partition] = due


def tick(state: State, world: World, partition: int, now_ms: int) -> None:
    """The clock of a partition of which all is judged that was appended before `now_ms`: calls whose time is up are settled,
    and a part of what nothing can ask for any more is let go of.
    """
    if state.waiting.due[partition] <= now_ms:
        settle(state, world, partition, now_ms)
    sure = state.watermark.copy()
    if sure[partition] >= 0:
        sure[partition] = max(int(sure[partition]), now_ms - CLAMP_BACK_MS - SKEW_MS)
    callers.sweep(state.callers, sure, _LOOK)
    recent.sweep(state.calls, sure, _LOOK)
    recent.sweep(state.pairs, sure, _LOOK)
