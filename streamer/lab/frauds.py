"""How fraudsters call in simulated traffic: one campaign class a fraud type, with the published parameters.

A campaign hands out `Draft`s: one call each, complete with how it would go if nobody stopped it. Lines are taken in turn
and given up after a set number of calls, as real campaigns rotate their numbers. Sources: TransNexus and ATIS on robocall
profiles, Sahin et al. (EuroS&P 2017) on the kinds of telephone fraud, published wangiri thresholds.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from streamer.calls.events import FraudType
from streamer.lab.drafts import Course, Draft, Ingress
from streamer.lab.population import Foreign, Population


class Line(NamedTuple):
    """A number at work: what it shows, how its calls come in, which block of numbers it calls, how often it called."""

    caller: str
    ingress: Ingress
    country: str | None = None
    operator: str = ""
    block: str = ""
    first: int = 0
    used: int = 0


class Campaign:
    """A fraud type in action.

    `share` is its part of all set-ups by default, `calls_a_minute` the pace of one line, `calls_a_line` how many calls a
    number makes before it is given up.
    """

    label: FraudType
    share: float
    calls_a_minute: float
    calls_a_line: int

    def __init__(self, population: Population, rng: Random, calls_a_second: float) -> None:
        self.population = population
        self.rng = rng
        count = max(1, round(calls_a_second * 60 / self.calls_a_minute))
        # Lines are at different points of their lives when the simulation begins.
        self.lines = [self.new_line()._replace(used=which * self.calls_a_line // (2 * count)) for which in range(count)]
        self.turn = 0

    def draft(self) -> Draft:
        """The campaign's next call."""
        which = self.turn = (self.turn + 1) % len(self.lines)
        line = self.lines[which]
        if line.used >= self.calls_a_line:
            line = self.new_line()
        line = self.lines[which] = line._replace(used=line.used + 1)
        operator, callee = self.victim(line)
        ring, talk, cause, by = self.course()
        trunk = f"igw-{operator}" if line.ingress == "international" else f"transit-{operator}"
        caller = line.caller or callee
        return Draft(operator, caller, callee, line.ingress, trunk, line.country, ring, talk, cause, by, self.label)

    def new_line(self) -> Line:
        """A fresh number; one without a caller shows the called number."""
        raise NotImplementedError

    def course(self) -> Course:
        """How a call goes."""
        raise NotImplementedError

    def victim(self, line: Line) -> tuple[str, str]:
        """Operator and number of the called line: any subscriber, unless the campaign has a plan."""
        return self.population.line(int(self.population.subscribers * self.rng.random()))

    def digits(self, count: int) -> str:
        """`count` random digits."""
        return f"{int(10**count * self.rng.random()):0{count}d}"

    def abroad(self, countries: tuple[Foreign, ...]) -> Line:
        """A number of one of `countries`, on an international trunk."""
        country, prefix, digits = countries[int(len(countries) * self.rng.random())]
        return Line(prefix + self.digits(digits), "international", country)


class Spoofing(Campaign):
    """Numbers of home subscribers who are at home, shown on an international trunk."""

    label: FraudType = "cli_spoofing"
    share = 0.012
    calls_a_minute = 6.0
    calls_a_line = 3

    def new_line(self) -> Line:
        """Somebody else's number."""
        return Line(self.population.line(self.population.located(self.rng))[1], "international", "GB")

    def course(self) -> Course:
        """A talk of well under a minute, if any."""
        ring = 4_000 + int(9_000 * self.rng.random())
        if self.rng.random() < 0.6:
            return ring, 1_000 + int(self.rng.expovariate(1 / 40_000)), 16, "callee"
        return ring, 0, 19, "network"


class InvalidNumber(Campaign):
    """Calling numbers that nobody can have: vacant ranges, too many digits, words, the called number itself."""

    label = "number_invalid"
    share = 0.006
    calls_a_minute = 6.0
    calls_a_line = 4

    def new_line(self) -> Line:
        """One of the four kinds."""
        kind = int(4 * self.rng.random())
        vacant = self.population.network.vacant
        shown = (
            vacant[int(len(vacant) * self.rng.random())] + self.digits(7),
            "+" + "9" * 9 + self.digits(9),
            "Bank-" + self.digits(3),
            "",
        )[kind]
        if kind == 3 or self.rng.random() < 0.3:
            return Line(shown, "national")
        return Line(shown, "international", "GB")

    def course(self) -> Course:
        """As often answered as not, and brief."""
        ring = 3_000 + int(12_000 * self.rng.random())
        if self.rng.random() < 0.5:
            return ring, 2_000 + int(self.rng.expovariate(1 / 30_000)), 16, "caller"
        return ring, 0, 19, "network"


