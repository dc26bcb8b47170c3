"""How well the simulated operators publish their calls: what comes late, is lost, or has a wrong time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Publishers(NamedTuple):
    """How operators publish.

    `late` is the part of the calls between operators whose origination comes up to `late_ms` late, `lost_answers` and
    `lost_ends` the parts of those events that never come, `skew_ms` by how much an operator's clock is ahead, `lag_ms` by how
    much later all of its records come.
    """

    late: float = 0.0004
    late_ms: int = 1_800
    lost_answers: float = 0.0
    lost_ends: float = 0.0
    skew_ms: Mapping[str, int] = {}
    lag_ms: Mapping[str, int] = {}

    def clock(self, operator: str) -> tuple[int, int]:
        """By how much an operator's clock is ahead, and its records late, in ms."""
        return self.skew_ms.get(operator, 0), self.lag_ms.get(operator, 0)


PUBLISHERS: Final[dict[str, Publishers]] = {
    "good": Publishers(),
    "usual": Publishers(lost_answers=0.002, lost_ends=0.002, skew_ms={"op-b": 400, "op-c": -700}),
    "lagging": Publishers(
        lost_answers=0.01, lost_ends=0.01, skew_ms={"op-b": 400, "op-c": -700}, lag_ms={"op-b": 2_500}
    ),
}
"""Kinds of publishers by name: all events come, and in time; some are lost and clocks differ; one operator lags besides."""
