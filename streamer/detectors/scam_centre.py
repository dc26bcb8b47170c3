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
Exempt: callers on the list `allow`; an operator's own fixed lines (offices, hotels); withheld callers that nothing is known of;
from the block lines that nobody published a fact of or that are not watched, and interconnect.
Fails on a line with fewer calls than `attempts` (one of the two fraud lines whose calls are known one by one makes ten a day), on
those who rotate their numbers (trunks and number blocks tell, not lines), and on the calls that a line makes until it has been watched.
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


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    attempts, answered = x[_ATTEMPTS], x[_ANSWERED]
    if not attempts >= p[0] or answered < p[1] or x[_DISTINCT] < p[2] * attempts or pooled(x):
        return NONE
    if x[_TALK] < p[3] * answered:
        tail = answered - x[_SHORT]
        if tail < 1.0 or x[_SHORT] < p[4] * answered or x[_TALK] < p[5] * tail:
            return NONE
    if x[_OWN_LINE] == 1.0:
        if x[_MOBILE] != 1.0:
            return NONE
        new = x[_LINE_AGE_H] < 24.0 * p[6] or x[_SIM_AGE_H] <= p[7]
        if new and x[_WATCHED_H] >= p[8] and x[_INCOMING] < p[9] * attempts:
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
    },
    judge=judge,
    cache_s=60,
    doc=__doc__,
)
