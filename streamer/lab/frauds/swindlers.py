"""People who talk others out of their money.

Sources: the domain page (calls that their victims see through last 13 to 14 s); Qihoo 360 (2016) has 18 s until a scam call
is recognised, and one near-success in 360 to 1,000 calls; TouchPal's report of 2016 has 328 calls a number to 255 people in 6.6
days; the fraudulent lines of the Sichuan records (medians: 216 calls to 138 peers, 97 % outgoing, 92 s a call, 6 active
days, 71 calls on the busiest); the GSMA Open Gateway (CAMARA) SIM Swap API for the look-back.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp
from random import Random
from typing import Any

from streamer.calls.events import SubscriberFact
from streamer.lab.campaigns import Line, TalkingCampaign
from streamer.lab.drafts import Course, Draft, Planned, own_device
from streamer.lab.honest.courses import people
from streamer.lab.population import Population

_HOUR_MS = 3_600_000
_SIMS = 1_000


class ScamCentre(TalkingCampaign):
    """Ten people at telephones, each calling victim after victim; nobody calls them back.

    A centre works from one block of numbers, and each number is used for thirty calls: every other centre has a thousand SIMs of one
    operator (own lines, activated in the last weeks, which their operator knows), the others landlines of a provider that asks no
    questions, over one small transit trunk.
    """

    label = "scam_centre"
    share = 0.010
    calls_a_minute = 2.0
    calls_a_line = 30
    rotates = True
    seats = 10
    ring_ms = (5_000, 20_000)
    answered = 0.7
    released_by = "callee"

    def new_line(self) -> Line:
        """A block, and the first number of it."""
        if self.rng.random() < 0.5:
            return self._sim(*self.block_of_mobiles())
        operator, trunk = self.some_trunk()
        block = self.population.fixed(self.rng)[:-4]
        return Line(block + self.digits(4), "national", None, operator, block, trunk=trunk)

    def next_line(self, line: Line) -> Line:
        """Another number of the block."""
        if line.device:
            return self._sim(line.operator, line.block)._replace(campaign=line.campaign)
        return line._replace(caller=line.block + self.digits(4), used=0)

    def _sim(self, operator: str, block: str) -> Line:
        number = f"{block}{int(_SIMS * self.rng.random()):04d}"
        return Line(number, "subscriber", None, operator, block, device=own_device(number[2:]))

    def facts(self, at_ms: int) -> Iterator[SubscriberFact]:
        """When the SIMs were activated: bought together, used within three weeks."""
        for operator, block in dict.fromkeys((line.operator, line.block) for line in self.lines if line.device):
            for which in range(_SIMS):
                since = at_ms - (1 + which * 37 % 500) * _HOUR_MS
                yield SubscriberFact(
                    number=f"{block}{which:04d}", at=since, fact="line", value="active", since=since, operator=operator
                )

    def victim(self, line: Line) -> tuple[str, str]:
        """Anybody; over a trunk, any subscriber of the operator behind it."""
        return self.anyone() if line.device else self.anyone_at(line.operator)

    def talk_ms(self) -> int:
        """Seen through after 13 s on average, but for the one in ten who listens for minutes."""
        if self.rng.random() < 0.1:
            return 60_000 + self.about(300_000)
        return 1_000 + self.about(12_500)


class ScamLine(ScamCentre):
    """One swindler with one SIM after another, as slow as the fraudulent lines of the Sichuan records; `extent` is how much
    faster he is than those.
    """

    name = "scam_line"
    share = 0.0
    calls_a_minute = 0.072  # 45 calls on a working day of ten and a half hours
    calls_a_line = 300
    rotates = False
    seats = 1
    hours = tuple(range(9, 20))
    called_back = (0.0, 0.01, 0.04, 0.12, 0.4, 1.6)
    """How many calls come back for each that he makes, by sixths of his SIMs."""

    def __init__(self, population: Population, rng: Random, calls_a_second: float, **adapted: Any) -> None:
        self._faster = adapted.get("extent", 1.0)
        super().__init__(population, rng, calls_a_second / self._faster, **adapted)

    def new_line(self) -> Line:
        """A SIM, which is given up after so many calls: `used` begins below 0 for those that last longer than the median.

        `first` says how long he talks: a standard normal variable in thousandths.
        """
        lasts = self.limit * exp(self.rng.gauss(0, 1.7))
        line = self.own_line(*self.block_of_mobiles())
        return line._replace(used=int(self.limit - lasts), first=int(1_000 * self.rng.gauss(0, 1)))

    def facts(self, at_ms: int) -> Iterator[SubscriberFact]:
        """Nothing: of the lines of Sichuan none is known."""
        return iter(())

    def victim(self, line: Line) -> tuple[str, str]:
        """Mostly somebody new, else one of those who were called before."""
        return self.population.line(self._victim(line))

    def _victim(self, line: Line) -> int:
        if self.rng.random() < 0.72:
            return self.population.anyone(self.rng)
        return (int(line.caller[-7:]) + int(12 * self.rng.random() ** 2)) * 7_919 % self.population.subscribers

    def planned(self) -> Planned:
        """His call, and sometimes one that somebody makes to him."""
        draft = self.draft()
        line = self.lines[self.turn]
        often = self.called_back[int(line.caller[-3:]) % len(self.called_back)]
        found = [(0, draft)]
        while self.rng.random() < often / (1 + often):
            index = self._victim(line)
            operator, caller = self.population.line(index)
            course = people(self.rng)
            back = Draft(
                operator, caller, draft.caller, "subscriber", None, None, *course, None, index, kind="subscriber"
            )
            found.append((self.about(3_600_000), back))
        return found

    def course(self) -> Course:
        """Lognormal talk times with the medians of those lines."""
        ring, talk, cause, by = super().course()
        return ring, int(talk * exp(0.7 * self.lines[self.turn].first / 1_000)), cause, by

    def talk_ms(self) -> int:
        """Lognormal with the median and the mean of those lines."""
        return 1_000 + int(min(3_000.0, self.rng.lognormvariate(3.65, 1.2)) * 1_000)


class SimSwap(TalkingCampaign):
    """Somebody else's line, whose SIM was changed hours ago, calls the bank of its owner."""

    label = "sim_swap"
    share = 0.001
    calls_a_minute = 0.1
    calls_a_line = 3
    ring_ms = (1_000, 4_000)
    answered = 0.95
    released_by = "caller"
    victims = 5_000
    """Lines that were taken over in the two days before the start."""

    def new_line(self) -> Line:
        """One of the lines that were taken over."""
        operator, number = self._taken(int(self.victims * self.rng.random()))
        return Line(number, "subscriber", None, operator, device=own_device(number[2:]))

    def _taken(self, which: int) -> tuple[str, str]:
        count = self.population.subscribers
        return self.population.line((which * 65_537 + 5) % count)

    def victim(self, line: Line) -> tuple[str, str]:
        """A bank."""
        return line.operator, self.one_of(self.population.network.banks)

    def talk_ms(self) -> int:
        """Minutes: he has questions to answer."""
        return 60_000 + self.about(120_000)

    def facts(self, at_ms: int) -> Iterator[SubscriberFact]:
        """When the SIMs were changed: one to 48 hours before."""
        for which in range(self.victims):
            operator, number = self._taken(which)
            changed = at_ms - (1 + which * 13 % 48) * _HOUR_MS
            yield SubscriberFact(number=number, at=changed, fact="sim", value="changed", operator=operator)
