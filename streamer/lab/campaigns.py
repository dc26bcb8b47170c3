"""What all campaigns of simulated fraudsters have in common: their lines, which are taken in turn, and one draft a call.

Lines are given up after a set number of calls, as real campaigns rotate their numbers. How a campaign adapts to being
watched (`Habits`) is the same for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from streamer.calls.events import FraudType, ListEntry, SubscriberFact
from streamer.lab.drafts import Course, Device, Draft, Ingress, Planned, Releaser, own_device
from streamer.lab.honest.courses import people
from streamer.lab.network import MINOR, Foreign
from streamer.lab.population import Population

T = TypeVar("T")

BLOCK: Final = 10_000
"""Numbers of a block that is rented or bought as a whole."""
_ACCOMPLICES: Final = 5


class Line(NamedTuple):
    """A number at work: what it shows, how its calls come in (over a trunk of its own, if it has one), which block of
    numbers it calls, how often it called, for which campaign, and from which device if it is an own line.
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
    device: Device | None = None


class Habits(NamedTuple):
    """How fraudsters adapt, each by how far they go.

    `slower`: a line's pace divided by so much. `rotating`: so many times as many numbers for the same calls. `mixed`: part of
    the calls that go to accomplices, who answer and talk as acquaintances do. `spread`: the calls come in over so many trunks.
    """

    slower: float = 1.0
    rotating: float = 1.0
    mixed: float = 0.0
    spread: float = 1.0


