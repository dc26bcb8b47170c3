"""Honest calls that come in from other networks: from landlines, from foreigners, from subscribers who are abroad."""

from __future__ import annotations

from random import Random
from typing import Final

from streamer.lab.drafts import Draft, Planned
from streamer.lab.honest.courses import people
from streamer.lab.network import MINOR
from streamer.lab.population import Population

_OVER_MINOR: Final = 0.3
"""Part of these calls that comes over small partners' trunks."""


class Visitors:
    """The calls that come in over trunks."""

    def __init__(self, population: Population, rng: Random) -> None:
        self._population = population
        self._rng = rng

    def _trunk(self, way: str, operator: str) -> str:
        draw = self._rng.random()
        ending = f"-{1 + int(MINOR * draw / _OVER_MINOR)}" if draw < _OVER_MINOR else ""
        return f"{way}-{operator}{ending}"

    def landline(self, at_ms: int) -> Planned:
        """A landline calls a subscriber."""
        population, rng = self._population, self._rng
        index = population.called(rng)
        operator, callee = population.line(index)
        trunk = self._trunk("transit", operator)
        caller = population.usual_fixed(index, rng)
        return [(0, Draft(operator, caller, callee, "national", trunk, None, *people(rng), None, kind="landline"))]

    def foreign(self, at_ms: int) -> Planned:
        """Somebody abroad calls a subscriber."""
        near = self._population.network.neighbours
        country, prefix, digits = near[int(len(near) * self._rng.random())]
        return self._from_abroad(f"{prefix}{int(10**digits * self._rng.random()):0{digits}d}", country, "foreign")

    def roamer(self, at_ms: int) -> Planned:
        """A subscriber who is abroad calls home."""
        index, country = self._population.roamer(self._rng)
        return self._from_abroad(self._population.line(index)[1], country, "roamer")

    def astray(self, at_ms: int) -> Planned:
        """A subscriber who is abroad calls home, and nobody knows that he is there."""
        index, country = self._population.astray(self._rng)
        return self._from_abroad(self._population.line(index)[1], country, "roamer_unknown")

    def _from_abroad(self, caller: str, country: str, kind: str) -> Planned:
        population, rng = self._population, self._rng
        operator, callee = population.line(population.called(rng))
        trunk = self._trunk("igw", operator)
        draft = Draft(operator, caller, callee, "international", trunk, country, *people(rng), None, kind=kind)
        return [(0, draft)]
