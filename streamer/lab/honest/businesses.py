"""How businesses call people from their own lines. None of them is called back much: they are what detectors take for fraud.

What each does is background knowledge, to be calibrated on data; paces are those of a line at work.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from random import Random
from typing import Final, NamedTuple

from streamer.lab.drafts import Course, Draft, Planned
from streamer.lab.honest.courses import talk, unanswered
from streamer.lab.honest.lookalikes import CALLED_LINES, CROWDS, DESKS
from streamer.lab.honest.people import BOTH_REPORT
from streamer.lab.population import Population
from streamer.lab.rhythm import DAY, EVENING, OFFICE, RHYTHM, factor


class Business(NamedTuple):
    """A kind of business line: its part of honest calls, calls a minute of a line at work, its hours, how many of its calls are
    answered, how long they ring (ms), median (s) and spread of the talk, which part of it is over at once, and how many
    lines take turns of twenty minutes.
    """

    kind: str
    share: float
    pace: float
    hours: tuple[int, ...] | None
    answered: float
    ring_ms: tuple[int, int]
    median_s: float
    sigma: float
    at_once: float = 0.0
    turns: int = 1


BUSINESSES: Final = (
    Business("call_centre", 0.03, 1.0, DAY, 0.55, (4_000, 18_000), 60, 1.0),
    Business("bank", 0.02, 0.8, OFFICE, 0.6, (4_000, 18_000), 110, 0.8),
    Business("clinic", 0.015, 0.7, OFFICE, 0.7, (4_000, 18_000), 25, 0.5),
    Business("courier", 0.05, 0.3, DAY, 0.72, (3_000, 15_000), 18, 0.6),
    Business("taxi", 0.025, 2.0, None, 0.75, (3_000, 9_000), 9, 0.4),
    Business("school", 0.008, 4.0, EVENING, 0.65, (3_000, 15_000), 24, 0.2, 0.2, turns=10),
    Business("office", 0.027, 0.2, OFFICE, 0.62, (3_000, 15_000), 60, 1.1),
    Business("login", 0.015, 0.5, None, 0.0, (900, 2_500), 1, 0.1),
)
"""Call centres, banks, clinics that remind patients, couriers at the door, taxis that have come (they hang up after a ring or
two when nobody answers), schools that read a message to all parents, offices, and services that log people in by one ring."""

_TURN_MS: Final = 20 * 60_000


def lines_needed(rate: float, *, rhythm: bool) -> dict[str, int]:
    """How many lines of each kind make its part of `rate` honest calls a second at their pace, in the busiest hour."""

    def needed(hours: tuple[int, ...] | None, share: float, pace: float) -> int:
        peak = max(factor(hours, hour) * RHYTHM[hour] / 100 for hour in range(24)) if rhythm else 1.0
        return round(rate * share * peak * 60 / pace)

    return {
        **{one.kind: max(5, needed(one.hours, one.share, one.pace)) * one.turns for one in BUSINESSES},
        **{one.kind: max(1, needed(one.hours, one.share, one.pace)) for one in DESKS},
        **{one.kind: CALLED_LINES for one in CROWDS},
    }


class Businesses:
    """The calls of businesses."""

    def __init__(self, population: Population, rng: Random) -> None:
        self._population = population
        self._rng = rng

    def maker(self, business: Business) -> Callable[[int], Planned]:
        """What makes a call of that kind of business, at a time."""
        if business.kind == "login":
            return self._login
        population, rng = self._population, self._rng
        at_work = max(1, population.businesses[business.kind] // business.turns)

        def call(at_ms: int) -> Planned:
            which = at_ms // _TURN_MS * at_work if business.turns > 1 else 0
            index = population.business(business.kind, which + int(at_work * rng.random()))
            operator, caller = population.line(index)
            there, callee = population.line(population.called(rng))
            sighting = there if there != operator and rng.random() < BOTH_REPORT else ""
            draft = Draft(
                operator, caller, callee, "subscriber", None, None, *self._course(business), None, index, sighting, None,
                business.kind, user_agent="exchange/13" if business.kind == "office" else None,
            )  # fmt: skip
            return [(0, draft)]

        return call

    def _course(self, business: Business) -> Course:
        rng = self._rng
        shortest, longest = business.ring_ms
        ring = shortest + int((longest - shortest) * rng.random())
        draw = rng.random()
        if draw >= business.answered:
            return (ring, 0, 16, "caller") if business.kind == "taxi" else unanswered(rng)
        if draw < business.answered * business.at_once:
            return ring, 1_000 + int(4_000 * rng.random()), 16, "callee"
        return ring, talk(rng, log(business.median_s), business.sigma), 16, "caller"

    def _login(self, at_ms: int) -> Planned:
        population, rng = self._population, self._rng
        operator, callee = population.line(population.called(rng))
        caller = f"{population.network.login}{int(10_000 * rng.random()):04d}"
        ring = 900 + int(1_600 * rng.random())
        trunk = f"transit-{operator}"
        return [
            (0, Draft(operator, caller, callee, "national", trunk, None, ring, 0, 16, "caller", None, kind="login"))
        ]
