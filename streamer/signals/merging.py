"""The merge: partial sums of all partitions counted by subject, and bursts of callers on one number found: compiled."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer.compiled import loop
from streamer.signals.subjects import BURST, OWN, VICTIMS, Subjects, add, open_row, subjects, sweep, usual_of
from streamer.windows import tallies
from streamer.windows.hashing import Secret
from streamer.windows.newcomers import route_of
from streamer.windows.tallies import COUNTS, NO_BLOCK

LIMITS: Final = (
    "burst_callers", "burst_s", "burst_lasts_s", "burst_times_usual", "crowd_own_lines", "crowd_share", "crowd_talks",
    "crowd_talks_share", "bursts_count_s", "burst_watched_h",
)  # fmt: skip
"""What makes a burst, by the names that the policy has for it (`streamer.counting`); an array of `limits` is float64 in this order."""
_CALLERS, _WITHIN_S, _LASTS_S, _TIMES_USUAL, _CROWD, _CROWD_SHARE, _TALKS, _TALKS_SHARE, _COUNT_S, _WATCHED_H = range(
    len(LIMITS)
)
MINUTE_MS: Final = 60_000
TEN_MINUTES_MS: Final = 600_000
_PLACE: Final = 10_000
"""Called numbers that lie in one place have all but so many of their last digits in common: an exchange, or a village."""
_U16: Final = 65_535
_U31: Final = 2**31 - 1

OWNER, SPAN, NOW, BEFORE, TRUNK, VOTES, UNTIL, BEGAN = range(8)
BURST_WORDS: Final = 8
"""Words of a called number's burst: whose it is, the span of `burst_s` it is in, callers in it and in the one before, the trunk that most
came over and by how many votes, until when it is in a burst, and when the first of those began that lie less than ten minutes apart, ms."""


class Merged(NamedTuple):
    """All that is counted: `callees` over a minute, `trunks`, `blocks`, `prefixes` and `routes` (of these the bursts alone) over ten;
    `bursts` int64[callees, BURST_WORDS]; `trunk_last`, `block_last`, `route_last` int64[rows]: the called number that was counted last among
    those that bursts came to; `trunk_place` int64[trunks]: the place of that which one like it called last over a trunk; `clock` int64[2]: the latest number of any message, and since when it is counted.
    """

    callees: Subjects
    trunks: Subjects
    blocks: Subjects
    prefixes: Subjects
    routes: Subjects
    bursts: Any
    trunk_last: Any
    trunk_place: Any
    block_last: Any
    route_last: Any
    clock: Any


def merged(
    secret: Secret,
    callees: int = 1 << 20,
    trunks: int = 1 << 13,
    blocks: int = 1 << 19,
    prefixes: int = 1 << 15,
    routes: int = 1 << 15,
) -> Merged:
    """Nothing counted; room for so many of each."""
    return Merged(
        subjects(callees, MINUTE_MS, secret, np.uint16),
        subjects(trunks, TEN_MINUTES_MS, secret, np.int32),
        subjects(blocks, TEN_MINUTES_MS, secret, np.int32),
        subjects(prefixes, TEN_MINUTES_MS, secret, np.int32),
        subjects(routes, TEN_MINUTES_MS, secret, np.int32),
        np.zeros((callees, BURST_WORDS), np.int64),
        np.zeros(trunks, np.int64),
        np.zeros(trunks, np.int64),
        np.zeros(blocks, np.int64),
        np.zeros(routes, np.int64),
        np.zeros(2, np.int64),
    )


@loop
def _in_burst(burst: Any, limits: Any, at_ms: int, trunk: int, callers: int, usual: float) -> int:
    """Count callers of a number that has `usual` ones a minute: gives how many of them are now known to be in a burst."""
    span = at_ms // np.int64(1_000 * limits[_WITHIN_S])
    if span > burst[SPAN]:
        if span > burst[SPAN] + 1:
            burst[NOW] = 0
        burst[BEFORE] = burst[NOW]
        burst[NOW] = 0
        burst[SPAN] = span
        if burst[BEFORE] == 0:
            burst[VOTES] = 0
    if span < burst[SPAN] - 1:
        return 0  # a partition that lags tells of what is over
    burst[NOW if span == burst[SPAN] else BEFORE] += callers
    if trunk == burst[TRUNK]:
        burst[VOTES] += callers
    elif callers > burst[VOTES]:
        burst[TRUNK] = trunk
        burst[VOTES] = callers - burst[VOTES]
    else:
        burst[VOTES] -= callers
    together = burst[NOW] + burst[BEFORE]
    if (
        together * 30 < limits[_TIMES_USUAL] * usual * limits[_WITHIN_S]
        or together < limits[_CALLERS]
        or 2 * burst[VOTES] < together
        or burst[TRUNK] == 0
    ):
        return 0
    begins = at_ms > burst[UNTIL]
    if at_ms > burst[UNTIL] + TEN_MINUTES_MS:
        burst[BEGAN] = at_ms
    burst[UNTIL] = at_ms + np.int64(1_000 * limits[_LASTS_S])
    if at_ms - burst[BEGAN] > np.int64(1_000 * limits[_COUNT_S]):
        return 0  # whoever is called so for longer is called so by everybody
    return together if begins else callers


@loop
def _is_crowd(callees: Subjects, row: int, limits: Any) -> bool:
    """Whether own lines are among those who call a number as they are among people, or more calls of a minute are talked through there
    than one person can.
    """
    own = callers = calls = talks = np.int64(0)
    for step in range(callees.sums.shape[1]):
        sums = callees.sums[row, step]
        own += np.int64(sums[OWN])
        callers += np.int64(sums[tallies.CALLER])
        calls += np.int64(sums[tallies.ATTEMPT])
        talks += np.int64(sums[tallies.ANSWERED]) - np.int64(sums[tallies.BRIEF])
    if own >= limits[_CROWD] and own >= limits[_CROWD_SHARE] * callers:
        return True
    return bool(talks >= limits[_TALKS] and talks >= limits[_TALKS_SHARE] * calls)


@loop
def _count_called(into: Subjects, row: int, step: int, last: Any, callee: int) -> None:
    """Count a called number that a burst came to; two or more are counted where there are as many, however often they take turns."""
    counted = np.int64(0)
    for place in range(into.sums.shape[1]):
        counted += np.int64(into.sums[row, place, VICTIMS])
    if counted == 0 or last[row] != callee:
        last[row] = callee
        add(into, row, step, VICTIMS, 1, _U31)


@loop
def _count(into: Subjects, row: int, step: int, counts: Any, most: int) -> None:
    """Count what one row of a message says in a step."""
    for column in range(COUNTS):
        if counts[column] > 0:
            add(into, row, step, column, counts[column], most)


@loop
def _count_over_trunk(into: Subjects, row: int, step: int, counts: Any, last: Any, callee: int) -> None:
    """Count what one row of a message says of a trunk; calls of numbers like the called one only where another place was called by such
    before: neighbours over a trunk that two operators of one village share all call within it.
    """
    for column in range(COUNTS):
        if counts[column] > 0 and (column != tallies.NEIGHBOUR or last[row] != callee // _PLACE):
            add(into, row, step, column, counts[column], _U31)
    if counts[tallies.NEIGHBOUR] > 0:
        last[row] = callee // _PLACE


@loop
def merge(into: Merged, limits: Any, number: int, places: Any, trunk: Any, counts: Any, touched: Any) -> int:
    """Count the rows of one message; `limits` as of `LIMITS`, `trunk` int64[n] holds the keys of trunks, 0 for none.

    `touched` int64[5 * n, 2] is filled with (which table, row) of what may have come to stand out; gives how many.
    """
    clock = max(into.clock[0], number)
    into.clock[0] = clock
    minute = into.callees.step_ms[0]
    ten = into.trunks.step_ms[0]
    found = 0
    watched = clock - into.clock[1] >= 3_600_000.0 * limits[_WATCHED_H]
    for row in range(counts.shape[0]):
        callee, block = places[row, 0], places[row, 1]
        in_burst = 0
        if callee > 0:
            at = open_row(into.callees, callee, clock // minute)
            if at >= 0:
                callers = counts[row, tallies.CALLER]
                if callers == 0 or counts[row, tallies.ATTEMPT] > 0 or block != 0:
                    _count(into.callees, at, number // minute, counts[row], _U16)
                if counts[row, tallies.ATTEMPT] + callers > 0:
                    touched[found, 0], touched[found, 1] = 0, at
                    found += 1
                if callers > 0:
                    if block == 0:
                        add(into.callees, at, number // minute, OWN, callers, _U16)
                    if watched and block > NO_BLOCK and trunk[row] > 0 and not _is_crowd(into.callees, at, limits):
                        burst = into.bursts[at]
                        if burst[OWNER] != callee:
                            burst[:] = 0
                            burst[OWNER] = callee
                        usual = usual_of(into.callees, at, clock)
                        in_burst = _in_burst(burst, limits, number, trunk[row], callers, usual)
        if trunk[row] > 0:
            at = open_row(into.trunks, trunk[row], clock // ten)
            if at >= 0:
                _count_over_trunk(into.trunks, at, number // ten, counts[row], into.trunk_place, callee)
                if in_burst > 0:
                    add(into.trunks, at, number // ten, BURST, in_burst, _U31)
                    _count_called(into.trunks, at, number // ten, into.trunk_last, callee)
                touched[found, 0], touched[found, 1] = 1, at
                found += 1
        if block > NO_BLOCK:
            at = open_row(into.blocks, block, clock // ten)
            if at >= 0:
                _count(into.blocks, at, number // ten, counts[row], _U31)
                if in_burst > 0:
                    add(into.blocks, at, number // ten, BURST, counts[row, tallies.CALLER], _U31)
                    _count_called(into.blocks, at, number // ten, into.block_last, callee)
                touched[found, 0], touched[found, 1] = 2, at
                found += 1
        if in_burst > 0:
            at = open_row(into.routes, route_of(block, trunk[row]), clock // ten)
            if at >= 0:
                add(into.routes, at, number // ten, BURST, counts[row, tallies.CALLER], _U31)
                _count_called(into.routes, at, number // ten, into.route_last, callee)
                touched[found, 0], touched[found, 1] = 4, at
                found += 1
        if (
            block >= tallies.PREFIX_BLOCKS
            and trunk[row] > 0
            and counts[row, tallies.FRESH] + counts[row, tallies.RANG] > 0
        ):
            at = open_row(into.prefixes, block // tallies.PREFIX_BLOCKS, clock // ten)
            if at >= 0:
                _count(into.prefixes, at, number // ten, counts[row], _U31)
                touched[found, 0], touched[found, 1] = 3, at
                found += 1
    sweep(into.callees, clock // minute, 16 + 2 * counts.shape[0])
    sweep(into.trunks, clock // ten, 4)
    sweep(into.blocks, clock // ten, 16 + counts.shape[0] // 4)
    sweep(into.prefixes, clock // ten, 4)
    sweep(into.routes, clock // ten, 4)
    return found
