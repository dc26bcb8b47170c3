"""People who call stranger after stranger to talk them out of their money.

Sources: the domain page's row of the same name (blocked calls of such centres last 13 to 14 s in the mean: most hang up at once,
and who stays, stays for long); real subscribers of Sichuan (2020 Digital Sichuan Innovation Competition, as GAT-COBO has them):
of 1,962 fraud lines 883 make 20 or more calls on the days on which they call, three in four of all to numbers not called before,
605 of them with a mean of 60 s or more; of 4,144 honest lines, no business known among them, none does (95 % bound 0.07 %).
The profile: in a day many called numbers and hardly one twice, and either conversations of some length in the mean, or a large
share of answers under 6 s while the others, the tail, are long. Couriers, schools and taxi dispatchers call as many strangers, but
briefly, and all of them alike. A bank's, a clinic's or a sales centre's calls are of the same profile, so that it labels by itself.
It blocks own mobile lines that are new too (active for less than `new_line_days`, or with a SIM that was changed less than
`new_sim_h` ago, as the operator's facts say), once they have been watched for `watched_h` and hardly anybody called them (the
signal of the line). Newness alone does not suffice: honest people who sell by telephone get new lines too. Those of them whom
nobody calls back are blocked all the same, and belong on the list `allow` before they begin: how many has to be seen in shadow first.
The regularity of the calls is not looked at: a person with a list calls as regularly for an honest employer.
A centre that gives its numbers up after an hour at most and takes others of one range of ten thousand, own ones or over one trunk,
shows in none of its lines. Told of a range are the lines that were first seen within an hour: how many call strangers, how many fell
silent before another one began (`range_replaced`), how their calls ended and who calls them. Where several gave way, a share of answers
ends within 6 s while the tail is long (two thirds of `tail_mean_s`: talks that outlast a line are not told of), and hardly anybody calls back, the new lines of the range are blocked from their second number on
and labelled at their first; own lines only if the operator's facts say that they are new. Where as many lines call and none gave way
they are labelled: an office that opens with twenty lines in a row looks the same, but that it keeps them. Ten thousand are what
numbering plans hand out as a whole; the other figures of ranges are starting values, set on simulated centres.
Exempt: callers on the list `allow`; an operator's own fixed lines (offices, hotels); withheld callers that nothing is known of;
from the block lines that nobody published a fact of or that are not watched, and interconnect but by its range. A range's lines that
were seen for more than an hour or call one number alone are let through, and so are all while nobody has counted for `range_watched_h`.
Wrong on a centre whose people change lines several times an hour on their first day (a number pool, a shift that ends within an hour of a
cold start, when every line is new) if as many hang up and nobody calls back: put its range on the list `allow` before. Who gets a
number of a range from which a centre works is taken for one of it at his second call, if his line is new or comes over that trunk.
Fails on a line with fewer calls than `attempts` (one of the two fraud lines whose calls are known one by one makes ten a day), on
those who rotate numbers of many ranges or over trunks that nobody registered, or keep one for more than three quarters of an hour, on
the calls until the first lines were given up, and on the calls that a line makes until it has been watched.
Distinct numbers are an estimate: a line nearly all of whose calls go to others is missed in one case of thirty, for as long as it
makes so many a day, and of busy lines half of whose calls do, one in ten to twenty is found. A block ends when what was let through
is a day old.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled
from streamer.features import INDEX

_ATTEMPTS = INDEX["attempts_24h"]
_ANSWERED = INDEX["answered_24h"]
_SHORT = INDEX["short_24h"]
_TALK = INDEX["talk_24h"]
_DISTINCT = INDEX["distinct_24h"]
_OWN_LINE = INDEX["own_line"]
_MOBILE = INDEX["caller_mobile"]
_LINE_AGE_H = INDEX["line_age"]
_SIM_AGE_H = INDEX["sim_age"]
_INCOMING = INDEX["line_incoming"]
_WATCHED_H = INDEX["line_watched"]
_AGE_S = INDEX["age"]
_ATTEMPTS_1H = INDEX["attempts_1h"]
_DISTINCT_1H = INDEX["distinct_1h"]
_RANGE_LINES = INDEX["range_lines"]
_RANGE_REPLACED = INDEX["range_replaced"]
_RANGE_ATTEMPTS = INDEX["range_attempts"]
_RANGE_ANSWERED = INDEX["range_answered"]
_RANGE_SHORT = INDEX["range_short"]
_RANGE_TALK = INDEX["range_talk"]
_RANGE_INCOMING = INDEX["range_incoming"]
_RANGE_WATCHED_H = INDEX["range_watched"]
_NEW_S = 3600.0
_GIVES_WAY, _OF_NEW_LINES = 3, 4
_SEVERAL = 2.0
_TOLD = 2 / 3
"""Part of the talk of a range that is told of: a line that was given up does not tell how long its last talks were."""


@loop
def _is_new(x: Any, p: Any) -> bool:
    """The operator's facts say that the line, or its SIM, is new."""
    return bool(x[_LINE_AGE_H] < 24.0 * p[6] or x[_SIM_AGE_H] <= p[7])


