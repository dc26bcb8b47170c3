"""Answers and ends: what they tell of a call counts once, in the slot of its set-up's origin class."""

from __future__ import annotations

from typing import Any, Final

from streamer import columns
from streamer.calls.events import SHORT_MS
from streamer.columns import Columns, State, Verdicts
from streamer.compiled import loop
from streamer.costly import country_of
from streamer.policy import BLOCK
from streamer.reasons import THROTTLED
from streamer.windows import callers, costly, ids, sliding, slots, table, tallies
from streamer.windows import calls as recent

SHORT_RING_MS: Final = 5_000
_RANG: Final = (16, 19, 31, 127)
"""Causes (Q.850) of a call that rang and was given up; a busy line, a failing network or an absent one is no wangiri."""


@loop
def _own_line_alone(callers: Any, partition: int, key: int) -> bool:
    """The caller is known by own-line calls and by no others."""
    return bool(slots.find(callers, partition, key, 1) < 0 and slots.find(callers, partition, key, 0) >= 0)


@loop
def _brief(record: Any, answered: bool) -> bool:
    """A call ended after a talk, or a ring, that was too short to be one."""
    if answered:
        return bool(record[columns.TALK] < SHORT_MS)
    rang = 0 < record[columns.RING] < SHORT_RING_MS
    return bool(rang and (record[columns.CAUSE] < 0 or record[columns.CAUSE] in _RANG))


@loop
def count_outcome(state: State, batch: Columns, row: int, at: int, clock_ms: int, out: Verdicts, hashes: Any) -> None:
    """An answer or an end: what it tells counts once, in the slot of the set-up's origin class; `clock_ms` is the log's time. `hashes` as
    of `streamer.reach`: that of the call becomes that of the entry that it belongs to.
    """
    record = batch.records[row]
    partition = record[columns.PARTITION]
    key = batch.key[row]
    now = state.watermark[partition]
    calls = state.calls
    is_end = record[columns.KIND] == columns.END
    cell = ids.find(calls, batch.call[row], hashes[row, 2], True)
    if cell >= 0 and recent.is_over(calls, cell, now):
        table.remove(calls, cell)
        cell = -1
    if cell < 0:
        cell = ids.place(calls, batch.call[row], hashes[row, 2], state.watermark)
        entry = calls.rows[cell]
        entry[:] = 0
        entry[table.HASH] = hashes[row, 2]
        entry[recent.SETUP_MS] = at
        entry[recent.SCORE] = -1
        own = recent.OWN_LINE if _own_line_alone(state.callers, partition, key) else 0
        entry[table.HELD] = table.held(partition, recent.COUNTED | own)
    entry = calls.rows[cell]
    hashes[row, 2] = entry[table.HASH]
    entry[table.TOUCHED_MS] = now
    flags = table.flags_at(calls, cell)
    if flags & recent.ENDED or (not is_end and flags & recent.ANSWERED):
        return
    answered = not is_end or record[columns.TALK] > 0
    first_answer = answered and not flags & recent.ANSWERED
    entry[table.HELD] = table.held(
        partition, flags | (recent.ANSWERED if answered else 0) | (recent.ENDED if is_end else 0)
    )
    if entry[recent.REASONS] & THROTTLED:
        out.columns[row, columns.FLAGS] |= columns.THROTTLED
    if not flags & recent.COUNTED or entry[recent.SAID] & 0xFF == BLOCK:
        return
    origin = 0 if flags & recent.OWN_LINE else 1
    if flags & recent.COSTLY and (answered or flags & recent.ANSWERED):
        talk_ms = record[columns.TALK] if is_end else 0
        premium, country = flags & recent.PREMIUM != 0, country_of(batch, row)
        costly.count_outcome(
            state.callers, partition, key, origin, premium, country, first_answer, is_end, talk_ms, at, now
        )
    slot = callers.open_slot(state.callers, partition, key, origin, now)
    counts = state.callers.counts[slot]
    if first_answer:
        sliding.add(counts, sliding.ANSWERED, at, now)
    talked = record[columns.TALK] > 0 or flags & recent.ANSWERED != 0
    brief = is_end and _brief(record, talked)
    if first_answer or brief:
        bits = 1 << tallies.ANSWERED if first_answer else 0
        if brief:
            bits |= 1 << (tallies.BRIEF if talked else tallies.RANG)
        block = tallies.from_block(key, origin == 0)
        trunk = flags >> recent.TRUNK_SHIFT
        tallies.note(state.tallies, partition, clock_ms, batch.callee[row], block, trunk, bits)
    if not is_end:
        return
    if talked:
        if brief:
            sliding.add(counts, sliding.SHORT, at, now)
        sliding.add_talk(state.callers.talk[slot], record[columns.TALK], at, now)
    elif brief:
        sliding.add_ten(state.callers.ten[slot], sliding.SHORT_RING, at, now)
    if record[columns.CAUSE] == 1 or record[columns.CAUSE] == 28:
        sliding.add_ten(state.callers.ten[slot], sliding.UNALLOCATED, at, now)
