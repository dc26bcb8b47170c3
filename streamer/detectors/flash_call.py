"""A call that rings once and is gone before it can be answered: its calling number is the message.

Sources: the domain page's row of the same name; the trade's descriptions of flash-call verification (the last digits of a missed
call's number are the code, nothing is paid for it). Many are legitimate log-in codes: it labels, and senders that an operator
has an agreement with belong on the list `allow`.
A set-up alone shows nothing of it, since a number that is seen for the first time is nothing rare. What is looked at are the
caller's calls before: none of a day's was answered, each went to another line, and those of the last ten minutes rang for less
than five seconds. Fewer than wangiri needs, and without its number of victims.
Exempt: callers on the list `allow`; withheld callers that nothing is known of; whoever lets one friend's telephone ring.
Fails on senders that use each number once (all but the first `calls` of a number are found, so none of theirs: that is
for number blocks to tell), or again only after ten minutes, and on the first calls of all others. Somebody who lets the telephones
of several friends ring in a row is labelled too.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled
from streamer.features import INDEX

_ATTEMPTS_10M = INDEX["attempts_10m"]
_BLOCKED_10M = INDEX["blocked_10m"]
_SHORT_RING_10M = INDEX["short_ring_10m"]
_ATTEMPTS_24H = INDEX["attempts_24h"]
_BLOCKED_24H = INDEX["blocked_24h"]
_ANSWERED_24H = INDEX["answered_24h"]
_DISTINCT_24H = INDEX["distinct_24h"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    rings = x[_SHORT_RING_10M]
    if not rings >= p[1] or x[_ANSWERED_24H] > 0.0 or pooled(x):
        return NONE
    through = x[_ATTEMPTS_24H] - x[_BLOCKED_24H]
    if through < p[0] or x[_DISTINCT_24H] < p[2] * through:
        return NONE
    if rings < x[_ATTEMPTS_10M] - x[_BLOCKED_10M] - p[3]:
        return NONE
    return 1, rings, p[1], 600


DETECTOR = Detector(
    id="flash_call",
    kind="behaviour",
    causes=(Cause("never_answered", "label", "calls let through that rang for under 5 s, none of a day's answered"),),
    thresholds={"calls": 4, "short_rings": 3, "distinct_share": 0.75, "in_progress": 2},
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
