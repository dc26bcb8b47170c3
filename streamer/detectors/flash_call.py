"""A call that rings once and is gone before it can be answered: its calling number is the message.

Sources: the domain page's row of the same name; the trade's descriptions of flash-call verification (the last digits of a missed
call's number are the code, nothing is paid for it). Many are legitimate log-in codes: it labels, and senders that an operator
has an agreement with belong on the list `allow`.
A set-up alone shows nothing of it, since a number that is seen for the first time is nothing rare. What is looked at are the
caller's calls before: none of a day's was answered, each went to another line, and those of the last ten minutes rang for less
than five seconds. Fewer than wangiri needs, and without its number of victims.
A sender that uses each number once shows over its trunk, where it has a small one: of the calls of callers that were not seen for a
day a large share rings for under five seconds and is not answered (one in fifty calls of people is given up so soon: background
knowledge, to be calibrated on data). Where it comes in among everybody's calls from abroad, it shows by the prefix of ten million numbers
that it takes its own from, and the share is small. From both, all callers that were not seen for a day are labelled: by a trunk mostly the
right ones, by a prefix mostly people who call from that network for the first time in a day (three in four of them in simulated
calls), so that this label is for looking at ends and bills, and no ground to divert a call by.
Exempt: callers on the list `allow`, whose rings are not counted either; withheld callers that nothing is known of; whoever lets one
friend's telephone ring; of trunk and prefix own lines, and callers that were seen within a day.
Fails on the first calls of all senders, on numbers that come again only after ten minutes and before a day is over, on trunks that nobody
registered, and on senders that spread over trunks and prefixes so that their share stays low. Somebody who lets the telephones
of several friends ring in a row is labelled too.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled, unseen
from streamer.features import INDEX

_ATTEMPTS_10M = INDEX["attempts_10m"]
_BLOCKED_10M = INDEX["blocked_10m"]
_SHORT_RING_10M = INDEX["short_ring_10m"]
_ATTEMPTS_24H = INDEX["attempts_24h"]
_BLOCKED_24H = INDEX["blocked_24h"]
_ANSWERED_24H = INDEX["answered_24h"]
_DISTINCT_24H = INDEX["distinct_24h"]
_OWN_LINE = INDEX["own_line"]
_TRUNK_FRESH = INDEX["trunk_fresh_10m"]
_TRUNK_RANG = INDEX["trunk_rang_10m"]
_PREFIX_FRESH = INDEX["prefix_fresh_10m"]
_PREFIX_RANG = INDEX["prefix_rang_10m"]
_FIRST = 1.0


@loop
def _of_others(x: Any, p: Any) -> tuple[int, float, float, int]:
    """What the calls over the same trunk, or of the same prefix, came to."""
    if x[_TRUNK_RANG] >= p[4] and x[_TRUNK_RANG] >= p[5] * x[_TRUNK_FRESH]:
        return 2, x[_TRUNK_RANG] / max(x[_TRUNK_FRESH], 1.0), p[5], 600
    if x[_PREFIX_RANG] >= p[6] and x[_PREFIX_RANG] >= p[7] * x[_PREFIX_FRESH]:
        return 3, x[_PREFIX_RANG] / max(x[_PREFIX_FRESH], 1.0), p[7], 600
    return NONE


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if x[_OWN_LINE] != 1.0 and unseen(x, _FIRST):
        return NONE if pooled(x) else _of_others(x, p)
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
    causes=(
        Cause("never_answered", "label", "calls let through that rang for under 5 s, none of a day's answered"),
        Cause("trunk_of_short_rings", "label", "share of a trunk's first-time callers that rang for under 5 s"),
        Cause(
            "prefix_of_short_rings", "label", "share of first-time callers with the same prefix that rang for under 5 s"
        ),
    ),
    thresholds={
        "calls": 4,
        "short_rings": 3,
        "distinct_share": 0.75,
        "in_progress": 2,
        "trunk_rings": 20,
        "trunk_share": 0.3,
        "prefix_rings": 8,
        "prefix_share": 0.1,
    },
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
