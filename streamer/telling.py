"""What calling numbers are told about for whoever merges, as flags of a verdict: see `streamer.summing`."""

from __future__ import annotations

from typing import Any, Final

from streamer import columns
from streamer.columns import World
from streamer.compiled import loop
from streamer.detectors import DETECTORS
from streamer.features import INDEX
from streamer.policy import ENFORCE, OFF
from streamer.registers import lists as number_lists
from streamer.windows import newcomers, tallies

_SIM_SWAP, _WANGIRI = (
    next(row for row, detector in enumerate(DETECTORS) if detector.id == name) for name in ("sim_swap", "wangiri")
)
_ALLOW_LIST: Final = number_lists.BIT["allow"]
_OWN_LINE: Final = INDEX["own_line"]


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
