"""Set-ups that are let through unjudged: an operator that floods, while records wait, is judged for its share alone."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer import columns
from streamer.beginnings import CLI_SPOOFING, append_ms, leg_of, shown, without_windows
from streamer.columns import Columns, State, Verdicts, World
from streamer.compiled import loop
from streamer.reasons import THROTTLED
from streamer.registers import facts
from streamer.registers import lists as number_lists
from streamer.vector import fill_call
from streamer.windows import calls as recent
from streamer.windows import ids, shares, table

BACKLOG_MS: Final = 1_000
"""Records that waited for longer are a backlog, in which operators are held to their shares."""


@loop
def is_throttled(state: State, world: World, batch: Columns, row: int, said: Any) -> bool:
    """A set-up is not judged: its operator has had its share while records wait, or so it was said before a restart."""
    if said.shape[0] > 0 and said[row, columns.STANDS] != 0:
        return bool(said[row, columns.SAID_REASONS] & THROTTLED)
    record = batch.records[row]
    most = world.operators.max_share[record[columns.OPERATOR]]
    if most >= 1.0 or world.constants[2] == 0 or world.constants[3] - record[columns.APPENDED] <= BACKLOG_MS:
        return False
    return bool(shares.is_over(state.shares, record[columns.OPERATOR], most))


@loop
def throttle(
    state: State, world: World, batch: Columns, row: int, said: Any, out: Verdicts, at: int, cell: int, hashes: Any
) -> None:
    """Let a set-up through unjudged. Its call is remembered, so that a retry is told the same and nothing of it counts; and where it
    began is, since whoever sees the same call come in asks for that.
    """
    verdict = out.columns[row]
    partition = batch.records[row, columns.PARTITION]
    said_before = said.shape[0] > 0 and said[row, columns.STANDS] != 0
    verdict[columns.VERSIONS] = said[row, columns.SAID_VERSIONS] if said_before else world.constants[1]
    verdict[columns.SAID_AT] = at
    verdict[columns.FLAGS] |= columns.THROTTLED
    out.reasons[row] = THROTTLED
    if cell < 0:
        cell = ids.place(state.calls, batch.call[row], hashes[row, 2], state.watermark)
    entry = state.calls.rows[cell]
    entry[:] = 0
    entry[table.HASH] = hashes[row, 2]
    entry[table.HELD] = table.held(partition, recent.SETUP)
    entry[table.TOUCHED_MS] = state.watermark[partition]
    entry[recent.SETUP_MS] = at
    entry[recent.VERSIONS] = verdict[columns.VERSIONS]
    entry[recent.REASONS] = THROTTLED
    entry[recent.SCORE] = -1
    origin = _origin(state, world, batch, row, out, at)
    if origin != 0:
        _remember_origin(state, world, batch, row, at, origin, hashes[row, 1])


@loop
def _origin(state: State, world: World, batch: Columns, row: int, out: Verdicts, at: int) -> int:
    """Where a set-up that is not judged shows that its call began, if what can be known without its caller's windows lets it through."""
    record, key, x = batch.records[row], batch.key[row], out.x[row]
    fact = facts.row_of(world.facts, key)
    owner = facts.owner_of(world.facts, world.operators, fact, key)
    callers = number_lists.lookup(world.lists, key, 0, record[columns.TRUNK], at)
    called = number_lists.lookup(world.lists, batch.callee[row], 1, record[columns.TRUNK], at)
    _, diversion_seen = leg_of(state, world, batch, row, at)
    fill_call(world, batch, row, at, fact, owner, callers, called, diversion_seen, np.int64(0), x)
    action = without_windows(world, batch, row, at, callers, called, x, out.found[row], out.modes[row])
    return int(shown(world, record, owner, diversion_seen, out.found[row, CLI_SPOOFING, 0], action))


@loop
def _remember_origin(state: State, world: World, batch: Columns, row: int, at: int, origin: int, pair: int) -> None:
    """Note in the table of pairs where a call began, and that nothing of it was counted."""
    record = batch.records[row]
    pairs, partition = state.pairs, record[columns.PARTITION]
    cell = table.find(pairs, pair)
    at = recent.met_ms(pairs, cell, at, append_ms(world, record, at), state.watermark[partition])
    if cell >= 0 and abs(at - pairs.rows[cell, table.TOUCHED_MS]) <= recent.SIGHTING_MS:
        recent.note_origin(pairs, cell, origin, at)
        return
    if cell < 0:
        cell = recent.place(pairs, pair, state.watermark)
    began = recent.OWN_LINE if origin == recent.ORIGINATED else origin
    entry = pairs.rows[cell]
    entry[table.HASH] = pair
    entry[table.HELD] = table.held(partition, began | recent.UNJUDGED)
    entry[table.TOUCHED_MS] = at
    entry[recent.OPERATOR] = record[columns.OPERATOR]
