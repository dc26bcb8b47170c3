"""A calling number that cannot be: malformed, invalid in its plan, unallocated, never originating, short from abroad, or the called one.

Sources: ITU-T E.164 and E.157 (validity of CLI; what crosses a border is a whole E.164 number), Ofcom CLI guidance (do-not-originate,
format checks). The form is judged
on interconnect only: on its own lines an operator's short numbers and PBX extensions are its own affair. Lists hold
everywhere: a customer's exchange may show a bank's number too. A withheld number is not judged. A = B is voicemail for a
roamer, and is not judged where one may be: a home number without a fresh home fact that its operator publishes, a foreign
number that a home network hands over; nor where the line's own set-up was seen, as with a mailbox at another operator. A foreign number that is not in the plan that
we know of its country is only labelled: plans change abroad before tables do, and nobody may be blocked for that. At home they change
too: what is on the list `allocated` (caller side) counts as valid. A bare number from abroad that may be another country's without its
plus is left to `cli_spoofing`, which labels it. Short numbers from abroad are not judged where the called number is a roaming number
(MSRN): at home a guest sees them too. No police calls from abroad: whoever shows a home emergency number is blocked.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector
from streamer.features import INDEX

_OWN_LINE = INDEX["own_line"]
_WITHHELD = INDEX["withheld"]
_MALFORMED = INDEX["caller_malformed"]
_VALID = INDEX["caller_valid"]
_SHORT = INDEX["caller_short"]
_DNO = INDEX["caller_dno"]
_UNALLOCATED = INDEX["caller_unallocated"]
_AMBIGUOUS = INDEX["caller_ambiguous"]
_EMERGENCY = INDEX["caller_emergency"]
_MSRN = INDEX["callee_roaming_number"]
_SAME = INDEX["same_party"]
_ROAMING = INDEX["caller_roaming"]
_HOME = INDEX["caller_home"]
_UNPUBLISHED = INDEX["location_unpublished"]
_INTERNATIONAL = INDEX["international"]
_SEEN = INDEX["origination_seen"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; causes 1 to 8 in the order of `DETECTOR.causes`."""
    if x[_WITHHELD] == 1.0:
        return NONE
    if x[_DNO] == 1.0:
        return 1, 1.0, 1.0, 0
    if x[_UNALLOCATED] == 1.0:
        return 2, 1.0, 1.0, 0
    if x[_OWN_LINE] == 1.0:
        return NONE
    abroad = x[_INTERNATIONAL] == 1.0 and x[_MSRN] != 1.0
    if x[_EMERGENCY] == 1.0 and abroad:
        return 8, 1.0, 1.0, 0
    if x[_MALFORMED] == 1.0:
        return 3, 1.0, 1.0, 0
    if x[_SHORT] == 1.0:
        return (7, 1.0, 1.0, 0) if abroad else NONE
    unclear = x[_INTERNATIONAL] == 1.0 and x[_AMBIGUOUS] == 1.0
    if x[_VALID] == 0.0:
        if x[_HOME] != 1.0:
            return 6, 0.0, 1.0, 0
        return NONE if unclear else (4, 0.0, 1.0, 0)
    if x[_SAME] == 1.0:
        if x[_HOME] == 1.0:
            if x[_ROAMING] == 0.0 and x[_UNPUBLISHED] == 0.0 and not unclear and x[_SEEN] != 1.0:
                return 5, 1.0, 1.0, 0
        elif x[_INTERNATIONAL] == 1.0:
            return 5, 1.0, 1.0, 0
    return NONE


DETECTOR = Detector(
    id="number_invalid",
    kind="origin",
    causes=(
        Cause("do_not_originate", "block", "the number never makes calls (list)"),
        Cause("unallocated", "block", "the number's range is not allocated (list)"),
        Cause("malformed", "block", "the number is neither E.164 nor a short number"),
        Cause("not_in_plan", "block", "the number is not valid in the home country's plan"),
        Cause("caller_is_callee", "block", "calling and called number are the same, and it is no roamer's voicemail"),
        Cause(
            "not_in_foreign_plan", "label", "the number is not valid in its country's plan as we know it", accuses=False
        ),
        Cause(
            "short_from_abroad", "label", "a short number from abroad, where such numbers mean nothing or another line"
        ),
        Cause("emergency_from_abroad", "block", "a home emergency number from abroad, where nobody can call from it"),
    ),
    thresholds={},
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
