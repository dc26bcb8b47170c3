"""Honest lines that do what fraud does, each made to try one detector. What they do is background knowledge, to be calibrated on data.

Beside `irsf` and `pbx_hacking`: a company that opens a branch in a country that it never called, a desk that calls customers in many
countries at all hours, a hotel whose guests call home in the evening, and a reseller that shows one number for all its customers, which
cannot be told from a thief by what it does and stands on the list `allow`. Beside `range_probing`: a debt collector with old lists. Beside
`tdos`: a quiz on the radio, and a surgery when it opens.

What they do follows the clock even where days have no rhythm: nobody opens a branch at night.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapreplace
from math import log
from random import Random
from typing import Final, NamedTuple

from streamer.lab.drafts import Course, Draft, Planned
from streamer.lab.honest.courses import UNKNOWN, talk, unanswered
from streamer.lab.honest.people import BOTH_REPORT, People
from streamer.lab.population import Population
from streamer.lab.rhythm import DAY, OFFICE, hour_of


class Desk(NamedTuple):
    """A line with several seats: its part of honest calls, calls a minute of a line, how many can talk at once, its hours, how many of its
    calls are answered, median (s) and spread of the talk, and which part of it is over at once.
    """

    kind: str
    share: float
    pace: float
    seats: int
    hours: tuple[int, ...] | None
    answered: float
    median_s: float
    sigma: float
    at_once: float = 0.0


class Crowd(NamedTuple):
    """Many who call one number: their part of honest calls, how many calls come within which time, and at which hours."""

    kind: str
    share: float
    calls: int
    within_ms: int
    hours: tuple[int, ...] | None


DESKS: Final = (
    Desk("branch", 0.001, 2.0, 10, None, 0.65, 150, 1.0),
    Desk("help_desk", 0.001, 1.2, 5, None, 0.75, 120, 0.9),
    Desk("hotel", 0.0008, 0.6, 8, (0, 1, *range(18, 24)), 0.6, 120, 1.0),
    Desk("reseller", 0.002, 12.0, 60, None, 0.6, 90, 1.1),
    Desk("collector", 0.004, 3.0, 4, DAY, 0.33, 35, 0.9, 0.3),
)
CROWDS: Final = (Crowd("quiz", 0.002, 300, 75_000, None), Crowd("surgery", 0.001, 60, 100_000, (8,)))
LOOKALIKES: Final = (*DESKS, *CROWDS)

CALLED_LINES: Final = 20
"""Numbers of each kind of crowd."""
_PAUSE_MS: Final = 5_000
_EVENING: Final = 0.05
"""Part of a branch's calls out of office hours that go to its country, one by one."""
_OWN, _AGAIN, _BUSY = 0.8, 0.3, 0.85
"""Of a crowd: the part that calls from mobile lines at home, the part of calls that are tried again, and of those that find it busy."""


