"""Which lines are told about because nobody saw them before: campaigns that give up their numbers show by what comes after these.

A line counts as new for an hour at most after it was seen first, so that one that goes on calling is told of no more, and as seen
first again after 28 h of silence. Ranges are of ten thousand numbers, as they are handed out and bought, and are kept apart by how calls come
in: what is shown over one trunk says nothing of the subscribers who have these numbers.
"""

from __future__ import annotations

from typing import Any, Final

from streamer.compiled import loop
from streamer.features import INDEX
from streamer.windows.tallies import E164, NEW_LINE_CALLS, NEW_LINE_S

_RANGE: Final = 10_000
BESIDE: Final = 1 << 40
"""Above any range or block, so that the row of a trunk fits beside it."""
_ATTEMPTS_1H: Final = INDEX["attempts_1h"]
_AGE: Final = INDEX["age"]
_OWN_LINE: Final = INDEX["own_line"]
_MOBILE: Final = INDEX["caller_mobile"]
_VALID: Final = INDEX["caller_valid"]


@loop
def is_newcomer(x: Any, limits: Any, trunk: int) -> bool:
    """Whether a line is told about at the set-up whose features are `x`: an own mobile one, or one over a registered trunk
    (`trunk` is its row, 0: none); `limits` as of `streamer.windows.tallies.LIMITS`.
    """
    if not x[_ATTEMPTS_1H] >= limits[NEW_LINE_CALLS] or not x[_AGE] < limits[NEW_LINE_S] or x[_VALID] != 1.0:
        return False
    return bool(x[_MOBILE] == 1.0) if x[_OWN_LINE] == 1.0 else trunk > 0


@loop
def range_of(number: int, own_line: bool, trunk: int) -> int:
    """What the range of a calling number is found by, an own line's or that over a registered trunk; 0 for what is in none.

    >>> range_of(77019901234, True, 0), range_of(77019901234, False, 0), range_of(77019901234, False, 3) >> 40
    (7701990, 0, 3)
    """
    if number < _RANGE or number >= E164 or (trunk == 0 and not own_line):
        return 0
    return number // _RANGE + (0 if own_line else trunk * BESIDE)


@loop
def route_of(block: int, trunk: int) -> int:
    """What a block of calling numbers that comes over a registered trunk is found by; 0 for none.

    >>> route_of(77272555, 3) >> 40, route_of(77272555, 0)
    (3, 0)
    """
    return block + trunk * BESIDE if 0 < block < BESIDE and trunk > 0 else 0
