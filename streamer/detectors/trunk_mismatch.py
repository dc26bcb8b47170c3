"""A number that cannot come over the trunk that it came over.

Sources: the domain page's row of the same name; Ofcom's and BEREC's guidance that an operator pass on only numbers that
its interconnect partner may use; ITU-T E.157 on the passing of calling numbers. A direct trunk carries the numbers of one
operator, ported ones looked up; an enterprise's trunk those of its ranges, where the network-provided number (`asserted`)
is judged before the one that is shown. A foreign number over a national trunk has often been refiled, and often is a
guest's of another home network: it is labelled, unless the call is reported as coming in from abroad.
Exempt: trunks that nobody registered, direct ones whose partner is no registered operator or has no ranges, owners that nobody
knows (a number that was ported to no registered operator, or without saying to whom, is nobody's), on direct trunks callers who
roam by a fresh fact, whom the network that they visit hands over, and calls whose origination was seen, withheld numbers without an asserted one, and on an enterprise's trunk what is no number in international form (extensions,
names of registrations; `asserted` is then as if it were not there). Of a diverted call the diverting number is judged; it may be
ported without this partition knowing, so that it labels and never blocks.
Fails on transit trunks, which carry everybody's numbers.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector
from streamer.features import INDEX

_KIND = INDEX["trunk_kind"]
_PARTNER = INDEX["trunk_partner"]
_IN_RANGE = INDEX["trunk_in_range"]
_DIVERTED = INDEX["diverted"]
_OWN_LINE = INDEX["own_line"]
_INTERNATIONAL = INDEX["international"]
_HOME = INDEX["caller_home"]
_VALID = INDEX["caller_valid"]
_WITHHELD = INDEX["withheld"]
_SHORT = INDEX["caller_short"]
_ROAMING = INDEX["caller_roaming"]
_SEEN = INDEX["origination_seen"]
_DIRECT, _TRANSIT = 1.0, 2.0


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; causes 1 to 4 in the order of `DETECTOR.causes`."""
    if x[_PARTNER] == 0.0 and x[_DIVERTED] == 1.0:
        return 4, 1.0, 1.0, 0
    if x[_PARTNER] == 0.0 and x[_ROAMING] != 1.0 and x[_SEEN] != 1.0:
        return 1, 1.0, 1.0, 0
    if x[_IN_RANGE] == 0.0:
        return (4 if x[_DIVERTED] == 1.0 else 2), 1.0, 1.0, 0
    if x[_OWN_LINE] == 1.0 or x[_HOME] == 1.0 or x[_VALID] != 1.0 or x[_WITHHELD] == 1.0 or x[_SHORT] == 1.0:
        return NONE
    if x[_INTERNATIONAL] == 1.0:
        return NONE
    if x[_KIND] == _DIRECT or x[_KIND] == _TRANSIT:
        return 3, 1.0, 1.0, 0
    return NONE


DETECTOR = Detector(
    id="trunk_mismatch",
    kind="origin",
    causes=(
        Cause("other_operator", "block", "another operator's number on a trunk that carries one operator's own"),
        Cause("outside_ranges", "block", "a number outside the ranges of the enterprise whose trunk it is"),
        Cause("refiled", "label", "a foreign number on a national trunk"),
        Cause("diverted_by_other", "label", "a call diverted by a number that the trunk does not carry"),
    ),
    thresholds={},
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
