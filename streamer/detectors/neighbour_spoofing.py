"""A number that resembles the called one, so that it looks like a neighbour's.

Sources: the domain page's row of the same name. The first six or seven digits of the national number are the victim's own (in 13,193 complaints
to the US FTC with a ten-digit caller its area code is the victim's in 41 %, where chance would make it 0.4 %). Neighbours do
call each other, so that one call shows nothing by itself and is labelled; where many such calls come over one trunk, and are far more of its
calls than neighbours make, those of callers that were never seen are blocked.
Of such calls to one place, all but four of whose digits are the same, one after another, only the first counts of a trunk: whoever spoofs shows
each victim a neighbour of his, and all calls between two operators of one village are those of neighbours.
Exempt: own lines, numbers whose own operator said that they call, roamers with a fresh fact; callers that were seen before within a day are labelled at most.
Fails before the trunk's count is known, and where the trunk carries so much else that the share stays low; on
victims that are all in one place.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, unseen
from streamer.features import INDEX

_OWN_LINE = INDEX["own_line"]
_SAME_PREFIX = INDEX["same_prefix"]
_ORIGINATED = INDEX["origination_seen"]
_ROAMING = INDEX["caller_roaming"]
_SAME_PARTY = INDEX["same_party"]
_TRUNK = INDEX["trunk_attempts_10m"]
_NEIGHBOURS = INDEX["trunk_neighbours_10m"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if not x[_SAME_PREFIX] >= p[0] or x[_OWN_LINE] == 1.0:
        return NONE
    if x[_ORIGINATED] == 1.0 or x[_ROAMING] == 1.0 or x[_SAME_PARTY] == 1.0:
        return NONE
    if x[_NEIGHBOURS] >= p[1] and x[_NEIGHBOURS] >= p[2] * x[_TRUNK] and unseen(x, p[3]):
        return 1, x[_NEIGHBOURS] / max(x[_TRUNK], 1.0), p[2], 600
    return 2, x[_SAME_PREFIX], p[0], 0


DETECTOR = Detector(
    id="neighbour_spoofing",
    kind="behaviour",
    causes=(
        Cause("trunk_of_neighbours", "block", "share of a trunk's calls that show a number like the called one"),
        Cause("like_the_called", "label", "leading national digits that calling and called number share"),
    ),
    thresholds={"digits": 6, "trunk_neighbours_10m": 20, "trunk_share": 0.1, "fresh_attempts": 2},
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
