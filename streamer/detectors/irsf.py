"""Traffic pumped into numbers that pay whoever rents them: calls to one range, several at once, and long.

Sources: the domain page's row of the same name (pumping for each source and destination range, long calls, called numbers in
sequence); Sahin, Francillon: Understanding and Detecting International Revenue Share Fraud (NDSS 2021), on ranges that are rented out
by providers and on a learned judgement of single calls, which is wrong on 0.28 % of the honest ones: too many to block by.
What tells it from honest calls abroad is that no person holds three calls at once: counted are answers at a premium rate while
two other costly calls of the caller still went on, those of calls to a new country while five did, or more talk in an hour than a
few lines can carry. A range is 10,000 numbers. At a premium rate (by plan, or the called side of the list `premium`, by number or
prefix: an operator's own table of ranges that are pumped) a few such calls suffice; elsewhere the called numbers have to follow one
another, or the country has to be a new one to the caller and the hour one at which the home country's offices are empty; else it
is labelled, since an office that begins to call its headquarters abroad looks the same.
Exempt: one call after another to one range, however long or often redialled (travellers, families, lines that break down);
calls spread over many ranges (traders, travel agencies); countries that the caller knows, unless the talk is too much for a few
lines; callers on the list `allow`; withheld callers that nothing is known of.
Cannot be told from an attack: where an operator publishes answers and no ends, one call after another. Each is then taken to go on for ten
minutes, so that a person's seven calls within them to a line that one votes by are as good as seven at once: `streamer doctor --live OPERATOR`
fails such an operator, whose mode for this detector is best `shadow` until ends come.
Fails on a thief who uses one line and makes one call at a time; on a range that is not listed, called in office hours in no
order (labelled); where an operator publishes neither answers nor ends in time; on a caller who spreads over ranges so that none
has most of his calls. Blocked calls bring no answers, so that a block ends when what led to it has left the window, a day at a
premium rate or in sequence, an hour otherwise, and has to be earned again.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled
from streamer.features import INDEX

_COSTLY = INDEX["costly"]
_RUN = INDEX["range_run"]
_SEQUENCE = INDEX["run_length"]
_ANSWERED_1H = INDEX["costly_answered_1h"]
_GOING_ON = INDEX["costly_going_on"]
_TALK_1H = INDEX["costly_talk_1h"]
_OVERLAPPING_1H = INDEX["costly_overlapping_1h"]
_OVERLAPPING_24H = INDEX["costly_overlapping_24h"]
_COUNTRY_KNOWN = INDEX["country_known"]
_WEEK_HOUR = INDEX["week_hour"]
_PREMIUM_RATE = 2.0
_A_FEW = 3


@loop
def _lasts(x: Any, seconds: float) -> bool:
    """The ended calls lasted for so long in the mean; of too few nothing is said."""
    ended = x[_ANSWERED_1H] - x[_GOING_ON]
    return bool(ended < _A_FEW or x[_TALK_1H] >= seconds * ended)


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if x[_COSTLY] == 0.0 or not x[_RUN] >= p[0] or pooled(x) or not _lasts(x, p[2]):
        return NONE
    carried = x[_TALK_1H] >= 3600.0 * p[3]
    if carried or x[_OVERLAPPING_24H] >= p[1]:
        if x[_COSTLY] == _PREMIUM_RATE:
            if x[_OVERLAPPING_24H] >= p[1]:
                return 1, x[_OVERLAPPING_24H], p[1], 86_400
            return 1, x[_TALK_1H], 3600.0 * p[3], 3600
        if x[_SEQUENCE] >= p[4]:
            return 2, x[_SEQUENCE], p[4], 86_400
    if x[_RUN] < p[5] or x[_OVERLAPPING_1H] < p[6]:
        return NONE
    hour = x[_WEEK_HOUR]
    of_day = hour % 24.0
    empty = of_day < p[8] or of_day >= p[9] or hour >= 24.0 * p[10]
    if empty and x[_COUNTRY_KNOWN] < 3600.0 * p[7]:
        return 3, x[_OVERLAPPING_1H], p[6], 3600
    return 4, x[_OVERLAPPING_1H], p[6], 3600


DETECTOR = Detector(
    id="irsf",
    kind="behaviour",
    causes=(
        Cause("premium_range", "block", "calls at once, or seconds of talk, to a range at a premium rate"),
        Cause("numbers_in_sequence", "block", "run of called numbers abroad each one above the last, several at once"),
        Cause("new_country_at_night", "block", "calls at once to one range of a new country, out of office hours"),
        Cause("one_range", "label", "calls at once to one range of a new country"),
    ),
    thresholds={
        "range_calls": 6,
        "overlapping": 4,
        "mean_talk_s": 45,
        "lines": 2,
        "sequence": 5,
        "other_range_calls": 10,
        "other_overlapping": 8,
        "new_country_h": 8,
        "work_from_h": 8,
        "work_to_h": 20,
        "work_days": 5,
    },
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