@loop
def _of_range(x: Any, p: Any) -> tuple[int, float, float, int]:
    """What the new lines of the caller's range show, if he is one of them."""
    lines, answered = x[_RANGE_LINES], x[_RANGE_ANSWERED]
    if not lines >= p[10] or not answered >= p[1] or not x[_RANGE_WATCHED_H] >= p[15] or not x[_AGE_S] < _NEW_S:
        return NONE
    if x[_RANGE_SHORT] < p[13] * answered or x[_RANGE_TALK] < _TOLD * p[5] * (answered - x[_RANGE_SHORT]):
        return NONE
    if x[_RANGE_INCOMING] > p[14] * x[_RANGE_ATTEMPTS] or pooled(x):
        return NONE
    replaced = x[_RANGE_REPLACED]
    if replaced < p[11] or replaced < p[12] * lines:
        return _OF_NEW_LINES, lines, p[10], 3_600
    if x[_DISTINCT_1H] < _SEVERAL or x[_ATTEMPTS_1H] < _SEVERAL or (x[_OWN_LINE] == 1.0 and not _is_new(x, p)):
        return _OF_NEW_LINES, lines, p[10], 3_600
    return _GIVES_WAY, replaced, p[11], 3_600


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if x[_OWN_LINE] == 1.0 and x[_MOBILE] != 1.0:
        return NONE
    cause, observed, threshold, window_s = _of_range(x, p)
    if cause != _GIVES_WAY:
        line = _of_line(x, p)
        if line[0] != 0:
            cause, observed, threshold, window_s = line
    return cause, observed, threshold, window_s


@loop
def _of_line(x: Any, p: Any) -> tuple[int, float, float, int]:
    """What the caller's own day shows."""
    attempts, answered = x[_ATTEMPTS], x[_ANSWERED]
    if not attempts >= p[0] or answered < p[1] or x[_DISTINCT] < p[2] * attempts or pooled(x):
        return NONE
    if x[_TALK] < p[3] * answered:
        tail = answered - x[_SHORT]
        if tail < 1.0 or x[_SHORT] < p[4] * answered or x[_TALK] < p[5] * tail:
            return NONE
    if x[_OWN_LINE] == 1.0 and _is_new(x, p) and x[_WATCHED_H] >= p[8] and x[_INCOMING] < p[9] * attempts:
        return 1, x[_DISTINCT] / attempts, p[2], 86_400
    return 2, x[_DISTINCT] / attempts, p[2], 86_400


DETECTOR = Detector(
    id="scam_centre",
    kind="behaviour",
    causes=(
        Cause(
            "new_line",
            "block",
            "share of a day's calls that went to different numbers, on a new line or SIM that nobody calls",
        ),
        Cause("profile", "label", "share of a day's calls that went to different numbers"),
        Cause("range_gives_way", "block", "new lines of the caller's range that fell silent before another one began"),
        Cause("range_of_new_lines", "label", "lines of the caller's range that are new and call strangers"),
    ),
    thresholds={
        "attempts": 22,
        "answered": 12,
        "distinct_share": 0.7,
        "mean_talk_s": 60,
        "short_share": 0.55,
        "tail_mean_s": 30,
        "new_line_days": 30,
        "new_sim_h": 240,
        "watched_h": 1,
        "incoming_share": 0.05,
        "range_lines": 6,
        "range_replaced": 3,
        "range_replaced_share": 0.2,
        "range_short_share": 0.15,
        "range_incoming_share": 0.01,
        "range_watched_h": 0.25,
    },
    judge=judge,
    cache_s=60,
    doc=__doc__,
)
