"""Someone feels out a number range: called numbers in sequence, or many that do not exist.

Source: the operators' practice as the domain page gives it: in ten minutes more than 20 to 30 % of calls to unallocated
numbers (Q.850 causes 1 and 28), or a run of five or more called numbers each one above the last.
Fails on a prober that walks its range in random order and meets few holes. A run alone does not suffice: a company
that is called down its own extensions answers, so a run counts only while few calls were answered.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled
from streamer.features import INDEX

_ATTEMPTS_10M = INDEX["attempts_10m"]
_BLOCKED_10M = INDEX["blocked_10m"]
_ANSWERED_10M = INDEX["answered_10m"]
_UNALLOCATED_10M = INDEX["unallocated_10m"]
_DISTINCT_10M = INDEX["distinct_10m"]
_RUN = INDEX["run_length"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if pooled(x):
        return NONE
    through = x[_ATTEMPTS_10M] - x[_BLOCKED_10M]
    many = x[_DISTINCT_10M] >= p[0]  # redialling one dead number is no probing
    if many and x[_UNALLOCATED_10M] >= p[0] and x[_UNALLOCATED_10M] > p[1] * through:
        return 1, x[_UNALLOCATED_10M] / max(through, 1.0), p[1], 600
    if x[_RUN] >= p[2] and x[_ATTEMPTS_10M] >= p[2] and x[_ANSWERED_10M] <= p[3] * through:
        return 2, x[_RUN], p[2], 600
    return NONE


DETECTOR = Detector(
    id="range_probing",
    kind="behaviour",
    causes=(
        Cause("unallocated_share", "block", "share of calls to numbers that do not exist"),
        Cause("consecutive_numbers", "block", "run of called numbers each one above the last, hardly any answered"),
    ),
    thresholds={"unallocated": 5, "unallocated_share": 0.25, "run_length": 6, "answered_share": 0.34},
    judge=judge,
    cache_s=60,
    doc=__doc__,
)
