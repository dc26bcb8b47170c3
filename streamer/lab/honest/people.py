"""How people call from their own mobile lines: their acquaintances, strangers, landlines, businesses, banks, abroad."""

from __future__ import annotations

from random import Random
from statistics import NormalDist
from typing import Final

from streamer.lab.drafts import Draft, Planned
from streamer.lab.honest.courses import LINE_SIGMA, TALK_MU, people
from streamer.lab.population import Population, habit

BOTH_REPORT: Final = 0.35
"""Part of the calls between operators that both of them report."""

AGAIN: Final = 0.2
"""Part of the unanswered calls that are tried again within minutes (background knowledge, to be calibrated on data)."""

_SIZE: Final = 256
_NORMAL: Final = tuple(NormalDist().inv_cdf((which + 0.5) / _SIZE) for which in range(_SIZE))

OUTGOING: Final = (0.15, 0.5, 0.75, 0.9, 1.0, 1.0)
"""Part of his conversations with acquaintances that a subscriber begins himself, by sixths of all subscribers."""


class People:
    """The calls of subscribers."""

    def __init__(self, population: Population, rng: Random) -> None:
        self._population = population
        self._rng = rng
        self._mu = tuple(TALK_MU + LINE_SIGMA * z for z in _NORMAL)
        self._outgoing = tuple(OUTGOING[which * len(OUTGOING) // _SIZE] for which in range(_SIZE))
        self._kinds = tuple(population.businesses)

    def call(self, at_ms: int) -> Planned:
        """A subscriber's call; some who are not answered try again."""
        population, rng = self._population, self._rng
        index = population.caller(rng)
        draw = rng.random()
        there = ""
        mu = self._mu[habit(index, 2)]
        if draw < 0.72:
            friend = population.acquaintance(index, rng)
            if population.is_uncalled(friend) or (
                rng.random() >= self._outgoing[habit(index, 1)] and not population.is_uncalled(index)
            ):
                index, friend = friend, index
            there, callee = population.line(friend)
        elif draw < 0.75:
            there, callee = population.line(population.called(rng))
        else:
            callee = self._elsewhere(index, draw)
        operator, caller = population.line(index)
        ring, talk, cause, by = people(rng, mu)
        sighting = there if there and there != operator and rng.random() < BOTH_REPORT else ""
        if callee == caller:
            callee = population.fixed(rng)
        kind = "ported" if population.is_ported(index) else "subscriber"
        draft = Draft(
            operator, caller, callee, "subscriber", None, None, ring, talk, cause, by, None, index, sighting, None, kind
        )
        if talk or cause == 1 or rng.random() >= AGAIN:
            return [(0, draft)]
        wait = ring + 5_000 + int(rng.expovariate(1 / 40_000))
        ring, talk, cause, by = people(rng, mu)
        return [(0, draft), (wait, draft._replace(ring_ms=ring, talk_ms=talk, cause=cause, released_by=by))]

    def _elsewhere(self, index: int, draw: float) -> str:
        """A called number that is no other subscriber's: `draw` from 0.75 to 1."""
        population, rng = self._population, self._rng
        if draw < 0.93:
            return population.usual_fixed(index, rng)
        if draw < 0.97:
            kind = self._kinds[int(len(self._kinds) * rng.random())]
            return population.line(population.business(kind, int(population.businesses[kind] * rng.random())))[1]
        if draw < 0.985:
            banks = population.network.banks
            return banks[int(len(banks) * rng.random())]
        network = population.network
        countries = network.neighbours if draw < 0.9995 else network.far
        country = countries[int(len(countries) * rng.random())]
        return f"{country.prefix}{int(10**country.digits * rng.random()):0{country.digits}d}"

    def forwarded(self, at_ms: int) -> Planned:
        """A call of somebody who has his calls passed on, to a line of another operator: the first leg and the second."""
        population, rng = self._population, self._rng
        index = population.caller(rng)
        operator, caller = population.line(index)
        through, middle = population.line(population.acquaintance(index, rng))
        there, callee = through, middle
        while there == through or callee == caller:
            there, callee = population.line(population.called(rng))
        ring, talk, cause, by = people(rng)
        wait = 300 if rng.random() < 0.5 else 15_000 + int(5_000 * rng.random())
        first = Draft(
            operator, caller, middle, "subscriber", None, None, ring + wait, talk, cause, by, None, index,
            kind="forwarded",
        )  # fmt: skip
        second = Draft(
            there, caller, callee, "national", f"{through}-{there}", None, ring, talk, cause, by, None,
            kind="forwarded", diverted_from=middle,
        )  # fmt: skip
        return [(0, first), (wait, second)]
