"""A home number that arrives from abroad although its owner is at home.

Sources: Traficom regulation 28 (Finland), DoT CIOR (India), Ofcom and IMDA guidance on own-country CLI from abroad.
Exempt: a roamer with a fresh fact; a called number that is a roaming number (MSRN); a diversion whose own set-up to the
diverting number was seen from its own line, or was looked at and let through without a finding of this detector (whoever knocks first
with the same spoofed number, withheld or on a roaming number, gains nothing; nor does a roaming number divert). A diversion that was not seen has its CLI withheld when it comes from abroad, and is only
labelled when it comes nationally. Where the location is unknown, stale, or not published by the caller's operator, the
call is labelled and never blocked, where it comes in and where it is passed on over a national trunk within ten seconds, if
the caller's operator publishes originations. So is, at its other end, a number that an enterprise shows on its registered trunk at
another operator than the number's. A number from abroad that came bare, was read as a home number, and would be valid in
another country if only its plus were missing, is labelled at most: nobody knows which of the two it is.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector
from streamer.features import CAME_FROM_ABROAD, INDEX

_INTERNATIONAL = INDEX["international"]
_OWN_LINE = INDEX["own_line"]
_HOME = INDEX["caller_home"]
_WITHHELD = INDEX["withheld"]
_ROAMING = INDEX["caller_roaming"]
_UNPUBLISHED = INDEX["location_unpublished"]
_MSRN = INDEX["callee_roaming_number"]
_AMBIGUOUS = INDEX["caller_ambiguous"]
_DIVERTED = INDEX["diverted"]
_DIVERSION_SEEN = INDEX["diversion_seen"]
_ORIGINATION = INDEX["origination_seen"]


PLACE_UNKNOWN: Final = 2.0
"""The cause that says no more than that the owner's place is not known, as it is found."""
AMBIGUOUS: Final = 5.0
"""The cause that says no more than that the number may be a foreign one, as it is found."""


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; causes 1 to 5 in the order of `DETECTOR.causes`."""
    if x[_OWN_LINE] == 1.0 or x[_HOME] != 1.0 or x[_WITHHELD] == 1.0 or x[_MSRN] == 1.0:
        return NONE
    if x[_DIVERTED] == 1.0:
        if x[_DIVERSION_SEEN] == 1.0 or x[_ROAMING] == 1.0:
            return NONE
        if x[_INTERNATIONAL] == 1.0:
            return (5 if x[_AMBIGUOUS] == 1.0 else 3), 1.0, 1.0, 60
        return 4, 1.0, 1.0, 60
    if x[_ROAMING] == 1.0:
        return NONE
    if x[_INTERNATIONAL] != 1.0:
        return (2, 1.0, 1.0, 10) if x[_ORIGINATION] == CAME_FROM_ABROAD else NONE
    if x[_AMBIGUOUS] == 1.0:
        return 5, 1.0, 1.0, 0
    if np.isnan(x[_ROAMING]) or x[_UNPUBLISHED] == 1.0:
        return 2, 1.0, 1.0, 0
    return 1, 1.0, 1.0, 0


DETECTOR = Detector(
    id="cli_spoofing",
    kind="origin",
    causes=(
        Cause("domestic_from_abroad", "block", "a home number from abroad whose owner is known to be at home"),
        Cause(
            "domestic_from_abroad_unverified",
            "label",
            "a home number from abroad, or from another operator's enterprise trunk, whose owner's place is not known",
            accuses=False,
        ),
        Cause(
            "diversion_unverified_abroad",
            "withhold_cli",
            "a diverted call from abroad whose first leg was not seen",
            accuses=False,
        ),
        Cause("diversion_unverified", "label", "a diverted call whose first leg was not seen", accuses=False),
        Cause("ambiguous", "label", "a bare number from abroad, a home one or a foreign one without its plus"),
    ),
    thresholds={},
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
