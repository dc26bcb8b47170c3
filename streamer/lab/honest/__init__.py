"""Honest calls: among people, from and to businesses, from landlines and from abroad, and those that look like fraud."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Final

from streamer.lab.drafts import Planned
from streamer.lab.honest.businesses import BUSINESSES, Businesses
from streamer.lab.honest.lookalikes import CROWDS, DESKS, LOOKALIKES, Lookalikes
from streamer.lab.honest.newcomers import CONTACT_CENTRE, Newcomers
from streamer.lab.honest.people import People
from streamer.lab.honest.visitors import Visitors
from streamer.lab.population import Population
from streamer.lab.rhythm import DAY, factor

SHARES: Final[dict[str, float]] = {
    "subscriber": 0.6582,
    "forwarded": 0.005,
    "landline": 0.06,
    "foreign": 0.04,
    "roamer": 0.018,
    "roamer_unknown": 0.002,
    **{business.kind: business.share for business in BUSINESSES},
    **{lookalike.kind: lookalike.share for lookalike in LOOKALIKES},
    "contact_centre": CONTACT_CENTRE,
    "newcomer": 0.005,
}
"""Part of honest calls by kind of line. Ported lines are subscribers whose kind is `ported`."""


class Honest:
    """Honest calls of a population, drawn one after the other.

    Parameters
    ----------
    population
        Who calls.
    rng
        Where chance comes from.
    rhythm
        Let what is called depend on the hour: offices do not call at night, schools call parents in the evening.
    """

    def __init__(self, population: Population, rng: Random, *, rhythm: bool) -> None:
        people, visitors = People(population, rng), Visitors(population, rng)
        businesses, newcomers = Businesses(population, rng), Newcomers(population, rng)
        lookalikes = Lookalikes(population, rng, people)
        self._random = rng.random
        self._makers: list[Callable[[int], Planned]] = [
            people.call, people.forwarded, visitors.landline, visitors.foreign, visitors.roamer, visitors.astray,
            *(businesses.maker(business) for business in BUSINESSES),
            *(lookalikes.desk(desk) for desk in DESKS), *(lookalikes.crowd(crowd) for crowd in CROWDS),
            newcomers.contact_centre, newcomers.newcomer,
        ]  # fmt: skip
        hours = {one.kind: one.hours for one in (*BUSINESSES, *LOOKALIKES)} | {"contact_centre": DAY}
        drawn = SHARES | {crowd.kind: crowd.share / crowd.calls for crowd in CROWDS}
        self._reached = [
            list(accumulate(part * factor(hours.get(kind), hour) for kind, part in drawn.items()))
            for hour in (range(24) if rhythm else (None,))
        ]

    def planned(self, at_ms: int, hour: int) -> Planned:
        """A call that begins at `at_ms`, and what follows of it: he tries again, or the call is passed on.

        `hour` is that of the local day, 0 where days have no rhythm.
        """
        reached = self._reached[hour]
        return self._makers[bisect(reached, self._random() * reached[-1])](at_ms)
