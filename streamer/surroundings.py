"""What a pass reads and does not change: the registers, rules and model in force, and what an engine was made with."""

from __future__ import annotations

from operator import is_
from typing import Any

import numpy as np

from streamer.calls import hours
from streamer.calls.compiled_numbers import Numbers
from streamer.columns import World
from streamer.in_force import InForce


class Surroundings:
    """The `World` of one engine: the same object for as long as the arrays of all that is in force are."""

    def __init__(self, known: InForce, numbers: Numbers, *, clamp: bool, secret: Any, timezone: str | None) -> None:
        plan = numbers.plan
        home, ahead_ms = numbers.regions.index(plan.region), hours.ahead_of_utc_ms(plan.region, timezone)
        self._known = known
        self._fixed = (
            np.array([home, 0, int(clamp), 0, ahead_ms, int(plan.code)], np.int64),
            secret,
        )
        self._world = World._make((*self._registers(), *self._fixed))

    def _registers(self) -> tuple[Any, ...]:
        known = self._known
        return (
            known.lists.compiled,
            known.facts.compiled,
            known.operators.compiled,
            known.trunks.compiled,
            known.signals.compiled,
            known.rules,
            known.tables,
        )

    def at(self, now_ms: int) -> World:
        """As it is now; `now_ms` since 1970."""
        registers = self._registers()
        if not all(map(is_, registers, self._world)):
            self._world = World._make((*registers, *self._fixed))
        constants = self._world.constants
        constants[1], constants[3] = self._known.versions.now, now_ms
        return self._world
