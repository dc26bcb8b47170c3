"""What all campaigns of simulated fraudsters have in common: their lines, which are taken in turn, and one draft a call.

Lines are given up after a set number of calls, as real campaigns rotate their numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import ClassVar, NamedTuple, TypeVar

from streamer.calls.events import FraudType
from streamer.lab.drafts import Course, Draft, Ingress, Releaser
from streamer.lab.population import Foreign, Population

T = TypeVar("T")


class Line(NamedTuple):
    """A number at work: what it shows, how its calls come in (over a trunk of its own, if it has one), which block of
    numbers it calls, how often it called, and for which campaign.
    """

    caller: str
    ingress: Ingress
    country: str | None = None
    operator: str = ""
    block: str = ""
    first: int = 0
    used: int = 0
    trunk: str = ""
    campaign: str | None = None


class Campaign(ABC):
    """A fraud type in action: what it shows, whom it calls and how a call goes are up to each.

    `share` is its part of all set-ups by default, `calls_a_minute` the pace of one line, `calls_a_line` how many calls a
    number makes before it is given up. A number is a campaign of its own, unless it `rotates`: then the one that follows
    it goes on with the same campaign.
    """

    label: ClassVar[FraudType]
    share: ClassVar[float]
    calls_a_minute: ClassVar[float]
    calls_a_line: ClassVar[int]
    rotates: ClassVar[bool] = False

    def __init__(self, population: Population, rng: Random, calls_a_second: float) -> None:
        self.population = population
        self.rng = rng
        count = max(1, round(calls_a_second * 60 / self.calls_a_minute))
        # Lines are at different points of their lives when the simulation begins.
        self.lines = [
            self.new_line()._replace(used=which * self.calls_a_line // (2 * count), campaign=self._named(which))
            for which in range(count)
        ]
        self._begun = count
        self.turn = 0

    @abstractmethod
    def new_line(self) -> Line:
        """A fresh number; one without a caller shows the called number."""

    @abstractmethod
    def course(self) -> Course:
        """How a call goes."""

    def victim(self, line: Line) -> tuple[str, str]:
        """Operator and number of the called line: any subscriber, unless the campaign has a plan."""
        return self.anyone()

    def anyone(self) -> tuple[str, str]:
        """Operator and number of any subscriber."""
        return self.population.line(int(self.population.subscribers * self.rng.random()))

    def draft(self) -> Draft:
        """The campaign's next call."""
        which = self.turn = (self.turn + 1) % len(self.lines)
        line = self.lines[which]
        if line.used >= self.calls_a_line:
            line = self._after(line)
        line = self.lines[which] = line._replace(used=line.used + 1)
        operator, callee = self.victim(line)
        ring, talk, cause, by = self.course()
        usual = f"igw-{operator}" if line.ingress == "international" else f"transit-{operator}"
        trunk = line.trunk or usual
        caller = line.caller or callee
        return Draft(
            operator, caller, callee, line.ingress, trunk, line.country, ring, talk, cause, by, self.label,
            campaign=line.campaign,
        )  # fmt: skip

    def _after(self, line: Line) -> Line:
        if self.rotates:
            return self.new_line()._replace(campaign=line.campaign)
        self._begun += 1
        return self.new_line()._replace(campaign=self._named(self._begun - 1))

    def _named(self, number: int) -> str:
        return f"{self.label}.{number}"

    def one_of(self, choices: Sequence[T]) -> T:
        """Any of `choices`, each as likely."""
        return choices[int(len(choices) * self.rng.random())]

    def digits(self, count: int) -> str:
        """`count` random digits."""
        return f"{int(10**count * self.rng.random()):0{count}d}"

    def abroad(self, countries: Sequence[Foreign]) -> Line:
        """A number of one of `countries`, on an international trunk."""
        country, prefix, digits = self.one_of(countries)
        return Line(prefix + self.digits(digits), "international", country)


class TalkingCampaign(Campaign):
    """A campaign that wants to be heard: it rings until it is answered or nobody comes (Q.850 cause 19).

    `ring_ms` is between which times it rings, `answered` how many of its calls are, `released_by` who ends those.
    """

    ring_ms: ClassVar[tuple[int, int]]
    answered: ClassVar[float]
    released_by: ClassVar[Releaser]

    @abstractmethod
    def talk_ms(self) -> int:
        """How long an answered call lasts."""

    def course(self) -> Course:
        """Answered or not, by chance."""
        shortest, longest = self.ring_ms
        ring = shortest + int((longest - shortest) * self.rng.random())
        if self.rng.random() < self.answered:
            return ring, self.talk_ms(), 16, self.released_by
        return ring, 0, 19, "network"

    def about(self, mean_ms: int) -> int:
        """An exponentially distributed time."""
        return int(self.rng.expovariate(1 / mean_ms))
