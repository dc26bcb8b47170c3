"""The call's SIP Identity header (STIR/SHAKEN) does not hold: nobody has signed that the calling number is the caller's.

Sources: RFC 8224, 8225, 8226 and 8588; ATIS-1000074 on what a terminating network verifies; the domain page's row of the same
name: calls that were signed in part were likelier to be robocalls than calls that nobody signed, so that a signature is a
feature and never a verdict. Every cause leads to `allow` and stands as a reason in the decision and a finding in the evidence;
policy may have one label. Looked at only where a worker verifies headers (the setting `identity_verify`) and had the time to.
Honest calls fail too: a network on the way changed a number's form or diverted the call, a clock is wrong, a carrier's new
certificate has not been fetched (`unknown_certificate`) or its authority is not among the anchors.
Fails on fraud that is signed, as calls from numbers that swindlers rented are.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector
from streamer.features import INDEX
from streamer.identity.results import FAILURES

_FAILED = INDEX["identity_failed"]
_CAUSES = len(FAILURES)


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; causes in the order of `DETECTOR.causes`, as the feature has them."""
    cause = x[_FAILED]
    if 1.0 <= cause <= _CAUSES:
        return int(cause), 1.0, 1.0, 0
    return NONE


DETECTOR = Detector(
    id="identity",
    kind="origin",
    causes=tuple(Cause(name, "allow", meaning) for name, meaning in FAILURES.items()),
    thresholds={},
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