class Campaign(ABC):
    """A fraud type in action: what it shows, whom it calls and how a call goes are up to each.

    `name` is what it is asked for by, its `label` if it has none of its own; `share` is its part of all set-ups by default,
    `calls_a_minute` the pace of one line, `calls_a_line` how many calls a number makes before it is given up. A number is a
    campaign of its own, unless it `rotates`: then the one that follows it goes on with the same campaign, and `seats` numbers
    work for one campaign at a time. `hours` are those of the local day at which it calls, where days have a rhythm. `extent`
    says how far an adversary goes whose plan has a measure of its own.
    """

    name: ClassVar[str] = ""
    label: ClassVar[FraudType]
    share: ClassVar[float] = 0.0
    calls_a_minute: ClassVar[float]
    calls_a_line: ClassVar[int]
    rotates: ClassVar[bool] = False
    seats: ClassVar[int] = 1
    hours: ClassVar[tuple[int, ...] | None] = None

    def __init__(
        self,
        population: Population,
        rng: Random,
        calls_a_second: float,
        *,
        habits: Habits | None = None,
        extent: float = 1.0,
        named: str = "",
    ) -> None:
        self.population = population
        self.rng = rng
        self.habits = habits = habits or Habits()
        self.extent = extent
        self.named = named or self.name or self.label
        self.limit = max(1, round(self.calls_a_line / habits.rotating))
        count = max(1, round(calls_a_second * 60 * habits.slower / self.calls_a_minute))
        self.lines: list[Line] = []
        for which in range(count):
            if which % self.seats:
                line = self.next_line(self.lines[-1])
            else:
                line = self.new_line()._replace(campaign=self._named(which // self.seats))
            # Lines are at different points of their lives when the simulation begins.
            self.lines.append(line._replace(used=which * self.limit // (2 * count)))
        self._begun = -(-count // self.seats)
        self.turn = 0

    @abstractmethod
    def new_line(self) -> Line:
        """A fresh number; one without a caller shows the called number."""

    def next_line(self, line: Line) -> Line:
        """The number that goes on with the campaign of `line`."""
        return self.new_line()._replace(campaign=line.campaign)

    @abstractmethod
    def course(self) -> Course:
        """How a call goes."""

    def victim(self, line: Line) -> tuple[str, str]:
        """Operator and number of the called line: any subscriber, unless the campaign has a plan."""
        return self.anyone()

    def anyone(self) -> tuple[str, str]:
        """Operator and number of any subscriber."""
        return self.population.line(self.population.anyone(self.rng))

    def planned(self) -> Planned:
        """The calls that begin now, or soon because of one that begins now."""
        return [(0, self.draft())]

    def draft(self) -> Draft:
        """The campaign's next call."""
        which = self.turn = (self.turn + 1) % len(self.lines)
        line = self.lines[which]
        if line.used >= self.limit:
            line = self._after(line)
        line = self.lines[which] = line._replace(used=line.used + 1)
        if self.habits.mixed and self.rng.random() < self.habits.mixed:
            return self._made(line, self._accomplice(line), people(self.rng), "camouflage")
        return self._made(line, self.victim(line), self.course())

    def _made(self, line: Line, called: tuple[str, str], course: Course, kind: str | None = None) -> Draft:
        operator, callee = called
        return Draft(
            line.operator if line.device else operator, line.caller or callee, callee, line.ingress,
            self.trunk(line, operator), line.country, *course, self.label, campaign=line.campaign, kind=kind,
            device=line.device,
        )  # fmt: skip

    def trunk(self, line: Line, operator: str) -> str | None:
        """The trunk that a call comes in over at `operator`: the main one, unless the line has its own."""
        if line.device:
            return None
        usual = line.trunk or (f"igw-{operator}" if line.ingress == "international" else f"transit-{operator}")
        if self.habits.spread <= 1:
            return usual
        way = "igw" if line.ingress == "international" else "transit"
        return f"{way}-{operator}-{1 + int(min(self.habits.spread, MINOR) * self.rng.random())}"

    def _accomplice(self, line: Line) -> tuple[str, str]:
        """One of the few who are called by a number for the look of it: they follow from the number."""
        seed = sum(map(ord, line.caller)) * 7_919 + int(_ACCOMPLICES * self.rng.random())
        return self.population.line(seed * 31 % self.population.subscribers)

    def _after(self, line: Line) -> Line:
        if self.rotates:
            return self.next_line(line)._replace(campaign=line.campaign)
        self._begun += 1
        return self.new_line()._replace(campaign=self._named(self._begun - 1))

    def _named(self, number: int) -> str:
        return f"{self.named}.{number}"

    # what operators publish because of it

    def facts(self, at_ms: int) -> Iterable[SubscriberFact]:
        """What operators know of its lines, or of its victims', at the start."""
        return ()

    def lists(self) -> Iterable[ListEntry]:
        """What administrators have entered because of such campaigns."""
        return ()

    # what campaigns draw from

    def one_of(self, choices: Sequence[T]) -> T:
        """Any of `choices`, each as likely."""
        return choices[int(len(choices) * self.rng.random())]

    def about(self, mean_ms: int) -> int:
        """An exponentially distributed time."""
        return int(self.rng.expovariate(1 / mean_ms))

    def digits(self, count: int) -> str:
        """`count` random digits."""
        return f"{int(10**count * self.rng.random()):0{count}d}"

    def foreign(self, countries: Sequence[Foreign]) -> tuple[str, str]:
        """Country and a number of one of `countries`."""
        country, prefix, digits = self.one_of(countries)
        return country, prefix + self.digits(digits)

    def abroad(self, countries: Sequence[Foreign]) -> Line:
        """A number of one of `countries`, on an international trunk."""
        country, number = self.foreign(countries)
        return Line(number, "international", country)

    def block_of_mobiles(self) -> tuple[str, str]:
        """Operator and first digits of a block of mobile numbers that no subscriber has."""
        carrier = self.one_of(self.population.network.carriers)
        return carrier.operator, self.one_of(carrier.prefixes) + self.free_block(int(1_000 * self.rng.random()))

    def free_block(self, which: int) -> str:
        """What follows a carrier's prefix in one of the blocks that no subscriber has."""
        first, digits = self.population.room // BLOCK, self.population.network.digits - 4
        return f"{first + which % (10**digits - first):0{digits}d}"

    def own_line(self, operator: str, block: str) -> Line:
        """A line of `operator` with a number of the block and a phone of its own."""
        number = block + self.digits(4)
        return Line(number, "subscriber", None, operator, block, device=own_device(number[2:]))

    def some_trunk(self) -> tuple[str, str]:
        """An operator, and a small transit partner's trunk into its network."""
        operator = self.one_of(self.population.network.carriers).operator
        return operator, f"transit-{operator}-{1 + int(MINOR * self.rng.random())}"

    def anyone_at(self, operator: str) -> tuple[str, str]:
        """Operator and number of any of its subscribers."""
        found = self.anyone()
        while found[0] != operator:
            found = self.anyone()
        return found


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


class Storm(Campaign):
    """Calls that come together: `burst` of them within `within_ms`, then a pause, so that its part of all set-ups is kept."""

    burst: ClassVar[int]
    within_ms: ClassVar[int]

    def __init__(self, population: Population, rng: Random, calls_a_second: float, **adapted: Any) -> None:
        super().__init__(population, rng, calls_a_second, **adapted)
        self.owed = int(self.burst * rng.random())

    def planned(self) -> Planned:
        """None until a burst is due, then all of it."""
        self.owed += 1
        if self.owed < self.burst:
            return []
        self.owed = 0
        lasts = self.within_ms * self.habits.slower
        return [(int(lasts * self.rng.random()), draft) for draft in self.storm()]

    @abstractmethod
    def storm(self) -> list[Draft]:
        """The `burst` calls of one attack."""
