"""A call that comes in from another network with a number whose own operator never said that it called.

Source: the domain page's row of the same name; Russia's Antifrod, where the terminating operator asks whether the number's
owner really originated the call (400 to 600 million checks a day); AB Handshake validates between both ends alike.
Originations may come late, so the call is let through first, and one `block` revises that within three seconds when none
has come: `wait_s` after the append time of its set-up. Nothing is said of operators whose originations come in time less
often than `on_time_share`, over the last 24 hours and at least `matches` calls of the partition; nor of a call after which its operator
published no other origination in the partition while it waited, appended at most 4 s after its `at`: a publisher that stands still, or
delivers what it held back, tells nothing of who called. In a busy network one follows within the wait, whoever makes spoofed calls; in a
small one, and at night, it may not, and the call is let be (its evidence says what would have been).
Clocks may be wrong: where an `at` lies more than 4 s before its append time, set-ups that the log holds near each other are of one call too.
Exempt: numbers of operators that publish no originations or that nobody knows, roaming numbers and others that stand for
another called number (the list `roaming_numbers`: freephone numbers that the network translates belong on it), diverted
calls whose first leg was seen, in the minute before or while they wait, or in the last five minutes (`cli_spoofing` labels these: they
waited in a queue that overflowed), callers who roam by a fresh fact, calls that another set-up showed to come in
from abroad within ten seconds and that nothing was held against there but that the caller's place is not known (`cli_spoofing`
labels these), withheld and invalid numbers, and calls that were answered before the time was up. What shows where a call began holds for ten seconds, for all
further set-ups of the same two numbers: networks report a call again when it comes back from a platform, or try it anew. That a
set-up was let through unjudged (`input.throttled`) makes no difference: it shows where the call began. One of an own line that was
blocked shows nothing, and takes nothing back that another showed. Nor does a line show that another operator's number called (by its
`network` fact, else by range): whoever rents one shows what he likes. On a registered enterprise's trunk he may do so by right, so
that such a call is let through at its other end, with the label of `cli_spoofing`; a call that a line diverts is shown by its first leg.
Fails on lines of companies that show an extension and whose network sends the call on with another number: operators publish as
`caller` what leaves the network. On calls that overflow from a queue after more than five minutes. Where one of several publishing hosts
of an operator falls silent and the others go on: its calls are as ones that nobody originated (the alert `StreamerRevised` speaks, and
a person decides). On spoofed calls while the owner of the number calls the same line, or over a registered enterprise's trunk of an operator that lets its
customers show any number (labelled); where networks change the called number on the way; on
ported numbers without a fact and virtual operators' numbers in ranges of their own that their host reports (an operator that reports
nothing itself has no originations in time, and nothing is said of its numbers); on calls that an operator forwards and reports as begun
on its own line without `diverted_from`; on more than 4,096 calls that wait in one partition, of which
the rest is let through; and whoever shows a number that he also calls from, at once, makes its operator's originations look late.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector
from streamer.features import INDEX

_SEEN = INDEX["origination_seen"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; observed are originations in the ten seconds before and after, of which one is needed."""
    if x[_SEEN] == 0.0:
        return 1, 0.0, 1.0, 10
    return NONE


DETECTOR = Detector(
    id="unverified_origin",
    kind="origin",
    causes=(Cause("not_originated", "block", "originations of the call by the number's own operator"),),
    thresholds={"wait_s": 2, "on_time_share": 0.999, "matches": 1_000},
    judge=judge,
    cache_s=0,
    doc=__doc__,
    deferred=True,
    bounds={"wait_s": (0.1, 2.5)},
)
