"""Honest lines that nobody saw before and that lie side by side: who takes them for a campaign is wrong.

What they are like is background knowledge, to be calibrated on data.
"""

from __future__ import annotations

from math import log
from random import Random
from typing import Final

from streamer.lab.drafts import Course, Draft, Planned
from streamer.lab.honest.courses import people, talk, unanswered
from streamer.lab.network import MINOR
from streamer.lab.population import Population

CONTACT_CENTRE: Final = 0.01
"""Part of honest calls that contact centres make."""
SEATS: Final = 20
"""People at work in each, at neighbouring numbers."""
PACE: Final = 1.0
"""Calls a minute that each of them makes."""
_LINES_A_RATE: Final = 86_400 / 5
_AT_ONCE: Final = 0.25
_CALLED_BACK: Final = 0.05
_FRIENDS: Final = 8


class Newcomers:
    """The calls of contact centres and of people with new numbers."""

    def __init__(self, population: Population, rng: Random) -> None:
        self._population = population
        self._rng = rng
        rate = population.subscribers / _LINES_A_RATE
        self._centres = max(1, round(rate * CONTACT_CENTRE * 60 / PACE / SEATS))

    def contact_centre(self, at_ms: int) -> Planned:
        """A centre that sells for others calls somebody from landlines in a row, over a small transit trunk into one network; one in
        four who answers hangs up at once, and one in twenty whom it misses calls back.
        """
        population, rng = self._population, self._rng
        network, which = population.network, int(self._centres * rng.random())
        caller = f"{network.fixed[which % len(network.fixed)]}{(which * 37 + 11) % 100:02d}{2_000 + int(SEATS * rng.random())}"
        carrier = network.carriers[which % len(network.carriers)]
        index = population.called(rng)
        while population.line(index)[0] != carrier.operator:
            index = population.called(rng)
        operator, callee = population.line(index)
        course = self._sale()
        trunk = f"transit-{operator}-{1 + which % MINOR}"
        found = [(0, Draft(operator, caller, callee, "national", trunk, None, *course, None, kind="contact_centre"))]
        if not course[1] and rng.random() < _CALLED_BACK:
            found.append((60_000 + int(rng.expovariate(1 / 600_000)), self._back(index, caller)))
        return found

    def _back(self, index: int, callee: str) -> Draft:
        """A subscriber calls whoever called him."""
        operator, caller = self._population.line(index)
        kind = "ported" if self._population.is_ported(index) else "subscriber"
        return Draft(operator, caller, callee, "subscriber", None, None, *people(self._rng), None, index, kind=kind)

    def _sale(self) -> Course:
        rng = self._rng
        if rng.random() >= 0.5:
            return unanswered(rng)
        ring = 4_000 + int(14_000 * rng.random())
        if rng.random() < _AT_ONCE:
            return ring, 1_000 + int(4_000 * rng.random()), 16, "callee"
        return ring, talk(rng, log(45), 1.1), 16, "caller"

    def newcomer(self, at_ms: int) -> Planned:
        """Somebody whose number lies in a range that was opened lately calls one of his friends, who mostly calls back."""
        population, rng = self._population, self._rng
        index = population.newcomer(rng)
        operator, caller = population.line(index)
        friend = (index * 7_919 + int(_FRIENDS * rng.random() ** 2) * 104_729) % population.subscribers
        _, callee = population.line(friend)
        found = [
            (0, Draft(operator, caller, callee, "subscriber", None, None, *people(rng), None, index, kind="newcomer"))
        ]
        if rng.random() < 0.5:
            found.append((60_000 + int(rng.expovariate(1 / 1_800_000)), self._back(friend, caller)))
        return found