class Lookalikes:
    """The calls of all of them; `people` call where all seats are taken."""

    def __init__(self, population: Population, rng: Random, people: People) -> None:
        self._population = population
        self._rng = rng
        self._people = people

    def desk(self, desk: Desk) -> Callable[[int], Planned]:
        """What makes a call of that kind of desk, at a time."""
        rng, lines = self._rng, self._population.businesses[desk.kind]
        taken = [[0] * desk.seats for _ in range(lines)]  # until when each seat is, ms
        called = self._dead if desk.kind == "collector" else self._abroad if desk.kind != "branch" else self._branch

        def call(at_ms: int) -> Planned:
            which = int(lines * rng.random())
            seats = taken[which]
            if seats[0] > at_ms:
                return self._people.call(at_ms)
            index = self._population.business(desk.kind, which)
            operator, caller = self._population.line(index)
            ring, talk_ms, cause, by = self._course(desk)
            callee = called(desk, which, at_ms)
            if callee is None:
                callee, ring, talk_ms, cause, by = self._anyone(), 0, 0, UNKNOWN, "network"
            heapreplace(seats, at_ms + ring + talk_ms + _PAUSE_MS)
            return [
                (0, Draft(operator, caller, callee, "subscriber", None, None, ring, talk_ms, cause, by, None, index, kind=desk.kind))
            ]  # fmt: skip

        return call

    def _course(self, desk: Desk) -> Course:
        rng = self._rng
        if rng.random() >= desk.answered:
            return unanswered(rng)
        ring = 4_000 + int(12_000 * rng.random())
        if rng.random() < desk.at_once:
            return ring, 1_000 + int(4_000 * rng.random()), 16, "callee"
        return ring, talk(rng, log(desk.median_s), desk.sigma), 16, "caller"

    def _anyone(self) -> str:
        return self._population.line(self._population.called(self._rng))[1]

    def _abroad(self, desk: Desk, which: int, at_ms: int) -> str | None:
        """A number in one of the countries of a hotel's guests, or of all customers."""
        network, rng = self._population.network, self._rng
        countries = network.neighbours if desk.kind == "hotel" else (*network.neighbours, *network.far)
        _, prefix, digits = countries[int(len(countries) * rng.random())]
        return f"{prefix}{int(10**digits * rng.random()):0{digits}d}"

    def _branch(self, desk: Desk, which: int, at_ms: int) -> str | None:
        """One of the thousand numbers of the branch, in office hours; at others mostly somebody at home."""
        network, rng = self._population.network, self._rng
        if hour_of(at_ms + network.utc_offset_h * 3_600_000) not in OFFICE and rng.random() >= _EVENING:
            return self._anyone()
        _, prefix, digits = network.neighbours[which % len(network.neighbours)]
        return f"{prefix}{which * 7_919 % 10 ** (digits - 3):0{digits - 3}d}{int(1_000 * rng.random()):03d}"

    def _dead(self, desk: Desk, which: int, at_ms: int) -> str | None:
        """Somebody of a list of which, by its age, 15 to 35 % are in no use any more (None)."""
        return None if self._rng.random() < 0.15 + 0.05 * (which % 5) else self._anyone()

    def crowd(self, crowd: Crowd) -> Callable[[int], Planned]:
        """What makes all calls of such a crowd, the first at a time."""
        population, rng = self._population, self._rng

        def calls(at_ms: int) -> Planned:
            there, callee = population.line(population.business(crowd.kind, int(CALLED_LINES * rng.random())))
            waits = sorted(int(crowd.within_ms * rng.random()) for _ in range(crowd.calls))
            found: Planned = []
            for wait in (0, *waits[1:]):
                if found and rng.random() < _AGAIN:
                    draft = found[int(len(found) * rng.random())][1]
                else:
                    draft = self._one_of_crowd(crowd, there, callee)
                ring, talk_ms, cause, by = self._answered_or_not()
                found.append((wait, draft._replace(ring_ms=ring, talk_ms=talk_ms, cause=cause, released_by=by)))
            return found

        return calls

    def _one_of_crowd(self, crowd: Crowd, there: str, callee: str) -> Draft:
        population, rng = self._population, self._rng
        if rng.random() >= _OWN:
            return Draft(
                there, population.fixed(rng), callee, "national", f"transit-{there}", None, 0, 0, 17, "network", None,
                kind=crowd.kind,
            )  # fmt: skip
        index = population.caller(rng)
        operator, caller = population.line(index)
        sighting = there if there != operator and rng.random() < BOTH_REPORT else ""
        return Draft(
            operator, caller, callee, "subscriber", None, None, 0, 0, 17, "network", None, index, sighting, kind=crowd.kind
        )  # fmt: skip

    def _answered_or_not(self) -> Course:
        rng = self._rng
        if rng.random() < _BUSY:
            return 0, 0, 17, "network"
        return 2_000 + int(6_000 * rng.random()), talk(rng, log(30), 0.7), 16, "callee"
