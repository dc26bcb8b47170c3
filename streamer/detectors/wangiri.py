"""One ring and gone: calls that end before anyone can answer, to lure the called into calling back a costly number.

Source: published wangiri rules as the domain page gives them: ring below 3 to 5 s, answer-seizure ratio below 5 %, more
than 50 distinct called numbers in ten minutes; the starting value here is 15.
Whoever calls a number abroad that was found to do this, in the day after (24 h [BK]), is labelled, in whatever partition it was found: about one
in twenty of those who were rung calls back, at a price that he does not know, and a switch may tell him before it connects him. He is let
through: the number may be an honest line's that a spoofer showed, and its friends call it too.
Exempt: callers on the list `allow` and withheld ones that nothing is known of; numbers of the home country are labelled, since calling
them back costs little, and services that log people in by one ring call alike.
Fails at home at a premium rate; when the trap rings longer, or rotates its number before the fifteenth call.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled
from streamer.features import INDEX

_ATTEMPTS = INDEX["attempts_10m"]
_BLOCKED = INDEX["blocked_10m"]
_ANSWERED = INDEX["answered_10m"]
_DISTINCT = INDEX["distinct_10m"]
_HOME = INDEX["caller_home"]
_SHORT_RING = INDEX["short_ring_10m"]
_CALLEE_RINGS = INDEX["callee_rings_10m"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if x[_DISTINCT] >= p[0] and x[_ATTEMPTS] >= p[0] and not pooled(x):
        through = x[_ATTEMPTS] - x[_BLOCKED]
        if x[_SHORT_RING] >= p[3] and x[_ANSWERED] < p[1] * through and x[_SHORT_RING] >= p[2] * (through - p[4]):
            return (2 if x[_HOME] == 1.0 else 1), min(x[_DISTINCT], x[_ATTEMPTS]), p[0], 600
    if x[_CALLEE_RINGS] >= p[0]:
        return 3, x[_CALLEE_RINGS], p[0], 600
    return NONE


DETECTOR = Detector(
    id="wangiri",
    kind="behaviour",
    causes=(
        Cause("one_ring", "block", "distinct called numbers, rung for a moment and not answered"),
        Cause(
            "one_ring_at_home", "label", "the same with a number of the home country, where calling back costs little"
        ),
        Cause(
            "called_back",
            "label",
            "one-ring calls in ten minutes that the called number made, abroad, in the last day",
            accuses=False,
        ),
    ),
    thresholds={"distinct": 15, "answered_share": 0.05, "short_ring_share": 0.7, "short_rings": 8, "in_progress": 3},
    judge=judge,
    cache_s=60,
    doc=__doc__,
)
