"""A company's exchange in the hands of others: calls that cost, at once and fast, when its offices are empty.

Sources: the five of OpenSIPS's `fraud_detection` (total calls, calls a minute, calls at once, calls one after another to one
destination, and their duration, each with a warning and a critical level, by hours and days of the week), here of costly calls alone
(abroad or at a premium rate) and in windows that slide: counters that begin anew at set times let twice the limit pass; the domain
page's row of the same name. That such attacks come at night, on weekends and on holidays is the trade's common experience.
Nothing is found unless `several` of the caller's calls in the last hour were answered at a premium rate while two other costly ones
went on, or in a country that is new to him while five did: a person who redials, talks for long or calls one country again and again
never does that, and a small office hardly. A warning is given out of the home country's office hours, or when a line that is known
for `known_line_h` calls a country that is new to it; the critical level counts only where both hold: out of office hours, and a
country that was called first less than `new_country_h` ago. Blocked calls make no country known, and once the calls that were let
through have reached a critical level, those to new countries are blocked out of office hours for `new_country_h` hours more: an
intruder who calls slowly, or comes back on the next night, finds the exchange no more open than he left it.
Exempt: travellers and families (one call at a time), offices and night desks with many countries, as long as they know these or do
not make six calls at once; hotels, of whose guests seldom six call abroad at once; callers on the list `allow`.
A night desk of six seats or more on its first night, an office that still makes six calls at once to the country of its new branch after
`work_to_h`, and a reseller that shows one number for all its customers cannot be told from an attack by what they do: they belong on
the list `allow` before.
Fails on attacks of a few calls at once; in office hours (a warning alone, if the line is known); to a country that the exchange calls
anyway. A line that was silent for 28 hours is not known any more, and each of its countries is a new one: so are all of them on the
day on which a worker begins with nothing, when this detector is best kept in shadow. Public holidays are not known, the time is that
of one zone of the home country (the capital's, or the setting `timezone`) without daylight saving, and the user agent is not looked
at: scanners choose theirs.
Where neither answers nor ends come in time nothing is found. A block ends `new_country_h` hours after the last call that was let
through and led to it, or when the offices open, however often blocked ones are tried again.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled
from streamer.features import INDEX

_COSTLY = INDEX["costly"]
_AGE = INDEX["age"]
_ATTEMPTS_1M = INDEX["costly_attempts_1m"]
_ATTEMPTS_1H = INDEX["costly_attempts_1h"]
_BLOCKED_1H = INDEX["costly_blocked_1h"]
_ANSWERED_1H = INDEX["costly_answered_1h"]
_GOING_ON = INDEX["costly_going_on"]
_TALK_1H = INDEX["costly_talk_1h"]
_OVERLAPPING_1H = INDEX["costly_overlapping_1h"]
_OVERLAPPING_24H = INDEX["costly_overlapping_24h"]
_FOUND = INDEX["costly_found"]
_RUN = INDEX["range_run"]
_COUNTRY_KNOWN = INDEX["country_known"]
_WEEK_HOUR = INDEX["week_hour"]
_A_FEW = 4


@loop
def _reached(x: Any, p: Any, level: int) -> tuple[int, float, float, int]:
    """Which of the five reaches its threshold of a level (0 warning, 1 critical): 1 to 5, or 0."""
    if x[_OVERLAPPING_1H] >= p[level]:
        return 1, x[_OVERLAPPING_1H], p[level], 3600
    through = x[_ATTEMPTS_1H] - x[_BLOCKED_1H]
    if x[_ATTEMPTS_1M] >= p[2 + level] and through >= p[2 + level]:
        return 2, x[_ATTEMPTS_1M], p[2 + level], 60
    if through >= p[4 + level]:
        return 3, through, p[4 + level], 3600
    if x[_RUN] >= p[6 + level]:
        return 4, x[_RUN], p[6 + level], 3600
    ended = x[_ANSWERED_1H] - x[_GOING_ON]
    if ended >= _A_FEW and x[_TALK_1H] >= p[8 + level] * ended:
        return 5, x[_TALK_1H] / ended, p[8 + level], 3600
    return 0, 0.0, 0.0, 0


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if x[_COSTLY] == 0.0 or not x[_OVERLAPPING_24H] >= p[10] or pooled(x):
        return NONE
    hour = x[_WEEK_HOUR]
    of_day = hour % 24.0
    empty = of_day < p[13] or of_day >= p[14] or hour >= 24.0 * p[15]
    new = x[_COUNTRY_KNOWN] < 3600.0 * p[11]
    lately = x[_OVERLAPPING_1H] >= p[10]
    if empty and new:
        which, observed, threshold, window_s = _reached(x, p, 1) if lately else NONE
        if which > 0:
            return 5 + which, observed, threshold, window_s
        if x[_FOUND] < 3600.0 * p[11]:
            return 11, x[_OVERLAPPING_24H], p[10], 86_400
    if not lately:
        return NONE
    if empty or (new and x[_AGE] >= 3600.0 * p[12]):
        which, observed, threshold, window_s = _reached(x, p, 0)
        return which, observed, threshold, window_s
    return NONE


_FIVE = (
    ("at_once", "calls at a premium rate or to a new country answered while others went on"),
    ("a_minute", "costly calls a minute"),
    ("total", "costly calls let through in an hour"),
    ("one_range", "costly calls to one range ahead of those to others"),
    ("duration", "mean seconds of several costly calls"),
)

DETECTOR = Detector(
    id="pbx_hacking",
    kind="behaviour",
    causes=(
        *(Cause(f"{name}_warning", "label", f"{meaning}, at night or to a new country") for name, meaning in _FIVE),
        *(Cause(f"{name}_critical", "block", f"{meaning}, at night and to a new country") for name, meaning in _FIVE),
        Cause(
            "critical_before",
            "block",
            "calls at once in a day, hours after a critical level; at night and to a new country",
        ),
    ),
    thresholds={
        "at_once_warning": 4,
        "at_once_critical": 8,
        "a_minute_warning": 5,
        "a_minute_critical": 12,
        "total_warning": 40,
        "total_critical": 80,
        "one_range_warning": 6,
        "one_range_critical": 10,
        "duration_warning_s": 600,
        "duration_critical_s": 1_200,
        "several": 3,
        "new_country_h": 8,
        "known_line_h": 24,
        "work_from_h": 8,
        "work_to_h": 20,
        "work_days": 5,
    },
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
