"""A dialler: many calls a minute to ever new numbers, and those who answer hang up within seconds.

Source: Bokharaei et al. and the TransNexus robocall profiles as the domain page gives them: a dialler's mean call lasts
less than a minute and nearly all of its calls are short, where conversational lines average three minutes; profiled at
five attempts a minute and twenty in six hours (here: in the hour, the nearest window that is shorter).
Exempt: withheld callers that nothing is known of. An own line is labelled unless it is known to be active for less than a month: schools that
read a message to all parents are diallers too, and whose line it is its operator knows. Over interconnect messages that are read out (a taxi that has come, a parcel) look the same:
such senders belong on the list `allow`.
Fails on a dialler slower than the rate, and on one whose victims listen for long.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled
from streamer.features import INDEX

_ATTEMPTS_1M = INDEX["attempts_1m"]
_ATTEMPTS_10M = INDEX["attempts_10m"]
_ATTEMPTS_1H = INDEX["attempts_1h"]
_ANSWERED_1H = INDEX["answered_1h"]
_SHORT_1H = INDEX["short_1h"]
_TALK_1H = INDEX["talk_1h"]
_DISTINCT_1H = INDEX["distinct_1h"]
_OWN_LINE = INDEX["own_line"]
_LINE_AGE_H = INDEX["line_age"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if pooled(x) or x[_ATTEMPTS_1H] < p[1] or (x[_ATTEMPTS_1M] < p[0] and x[_ATTEMPTS_10M] < 5.0 * p[0]):
        return NONE
    answered = x[_ANSWERED_1H]
    if answered < p[2] or x[_DISTINCT_1H] < p[5] * x[_ATTEMPTS_1H]:
        return NONE
    short_share = x[_SHORT_1H] / answered
    if short_share >= p[3] and x[_TALK_1H] / answered < p[4]:
        known = x[_OWN_LINE] == 1.0 and not x[_LINE_AGE_H] < 24.0 * p[6]
        return (2 if known else 1), short_share, p[3], 3600
    return NONE


DETECTOR = Detector(
    id="robocall",
    kind="behaviour",
    causes=(
        Cause("short_calls", "block", "share of answered calls under 6 s, at a dialler's rate and mean length"),
        Cause("short_calls_known_line", "label", "the same, from an own line that is not known to be new"),
    ),
    thresholds={
        "attempts_1m": 5,
        "attempts_1h": 20,
        "answered_1h": 8,
        "short_share": 0.6,
        "mean_talk_s": 30,
        "distinct_share": 0.6,
        "known_line_days": 30,
    },
    judge=judge,
    cache_s=60,
    doc=__doc__,
)
