"""One campaign behind many numbers, each of which calls once or twice.

Sources: the domain page's row of the same name. What a single number does shows nothing, so the trunk and the block of a thousand numbers remember. A burst is five or more
different callers on one called number within seconds, most of them over one trunk; it comes too late for its first victim. Once there were two, calls of numbers that were never seen are blocked where their block was in bursts
on both over the same trunk; one called number alone is a hotline that opens, or a conference that begins: the honest numbers of a block mostly come over other trunks, and these may be in bursts of another campaign (a flood
on one called number is one). When the bursts of the block and those of the trunk did not have to be the same, 58 of the 59 calls of
landlines wrongly blocked in 4,000 s of simulated calls, with four times as many campaigns as usual, were such. Where the trunk alone was in bursts, they are labelled: in a day of simulated calls
276 of 50,979 honest landlines called for the first time over a trunk four fifths of whose calls were bursts. A
block from which many new numbers call within ten minutes, and whose answered calls end within seconds, is a campaign without
bursts (robocalls from rotating numbers) and is labelled too; one whose calls are not answered may deliver log-in codes, and is left to `flash_call`.
Exempt: own lines, and callers that were seen before within a day. A number that a crowd of own lines calls too (a quiz) is in no burst,
nor is one at which more calls are talked through than one person can; of a number that is called so all the time the first minute counts.
Nothing is a burst while calls have not been counted for long enough (`burst_watched_h`) to know what is usual.
Cannot be told from a campaign: two hotlines that open at once and are called by the same block over one trunk, until they answer.
Whoever spoofs five numbers of a block to one number over a trunk makes callers of that block that were never seen suspect there for ten
minutes: on a trunk that carries everybody's numbers shadow is the mode to begin with.
Fails on numbers that are spread over the whole plan on a busy transit trunk.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, unseen
from streamer.features import INDEX

_OWN_LINE = INDEX["own_line"]
_TRUNK = INDEX["trunk_attempts_10m"]
_TRUNK_BURST = INDEX["trunk_burst_10m"]
_VICTIMS = INDEX["trunk_victims_10m"]
_BLOCK = INDEX["block_attempts_10m"]
_BLOCK_FRESH = INDEX["block_fresh_10m"]
_BLOCK_BLOCKED = INDEX["block_blocked_10m"]
_BLOCK_ANSWERED = INDEX["block_answered_10m"]
_BLOCK_BRIEF = INDEX["block_brief_10m"]
_BLOCK_BURST = INDEX["block_burst_10m"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if x[_OWN_LINE] == 1.0 or not unseen(x, p[0]):
        return NONE
    if x[_BLOCK_BURST] >= p[1] and x[_VICTIMS] >= p[5]:
        return 1, x[_BLOCK_BURST], p[1], 600
    if x[_BLOCK_FRESH] >= p[2] and x[_BLOCK_BRIEF] >= p[3] * x[_BLOCK_ANSWERED]:
        if x[_BLOCK_ANSWERED] >= p[4] * (x[_BLOCK] - x[_BLOCK_BLOCKED]):
            return 2, x[_BLOCK_FRESH], p[2], 600
    if x[_VICTIMS] >= p[5]:
        share = x[_TRUNK_BURST] / max(x[_TRUNK], 1.0)
        if share >= p[7]:
            return (3 if share >= p[6] else 4), share, p[6 if share >= p[6] else 7], 600
    return NONE


DETECTOR = Detector(
    id="number_rotation",
    kind="behaviour",
    causes=(
        Cause(
            "block_in_bursts",
            "block",
            "calls of the caller's block of numbers over this trunk in bursts on one called number",
        ),
        Cause("block_of_new_callers", "label", "new callers of the caller's block of numbers, whose talks end at once"),
        Cause("trunk_in_bursts", "label", "share of a trunk's calls that are in bursts on one called number"),
        Cause("trunk_with_bursts", "label", "the same on a trunk that carries much else"),
    ),
    thresholds={
        "fresh_attempts": 2,
        "block_burst_10m": 3,
        "block_fresh_10m": 20,
        "brief_of_answered": 0.8,
        "answered_of_attempts": 0.2,
        "trunk_victims_10m": 1,
        "trunk_burst_share": 0.8,
        "trunk_burst_share_label": 0.2,
    },
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
