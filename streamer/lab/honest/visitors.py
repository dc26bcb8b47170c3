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
_PASSED_ON: Final = 0.25
"""Part of the calls of subscribers abroad that comes in at whichever operator's gateway, and is passed on to that of the called line."""


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
        """Somebody abroad calls a subscriber: mostly one of the two whom he knows there."""
        rng = self._rng
        index = self._population.called(rng)
        near = self._population.network.neighbours
        who = (index * 2 + int(2 * rng.random())) * 7_919 if rng.random() < 0.8 else int(1e9 * rng.random())
        country, prefix, digits = near[who % len(near)]
        return self._from_abroad(f"{prefix}{who % 10**digits:0{digits}d}", country, "foreign", index)

    def roamer(self, at_ms: int) -> Planned:
        """A subscriber who is abroad calls somebody whom he knows at home."""
        index, country = self._population.roamer(self._rng)
        return self._home(index, country, "roamer")

    def astray(self, at_ms: int) -> Planned:
        """A subscriber who is abroad calls somebody whom he knows at home, and nobody knows that he is there."""
        index, country = self._population.astray(self._rng)
        return self._home(index, country, "roamer_unknown")

    def _home(self, index: int, country: str, kind: str) -> Planned:
        population, rng = self._population, self._rng
        caller, friend = population.line(index)[1], population.acquaintance(index, rng)
        operator, callee = population.line(friend)
        gateway = population.line(population.called(rng))[0] if rng.random() < _PASSED_ON else operator
        trunk = self._trunk("igw", gateway)
        beyond = operator if gateway != operator else ""
        course = people(rng)
        return [
            (
                0,
                Draft(
                    gateway, caller, callee, "international", trunk, country, *course, None, sighting=beyond, kind=kind
                ),
            )
        ]

    def _from_abroad(self, caller: str, country: str, kind: str, index: int) -> Planned:
        operator, callee = self._population.line(index)
        trunk = self._trunk("igw", operator)
        draft = Draft(operator, caller, callee, "international", trunk, country, *people(self._rng), None, kind=kind)
        return [(0, draft)]
