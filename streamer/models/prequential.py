"""How good scores were when they counted: the score found in the evidence against the label that came later.

Cases are gathered by the hour (or less) in which they were decided. A window is measured once, when all its labels can
have come: reports and, after the maturing time, the honest rest. Measuring earlier would see fraud alone.

A window holds no cases but a histogram of log-odds a label, so its size does not depend on traffic.

References
----------
Gama, Sebastião, Rodrigues: On evaluating stream learning algorithms, Machine Learning 90, 2013.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypedDict

import msgspec

_SPAN: Final = 12.0
_STEP: Final = 0.1
_LAST: Final = round(2 * _SPAN / _STEP)
_TINY: Final = 1e-9


class _Window(TypedDict):
    cases: int
    loss: float
    mass: tuple[dict[str, float], dict[str, float]]


class _State(TypedDict):
    closed_to: int
    late: int
    open: dict[str, _Window]


class Measure(NamedTuple):
    """One matured window: `from_ms` (decision time), cases, their weights by label, log loss, ROC AUC, PR AUC.

    Log loss is in nats a call. An AUC is NaN when one label is missing. AUCs are exact up to scores that share a step
    of 0.1 in log-odds, which count as ties.
    """

    from_ms: int
    cases: int
    honest_weight: float
    fraud_weight: float
    log_loss: float
    roc_auc: float
    pr_auc: float


def _place(score: float) -> int:
    clipped = min(max(score, _TINY), 1 - _TINY)
    logit = math.log(clipped / (1 - clipped))
    return min(max(round((logit + _SPAN) / _STEP), 0), _LAST)


def _loss(score: float, *, fraud: bool) -> float:
    clipped = min(max(score, _TINY), 1 - _TINY)
    return -math.log(clipped if fraud else 1 - clipped)


class Prequential:
    """Open windows of cases, measured as they mature.

    Parameters
    ----------
    mature_ms
        A label may come until this long after the decision.
    window_ms
        Length of a window; an hour, or the maturing time when that is shorter.
    """

    def __init__(self, mature_ms: int, window_ms: int | None = None) -> None:
        self.mature_ms = mature_ms
        self.window_ms = window_ms or max(1_000, min(3_600_000, mature_ms))
        self.late = 0
        self._closed_to = 0
        self._open: dict[int, dict[str, Any]] = {}

    def add(self, decided_at: int, score: float | None, *, fraud: bool, weight: float, corrects: bool = False) -> None:
        """Count one case; `corrects` takes back that it was counted with the other label. No score, no measuring."""
        if score is None or math.isnan(score):
            return
        start = decided_at - decided_at % self.window_ms
        if start < self._closed_to:
            self.late += 1
            return
        window = self._open.setdefault(start, {"cases": 0, "loss": 0.0, "mass": ({}, {})})
        place = str(_place(score))
        if corrects:
            window["cases"] -= 1
            window["loss"] -= weight * _loss(score, fraud=not fraud)
            window["mass"][not fraud][place] = window["mass"][not fraud].get(place, 0.0) - weight
        window["cases"] += 1
        window["loss"] += weight * _loss(score, fraud=fraud)
        window["mass"][fraud][place] = window["mass"][fraud].get(place, 0.0) + weight

    def close(self, now_ms: int) -> list[Measure]:
        """Measure and forget the windows that have matured by `now_ms`, oldest first."""
        matured_to = now_ms - self.mature_ms - self.window_ms
        done = sorted(start for start in self._open if start <= matured_to)
        self._closed_to = max(self._closed_to, matured_to + 1)
        return [_measure(start, self._open.pop(start)) for start in done]

    def state(self) -> dict[str, Any]:
        """The open windows as JSON would hold them."""
        return {
            "window_ms": self.window_ms,
            "closed_to": self._closed_to,
            "late": self.late,
            "open": {str(start): window for start, window in self._open.items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], mature_ms: int) -> Prequential:
        """What gave `state`; with another maturing time, and so other windows, it begins anew. Raises `ValueError` when damaged."""
        made = cls(mature_ms)
        if state.get("window_ms") == made.window_ms:
            found = msgspec.convert(state, _State)
            made._closed_to, made.late = found["closed_to"], found["late"]
            made._open = {int(start): dict(window) for start, window in found["open"].items()}
        return made


def _measure(start: int, window: Mapping[str, Any]) -> Measure:
    honest, fraud = window["mass"]
    all_honest, all_fraud = sum(honest.values()), sum(fraud.values())
    mass = all_honest + all_fraud
    pairs = precision = 0.0
    caught = wrong = 0.0
    for place in range(_LAST, -1, -1):  # from the highest score down
        here_honest, here_fraud = honest.get(str(place), 0.0), fraud.get(str(place), 0.0)
        if not here_honest and not here_fraud:
            continue
        pairs += here_honest * (caught + here_fraud / 2)
        caught += here_fraud
        wrong += here_honest
        if caught + wrong > 0:
            precision += here_fraud * caught / (caught + wrong)
    both = all_honest > _TINY and all_fraud > _TINY
    return Measure(
        start,
        window["cases"],
        all_honest,
        all_fraud,
        window["loss"] / mass if mass > _TINY else math.nan,
        pairs / (all_honest * all_fraud) if both else math.nan,
        precision / all_fraud if both else math.nan,
    )
