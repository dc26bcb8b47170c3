"""A flood of calls on one number, so that its owner cannot be reached: telephony denial of service.

Counted over all partitions, so that it does not matter from how many numbers the calls come. Sources: the domain page's row of
the same name (50 calls in 30 s; 1,144 calls to one person within ten minutes were seen), US CISA's and NENA's notes on
telephony denial of service. The number of different callers a minute is held against what is usual for that number, so
that hotlines that are called all day are not taken for victims.
Exempt: own lines, and callers that were seen before within a day, whose calls are labelled; everything, while nobody has merged counts
for long enough (`watched_h`) to know what is usual. Calls to emergency numbers are never blocked, whatever comes: a flood
on them is a case and nothing else.
Fails on a number that is hardly called on other days and by many at once on this one (an outage hotline, tickets): it has nothing usual, so
that who calls for the first time in a day from another network is blocked; put such numbers on the called side of the list `allow`
before. Fails on a flood from lines that called before, on numbers that are called by very many (a vote on television: put it on the allow
list), and in the first second or two, before the count is known everywhere.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, unseen
from streamer.features import INDEX

_CALLERS = INDEX["callee_callers_1m"]
_USUAL = INDEX["callee_usual"]
_WATCHED = INDEX["callee_watched"]
_OWN_LINE = INDEX["own_line"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    callers = x[_CALLERS]
    if not callers >= p[0] or not callers >= p[1] * x[_USUAL] or not x[_WATCHED] >= p[2]:
        return NONE
    if x[_OWN_LINE] == 1.0 or not unseen(x, p[3]):
        return 2, callers, p[0], 60
    return 1, callers, p[0], 60


DETECTOR = Detector(
    id="tdos",
    kind="behaviour",
    causes=(
        Cause(
            "flood", "block", "callers of the called number in a minute, far above its usual; this one was never seen"
        ),
        Cause("flood_known_caller", "label", "the same, from an own line or a caller that was seen before"),
    ),
    thresholds={"callers_1m": 40, "times_usual": 5, "watched_h": 0.25, "fresh_attempts": 1},
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
