"""What a detector is: a name, its causes and thresholds, and one compiled rule over a row of features.

Detectors hold no state. A rule is compiled because a verdict changes what the next call of the same caller is judged by
(blocked attempts have a counter of their own): calls are judged one after another inside one compiled pass, which makes
any cutting of the stream into batches give the same decisions and a batch of one as cheap a call as a batch of 500.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from streamer.calls.decisions import Action
from streamer.compiled import loop
from streamer.features import INDEX

MAX_THRESHOLDS: Final = 16
BOUNDS: Final = (0.0, 1e12)
"""The least and the most that a threshold may be."""
NONE: Final = (0, 0.0, 0.0, 0)
"""What a rule returns when it found nothing: cause 0, observed, threshold, window_s."""


_WITHHELD: Final = INDEX["withheld"]
_VALID: Final = INDEX["caller_valid"]
_ATTEMPTS_24H: Final = INDEX["attempts_24h"]
_BLOCKED_24H: Final = INDEX["blocked_24h"]


@loop
def pooled(x: Any) -> bool:
    """Whether the windows are nobody's: withheld callers without an asserted number share a slot for each called number."""
    return bool(x[_WITHHELD] == 1.0 and x[_VALID] != 1.0)


@loop
def unseen(x: Any, most: float) -> bool:
    """Whether the caller made at most so many calls in 24 h, this one among them; those that were blocked do not count."""
    return bool(x[_ATTEMPTS_24H] - x[_BLOCKED_24H] <= most)


class Cause(NamedTuple):
    """One thing that a detector can find: its name in reasons, what it leads to by default, and in words.

    `accuses`: it speaks against the caller; a call of which nothing else was found is not counted as suspect in signals and cases.
    """

    name: str
    action: Action
    meaning: str
    accuses: bool = True


class Detector(NamedTuple):
    """A fraud type's rule.

    `kind`: `origin` judges where a call comes from (allow lists never exempt from it, the governor never demotes it),
    `behaviour` judges what a caller does. `judge(x, p)` is compiled: x float64[features.COUNT], p float64[MAX_THRESHOLDS]
    in the order of `thresholds`; it returns (cause, observed, threshold, window_s), cause being 1 + an index into
    `causes`, or 0. `cache_s` is for how long switches may repeat its block by default. What a `deferred` one finds is not
    acted on at once: the call waits (`streamer.windows.originations`). `bounds`: the least and the most that a policy may set a
    threshold to, where that is not `BOUNDS`.
    """

    id: str
    kind: Literal["origin", "behaviour"]
    causes: tuple[Cause, ...]
    thresholds: dict[str, float]
    judge: Any
    cache_s: int
    doc: str
    deferred: bool = False
    bounds: Mapping[str, tuple[float, float]] = MappingProxyType({})


def chain(detectors: tuple[Detector, ...]) -> Any:
    """One compiled function (x, p, found) that runs every rule in turn.

    p float64[detectors, MAX_THRESHOLDS]; found float64[detectors, 4] is filled with what each rule returned.
    """
    if not detectors:

        @loop
        def stop(x: Any, p: Any, found: Any, row: int) -> None:
            return

        return stop
    judge, rest = detectors[0].judge, chain(detectors[1:])

    @loop
    def run(x: Any, p: Any, found: Any, row: int) -> None:
        cause, observed, threshold, window_s = judge(x, p[row])
        found[row, 0] = cause
        found[row, 1] = observed
        found[row, 2] = threshold
        found[row, 3] = window_s
        rest(x, p, found, row + 1)

    return run
