"""How far operators' clocks are off, as Prometheus shows it."""

from __future__ import annotations

import math
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

_SMOOTHED_S: Final = 10.0
"""The clock skew shown is smoothed over so long, however many set-ups come in it: one wrong time among a thousand right ones is not
seen, and of an operator that calls once a minute the last call tells."""
LASTS_S: Final = 300.0
"""So long after its last set-up an operator's clock skew is shown."""
_MOST_SKEW_S: Final = 600.0
"""Skew beyond which it makes no difference; one absurd time must not hide what comes after it."""


class ClockMetrics:
    """Append time less `at`, by operator, smoothed by time; an operator that is silent is shown no more."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._shown = Gauge(
            "streamer_clock_skew_seconds",
            "Append time less `at` of set-ups, smoothed over 10 s; below 0 the operator's clock is ahead; absent after 5 min without",
            ["operator"],
            registry=registry,
        )
        self._skews: dict[str, tuple[float, float]] = {}
        self._moved: set[str] = set()

    def heard(self, operator: str, delay_s: float, now_s: float) -> None:
        """A set-up came at `now_s` (s since 1970), so long after its `at`."""
        delay_s = max(-_MOST_SKEW_S, min(_MOST_SKEW_S, delay_s))
        held, at_s = self._skews.get(operator, (delay_s, now_s))
        part = -math.expm1(-max(now_s - at_s, 0.0) / _SMOOTHED_S)
        self._skews[operator] = held + part * (delay_s - held), now_s
        self._moved.add(operator)

    def show(self) -> None:
        """Show what was heard since this was called last."""
        for operator in self._moved:
            self._shown.labels(operator).set(self._skews[operator][0])
        self._moved.clear()

    def forget(self, now_s: float) -> None:
        """Show what was heard, but of operators that have been silent for `LASTS_S` nothing any more."""
        self.show()
        for operator in [name for name, (_, at_s) in self._skews.items() if now_s - at_s > LASTS_S]:
            del self._skews[operator]
            self._shown.remove(operator)
