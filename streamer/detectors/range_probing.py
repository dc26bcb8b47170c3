"""Someone feels out a number range: called numbers in sequence, or many that do not exist.

Source: the operators' practice as the domain page gives it: in ten minutes more than 20 to 30 % of calls to unallocated
numbers (Q.850 causes 1 and 28), or a run of five or more called numbers each one above the last.
A run alone does not suffice: a company that is called down its own extensions answers, and so do, after a while, those whom
an alarm or a conference calls all at once. So a run counts only while few calls were answered, and not while most may still
ring: either most of them ended at dead numbers or after a ring of less than five seconds, or a run is more than a minute old
and few of the calls before that minute were answered. Nor does the share alone: debt collectors and surveys call old lists, of
which a third may be dead, but want to talk, and do with a fifth or more of those who are left. So it blocks only where hardly a
call of an hour became a conversation of six seconds or more, of enough that were let through; else it labels.
Cannot be told from an attack: a dialler of an old list that hangs up on whoever answers; a system that rings its devices for
a moment each, if they are numbered one after another; an alarm that nobody hears for more than a minute.
Fails on a prober that walks its range in random order and meets few holes, that lets numbers ring and is through within a
minute, or that has some of its calls answered and talked through by accomplices (labelled).
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector, pooled
from streamer.features import INDEX

_ATTEMPTS_1M = INDEX["attempts_1m"]
_BLOCKED_1M = INDEX["blocked_1m"]
_ATTEMPTS_10M = INDEX["attempts_10m"]
_BLOCKED_10M = INDEX["blocked_10m"]
_ANSWERED_10M = INDEX["answered_10m"]
_SHORT_RING_10M = INDEX["short_ring_10m"]
_UNALLOCATED_10M = INDEX["unallocated_10m"]
_DISTINCT_10M = INDEX["distinct_10m"]
_RUN = INDEX["run_length"]
_ATTEMPTS_1H = INDEX["attempts_1h"]
_BLOCKED_1H = INDEX["blocked_1h"]
_ANSWERED_1H = INDEX["answered_1h"]
_SHORT_1H = INDEX["short_1h"]


@loop
def _never_talks(x: Any, p: Any) -> bool:
    """Whether hardly one of an hour's calls became a conversation, of enough that were let through: two thirds as many suffice of those to dead
    numbers.
    """
    through = x[_ATTEMPTS_1H] - x[_BLOCKED_1H]
    dead = x[_UNALLOCATED_10M]
    return bool(max(1.5 * dead, through - dead) >= p[4] and x[_ANSWERED_1H] - x[_SHORT_1H] <= p[5] * through)


@loop
def _come_to_nothing(x: Any, p: Any) -> bool:
    """Whether few of the calls let through were answered, and not because they still ring: most calls before this one were over at once,
    or a run of them is more than a minute old.
    """
    through = x[_ATTEMPTS_10M] - x[_BLOCKED_10M]
    if x[_ANSWERED_10M] > p[3] * through:
        return False
    if x[_UNALLOCATED_10M] + x[_SHORT_RING_10M] >= (1.0 - p[3]) * (through - 1.0):
        return True
    lately = x[_ATTEMPTS_1M] - x[_BLOCKED_1M]
    return bool(x[_RUN] - x[_ATTEMPTS_1M] >= p[2] and x[_ANSWERED_10M] <= p[3] * (through - lately))


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if pooled(x):
        return NONE
    through = x[_ATTEMPTS_10M] - x[_BLOCKED_10M]
    probed = False
    many = x[_DISTINCT_10M] >= p[0]  # redialling one dead number is no probing
    if many and x[_UNALLOCATED_10M] >= p[0] and x[_UNALLOCATED_10M] > p[1] * through:
        if _never_talks(x, p):
            return 1, x[_UNALLOCATED_10M] / max(through, 1.0), p[1], 600
        probed = True
    if x[_RUN] >= p[2] and x[_ATTEMPTS_10M] >= p[2] and _come_to_nothing(x, p):
        return 2, x[_RUN], p[2], 600
    if probed:
        return 3, x[_UNALLOCATED_10M] / max(through, 1.0), p[1], 600
    return NONE


DETECTOR = Detector(
    id="range_probing",
    kind="behaviour",
    causes=(
        Cause("unallocated_share", "block", "share of calls to numbers that do not exist, hardly any talked through"),
        Cause("consecutive_numbers", "block", "run of called numbers each one above the last, hardly any answered"),
        Cause("old_list", "label", "share of calls to numbers that do not exist, while others are talked through"),
    ),
    thresholds={
        "unallocated": 5,
        "unallocated_share": 0.25,
        "run_length": 6,
        "answered_share": 0.34,
        "enough_calls": 30,
        "talked_share": 0.01,
    },
    judge=judge,
    cache_s=60,
    doc=__doc__,
)
