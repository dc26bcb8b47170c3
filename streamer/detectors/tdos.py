"""A flood of calls on one number, so that its owner cannot be reached: telephony denial of service.

Counted over all partitions, so that it does not matter from how many numbers the calls come. Sources: the domain page's row of
the same name (50 calls in 30 s; 1,144 calls to one person within ten minutes were seen), US CISA's and NENA's notes on
telephony denial of service. The number of different callers a minute is held against what is usual for that number, so
that hotlines that are called all day are not taken for victims.
A quiz on the radio, tickets, an outage hotline and a surgery in the morning are called by as many at once, on numbers that are hardly
called at other times. Those who call them are the operators' own lines like everybody, and whoever floods a number shows numbers from
elsewhere: one that `own_share` of the callers reach from own lines is labelled.
One line that calls one number again and again, faster than a person or a telephone that redials by itself, is a flood by itself: it
needs no merged counts to be seen. Its first `through_1h` calls of an hour pass, since a call is known to be answered only later, where
operators do not publish answers when it ends: the staff of a company that joins a conference at once shows one number too. It is
held against what was answered in a day, and ends when the line is slower for a minute or nothing of it passed for an hour. Withheld
callers of one number are known together alone, so that as many calls of theirs are labelled.
A caller is counted once a minute, however often he calls; that he is an own line too where his own operator says so only after another one did.
A few lines that share the work, each too slow for that, are seen at the called number: so many calls of it in a minute, hardly
answered, are `times_again` as many as those who make them, and so many are this line's, which called nobody else. Whoever calls a
busy number again and again does so too, so that here as well own lines are labelled, and all lines where own ones are among those who call as they
are among people.
Exempt from what is counted over all partitions: own lines, and callers that were seen before (within a day; of few lines, more than `new_s`
ago, unless most of their calls of an hour were blocked), whose calls are labelled; everything, while nobody has merged counts
for long enough (`watched_h`) to know what is usual. Calls to emergency numbers are never blocked, whatever comes: a flood
on them is a case and nothing else.
Cannot be told from an attack: a crowd that calls from other networks (a line for viewers abroad, or where the operators of most
callers do not publish their originations): put such numbers on the called side of the list `allow` before.
Fails on a flood of fewer than `called_1m` calls a minute, or from so many lines that each calls once or twice while they are fewer than `callers_1m`; on one
from lines that called before, or of which `own_share` comes from own lines, which costs a SIM for each; where the number under attack
answers by itself; where the same line calls the number over a second operator every ten seconds, whose set-ups stand for the call then, so that
those over the first are taken for sightings of it and not counted; and in the first second or two, before the count is known everywhere.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled, unseen
from streamer.features import INDEX

_CALLERS = INDEX["callee_callers_1m"]
_OWN = INDEX["callee_own_1m"]
_USUAL = INDEX["callee_usual"]
_WATCHED = INDEX["callee_watched"]
_OWN_LINE = INDEX["own_line"]
_ATTEMPTS_1M = INDEX["attempts_1m"]
_DISTINCT_1M = INDEX["distinct_1m"]
_ATTEMPTS_1H = INDEX["attempts_1h"]
_BLOCKED_1H = INDEX["blocked_1h"]
_ATTEMPTS_24H = INDEX["attempts_24h"]
_BLOCKED_24H = INDEX["blocked_24h"]
_ANSWERED_24H = INDEX["answered_24h"]
_AGE = INDEX["age"]
_CALLED = INDEX["callee_attempts_1m"]
_CALLED_ANSWERED = INDEX["callee_answered_1m"]


@loop
def _hammers(x: Any, calls: float, numbers: float, through: float, answered_share: float) -> bool:
    """The caller makes so many calls a minute to hardly another number; so many were let through in an hour, and few in a day answered."""
    return bool(
        x[_ATTEMPTS_1M] >= calls
        and x[_DISTINCT_1M] < numbers + 0.5  # an estimate
        and x[_ATTEMPTS_1H] - x[_BLOCKED_1H] >= through
        and x[_ANSWERED_24H] <= answered_share * (x[_ATTEMPTS_24H] - x[_BLOCKED_24H])
    )


@loop
def _shares_a_flood(x: Any, p: Any) -> bool:
    """Few lines make the calls that the called number gets, hardly any of which is answered, and the caller is one of them."""
    called = x[_CALLED]
    return bool(
        called >= p[9]
        and called >= p[10] * x[_CALLERS]
        and called >= p[1] * x[_USUAL]
        and x[_WATCHED] >= p[2]
        and x[_CALLED_ANSWERED] <= p[11] * called
        and x[_ATTEMPTS_1M] >= p[10]
        and x[_DISTINCT_1M] < p[6] + 0.5
    )


@loop
def _came_lately(x: Any, new_s: float) -> bool:
    """The caller was first seen so lately, or most of its calls of an hour were blocked."""
    return bool(x[_AGE] <= new_s or 2.0 * x[_BLOCKED_1H] >= x[_ATTEMPTS_1H])


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if _hammers(x, p[5], p[6], p[7], p[8]):
        return (4 if pooled(x) else 3), x[_ATTEMPTS_1M], p[5], 60
    callers = x[_CALLERS]
    if callers >= p[0] and callers >= p[1] * x[_USUAL] and x[_WATCHED] >= p[2]:
        known = x[_OWN_LINE] == 1.0 or not unseen(x, p[3]) or x[_OWN] >= p[4] * callers
        return (2 if known else 1), callers, p[0], 60
    if _shares_a_flood(x, p):
        known = x[_OWN_LINE] == 1.0 or pooled(x) or not _came_lately(x, p[12]) or p[10] * x[_OWN] >= p[4] * x[_CALLED]
        return (2 if known else 5), x[_CALLED], p[9], 60
    return NONE


DETECTOR = Detector(
    id="tdos",
    kind="behaviour",
    causes=(
        Cause(
            "flood", "block", "callers of the called number in a minute, far above its usual; this one was never seen"
        ),
        Cause(
            "flood_known_caller",
            "label",
            "the same, from an own line or a caller that was seen before, or where many callers are own lines",
            accuses=False,
        ),
        Cause(
            "one_line", "block", "calls of a line in a minute, all to one number; hardly any of its calls was answered"
        ),
        Cause(
            "withheld_callers",
            "label",
            "calls of withheld callers to the called number in a minute; hardly any was answered",
            accuses=False,
        ),
        Cause(
            "few_lines",
            "block",
            "calls of the called number in a minute, far above its usual, by few lines; this one was not seen before",
        ),
    ),
    thresholds={
        "callers_1m": 40,
        "times_usual": 5,
        "watched_h": 0.25,
        "fresh_attempts": 1,
        "own_share": 0.2,
        "calls_1m": 30,
        "numbers_1m": 1,
        "through_1h": 50,
        "answered_share": 0.1,
        "called_1m": 50,
        "times_again": 3,
        "called_answered_share": 0.25,
        "new_s": 3_600,
    },
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
