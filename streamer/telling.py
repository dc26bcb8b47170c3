"""What is told of set-ups for whoever merges: calling numbers, as flags of a verdict (see `streamer.summing`), and rows of partial sums."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer import columns
from streamer.columns import Columns, State, World
from streamer.compiled import loop
from streamer.detectors import DETECTORS
from streamer.features import INDEX
from streamer.policy import ALLOW, BLOCK, ENFORCE, OFF
from streamer.reasons import CODING
from streamer.registers import lists as number_lists
from streamer.windows import calls as recent
from streamer.windows import newcomers, table, tallies

_SIM_SWAP, _WANGIRI = (
    next(row for row, detector in enumerate(DETECTORS) if detector.id == name) for name in ("sim_swap", "wangiri")
)
_ALLOW_LIST: Final = number_lists.BIT["allow"]
_OWN_LINE: Final = INDEX["own_line"]
_ABOUT_OTHERS: Final = {f"{one.id}.{cause.name}" for one in DETECTORS for cause in one.causes if not cause.accuses}
_FIELDS: Final = tuple(CODING.fields.values())
_PLACES: Final = np.array([[field.at, field.mask] for field in _FIELDS], np.int64)
_ACCUSES: Final = np.zeros((len(_FIELDS), 1 + max(len(field.names) for field in _FIELDS)), np.bool_)
for _row, _field in enumerate(_FIELDS):
    _ACCUSES[_row, 1 : 1 + len(_field.names)] = [name not in _ABOUT_OTHERS for name in _field.names]


@loop
def accuses(reasons: int) -> bool:
    """Whether any of these reasons speaks against the caller."""
    for field in range(_PLACES.shape[0]):
        value = (reasons >> _PLACES[field, 0]) & _PLACES[field, 1]
        if _ACCUSES[field, value]:
            return True
    return False


@loop
def tally(
    state: State, world: World, batch: Columns, row: int, clock: int, x: Any, own_line: bool, by_owner: bool,
    first_of_pair: bool, calls_anew: bool, action: int, reasons: int,
) -> None:  # fmt: skip
    """Leave what a set-up that counts, with features `x`, adds to partial sums at the log's time `clock`; `by_owner`: the number's own
    operator reports it; `calls_anew`: it is the first of its pair in a minute. Bursts are of callers who were not counted for some minutes,
    so that whoever is none leaves a row apart.
    """
    record, callee = batch.records[row], batch.callee[row]
    partition = record[columns.PARTITION]
    is_caller = calls_anew if own_line else first_of_pair
    suspect = action != ALLOW and accuses(reasons)
    bits = tallies.bits_of(x, world.rules.counting, is_caller, suspect, action == BLOCK)
    block = tallies.from_block(batch.key[row], by_owner)
    tallies.note(state.tallies, partition, clock, callee, block, record[columns.REGISTERED], bits)
    if calls_anew and not is_caller:
        tallies.note(state.tallies, partition, clock, callee, tallies.NO_BLOCK, 0, tallies.AGAIN)


@loop
def tally_own(state: State, batch: Columns, row: int, clock: int, at_pair: int) -> None:
    """An own line's set-up shows that a pair's call, which was counted as somebody else's, is that of an own line."""
    state.pairs.rows[at_pair, table.HELD] &= ~(recent.CALLED << 16)
    tallies.note(state.tallies, batch.records[row, columns.PARTITION], clock, batch.callee[row], 0, 0, tallies.AGAIN)


@loop
def flags_of(
    world: World,
    x: Any,
    found: Any,
    modes: Any,
    own_line: bool,
    first_of_pair: bool,
    trunk: int,
    caller_lists: int,
) -> int:
    """The flags of a set-up that counts, with features `x`, found and modes as `streamer.policy.decide` had and left them. A line that
    shows another number than its own is no `own_line`, and is not told of as a new one.
    """
    flags = 0
    if own_line and tallies.is_busy(x, world.rules.counting):
        flags |= columns.BUSY
    if own_line and first_of_pair and found[_SIM_SWAP, 0] != 0.0 and modes[_SIM_SWAP] == ENFORCE:
        flags |= columns.SWAPPED
    if found[_WANGIRI, 0] == 1.0 and modes[_WANGIRI] != OFF and tallies.is_told(x, world.rules.counting):
        flags |= columns.LURE
    borrowed = x[_OWN_LINE] == 1.0 and not own_line
    if caller_lists & _ALLOW_LIST == 0 and not borrowed and newcomers.is_newcomer(x, world.rules.counting, trunk):
        flags |= columns.NEWCOMER
    return flags
