"""A dialler: many calls a minute to ever new numbers, and those who answer hang up within seconds.

Source: Bokharaei et al. and the TransNexus robocall profiles as the domain page gives them: a dialler's mean call lasts
less than a minute and nearly all of its calls are short, where conversational lines average three minutes; profiled at
five attempts a minute and twenty in six hours (here: in the hour, the nearest window that is shorter).
What was answered in the last six seconds may yet be short or not, and is left out of what the share is of: how much that is follows
from the answers of the last minute. A dialler of thirty calls a minute has one or two such answers when it has been answered a dozen
times, and seemed to be hung up on less than it was.
The share of few answers is chance for the most part, so that it is smoothed: as if the caller had been answered `usual_answers` times
more, and hung up on as honest callers are who are hung up on most (`usual_short_share`; debt collectors and sales centres, a
starting value). Of eight answers six have to be short, of forty 25. One who is faster than anybody dials (`fast_attempts_1m`: a call
every four seconds, each of which takes longer to be set up and ring) and whose talks are over after seconds in the mean
(`fast_mean_talk_s`: who reads a message out is heard for longer by most) is blocked at `fast_short_share`: of eight answers five, of
forty 21.
Exempt: withheld callers that nothing is known of. An own line is labelled unless it is known to be active for less than a month: schools that
read a message to all parents are diallers too, and whose line it is its operator knows. Over interconnect messages that are read out (a taxi that has come, a parcel) look the same:
such senders belong on the list `allow`.
Fails on a dialler slower than the rate, and on one whose victims listen for long.
"""

from __future__ import annotations

from typing import Any, Final

from streamer.calls.events import SHORT_MS
from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled
from streamer.features import INDEX

_ATTEMPTS_1M = INDEX["attempts_1m"]
_ANSWERED_1M = INDEX["answered_1m"]
_ATTEMPTS_10M = INDEX["attempts_10m"]
_ATTEMPTS_1H = INDEX["attempts_1h"]
_ANSWERED_1H = INDEX["answered_1h"]
_SHORT_1H = INDEX["short_1h"]
_TALK_1H = INDEX["talk_1h"]
_DISTINCT_1H = INDEX["distinct_1h"]
_AGE_S = INDEX["age"]
_OWN_LINE = INDEX["own_line"]
_LINE_AGE_H = INDEX["line_age"]
_SHORT_S: Final = SHORT_MS / 1_000


@loop
def _answered_before(x: Any) -> float:
    """About how many of the hour's answers are so old that it is known whether their talk was short."""
    lately = x[_ANSWERED_1M] * _SHORT_S / min(60.0, max(x[_AGE_S], _SHORT_S))
    return float(x[_ANSWERED_1H] - lately)


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if pooled(x) or x[_ATTEMPTS_1H] < p[1] or (x[_ATTEMPTS_1M] < p[0] and x[_ATTEMPTS_10M] < 5.0 * p[0]):
        return NONE
    answered = _answered_before(x)
    if answered < p[2] or answered <= 0.0 or x[_DISTINCT_1H] < p[5] * x[_ATTEMPTS_1H]:
        return NONE
    known = x[_OWN_LINE] == 1.0 and not x[_LINE_AGE_H] < 24.0 * p[6]
    short_share = (x[_SHORT_1H] + p[10] * p[11]) / (answered + p[10])
    mean_talk_s = x[_TALK_1H] / answered
    if short_share >= p[3] and mean_talk_s < p[4]:
        return (2 if known else 1), short_share, p[3], 3600
    if x[_ATTEMPTS_1M] >= p[7] and short_share >= p[8] and mean_talk_s < p[9]:
        return (2 if known else 3), short_share, p[8], 3600
    return NONE


DETECTOR = Detector(
    id="robocall",
    kind="behaviour",
    causes=(
        Cause(
            "short_calls", "block", "smoothed share of answered calls under 6 s, at a dialler's rate and mean length"
        ),
        Cause("short_calls_known_line", "label", "the same or the next, from an own line that is not known to be new"),
        Cause("short_calls_fast", "block", "the same share of a caller faster than anybody dials"),
    ),
    thresholds={
        "attempts_1m": 5,
        "attempts_1h": 20,
        "answered_1h": 8,
        "short_share": 0.6,
        "mean_talk_s": 30,
        "distinct_share": 0.6,
        "known_line_days": 30,
        "fast_attempts_1m": 15,
        "fast_short_share": 0.5,
        "fast_mean_talk_s": 12,
        "usual_answers": 4,
        "usual_short_share": 0.35,
    },
    judge=judge,
    cache_s=60,
    doc=__doc__,
)