class Robocall(Campaign):
    """A dialler: many calls a minute, most of the conversations over within seconds, hardly one above a minute."""

    label = "robocall"
    share = 0.012
    calls_a_minute = 30.0
    calls_a_line = 240

    def new_line(self) -> Line:
        """A landline or a number from abroad."""
        if self.rng.random() < 0.5:
            return Line(self.population.fixed(self.rng), "national")
        return self.abroad(self.population.network.neighbours)

    def course(self) -> Course:
        """Hung up on as soon as the recording is heard."""
        ring = 3_000 + int(8_000 * self.rng.random())
        if self.rng.random() < 0.6:
            longest = 4_500 if self.rng.random() < 0.7 else 30_000
            return ring, 1_000 + int(longest * self.rng.random()), 16, "callee"
        return ring, 0, 19, "network"


class Wangiri(Campaign):
    """One short ring from a far country, so that the victim calls back at a price."""

    label = "wangiri"
    share = 0.008
    calls_a_minute = 30.0
    calls_a_line = 200

    def new_line(self) -> Line:
        """A number that is dear to call."""
        return self.abroad(self.population.network.far)

    def course(self) -> Course:
        """Released by the caller before three seconds; one in fifty is quicker."""
        ring = 800 + int(1_900 * self.rng.random())
        return ring, 1_500 if self.rng.random() < 0.02 else 0, 16, "caller"


class RangeProbing(Campaign):
    """One number after the other, to learn which are in use."""

    label = "range_probing"
    share = 0.006
    calls_a_minute = 40.0
    calls_a_line = 300

    def new_line(self) -> Line:
        """A landline that begins somewhere in a block of mobile numbers."""
        carriers = self.population.network.carriers
        carrier = carriers[int(len(carriers) * self.rng.random())]
        block = carrier.prefixes[int(len(carrier.prefixes) * self.rng.random())]
        first = int(10_000_000 * self.rng.random())
        return Line(self.population.fixed(self.rng), "national", None, carrier.operator, block, first)

    def victim(self, line: Line) -> tuple[str, str]:
        """The number after the last one."""
        return line.operator, f"{line.block}{(line.first + line.used) % 10_000_000:07d}"

    def course(self) -> Course:
        """A third of the numbers is in no use; the others are let ring for a second."""
        draw = self.rng.random()
        if draw < 0.35:
            return 0, 0, 1, "network"
        return (1_000, 0, 16, "caller") if draw < 0.92 else (4_000, 1_500, 16, "caller")


class ScamCentre(Campaign):
    """People who talk others out of their money: no rule of volume sees them, so the model has to.

    Its mark: mobile numbers over a transit trunk that share the victim's first eight characters, each number used for a few
    calls only, nearly all answered and long.
    """

    label = "scam_centre"
    share = 0.012
    calls_a_minute = 3.0
    calls_a_line = 15

    def new_line(self) -> Line:
        """A number out of the block that is about to be called."""
        operator, number = super().victim(Line("", "national"))
        return Line(number[:8] + self.digits(4), "national", None, operator, number[:8], int(5_000 * self.rng.random()))

    def victim(self, line: Line) -> tuple[str, str]:
        """A neighbour of the number shown, never that number itself; steps of 317 make no run of numbers."""
        last = (line.first + 317 * line.used) % 10_000
        if line.caller.endswith(f"{last:04d}"):
            last = (last + 1) % 10_000
        return line.operator, f"{line.block}{last:04d}"

    def course(self) -> Course:
        """Answered as a neighbour's call is, and long."""
        ring = 5_000 + int(6_000 * self.rng.random())
        if self.rng.random() < 0.85:
            return ring, 20_000 + int(self.rng.expovariate(1 / 90_000)), 16, "callee"
        return ring, 0, 19, "network"


CAMPAIGNS: Final[tuple[type[Campaign], ...]] = (
    Spoofing,
    InvalidNumber,
    Robocall,
    Wangiri,
    RangeProbing,
    ScamCentre,
)
"""Every fraud type that can be simulated."""
