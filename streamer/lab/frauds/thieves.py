"""Calls that are made for the money that they cost, or to get past what they would cost.

Sources: Sahin and Francillon (ASIACCS 2021) and Merve Sahin et al. (EuroS&P 2017) on international revenue share fraud: long
calls to number after number of one range; the OpenSIPS fraud detection module's five counters (calls a minute, concurrent,
sequential, duration) and industry reports of exchanges that are broken into at night and at weekends; Murynets,
Zabarankin, Jover and Panagia (INFOCOM 2014) on SIM boxes: many SIMs on few devices in one cell, hardly an incoming call.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Literal

from streamer.calls.events import SubscriberFact
from streamer.lab.campaigns import BLOCK, Line, TalkingCampaign
from streamer.lab.drafts import Draft, own_device
from streamer.lab.population import ROOM, Population

_SIMS = 100_000
"""SIMs that a box may have had."""


class RevenueShare(TalkingCampaign):
    """A SIM got by fraud calls one number after the other of a range that is dear to call, and talks to it for minutes.

    Calls are concurrent (a stolen SIM forwards them); nearly all are answered: whoever answers is paid for it.
    """

    label = "irsf"
    share = 0.003
    calls_a_minute = 3.0
    calls_a_line = 120
    ring_ms = (500, 3_000)
    answered = 0.93
    released_by = "caller"

    def new_line(self) -> Line:
        """A SIM and the number that its range begins with."""
        dear = self.one_of(self.population.network.premium)
        first = int(10**dear.digits * self.rng.random())
        return self.own_line(*self.block_of_mobiles())._replace(country=None, block=dear.prefix, first=first)

    def victim(self, line: Line) -> tuple[str, str]:
        """The number after the last one, of twenty that the range's holder has."""
        width = next(dear.digits for dear in self.population.network.premium if dear.prefix == line.block)
        return line.operator, f"{line.block}{(line.first + line.used % 20) % 10**width:0{width}d}"

    def talk_ms(self) -> int:
        """Long: it is paid by the minute."""
        return 120_000 + self.about(360_000)


class PbxHacking(TalkingCampaign):
    """A company's exchange calls far countries that it never called, at night, several calls at a time.

    Its own software is shown in `user_agent` by day, and the intruder's dialler by night. Where days have no rhythm it comes
    at any time.
    """

    label = "pbx_hacking"
    share = 0.003
    calls_a_minute = 12.0
    calls_a_line = 400
    ring_ms = (1_000, 6_000)
    answered = 0.7
    released_by = "caller"
    hours = (*range(7), 20, 21, 22, 23)

    def new_line(self) -> Line:
        """A line of an office."""
        which = int(1_000_000_000 * self.rng.random())
        operator, number = self.population.line(self.population.business("office", which))
        return Line(number, "subscriber", None, operator, device=own_device(number[2:]))

    def victim(self, line: Line) -> tuple[str, str]:
        """A number in a far country."""
        network = self.population.network
        return line.operator, self.foreign(network.far if self.rng.random() < 0.5 else network.premium)[1]

    def draft(self) -> Draft:
        """The call, with the name of a program that no office uses."""
        return super().draft()._replace(user_agent="dialler/1.8")

    def talk_ms(self) -> int:
        """Minutes."""
        return 30_000 + self.about(240_000)


class SimBox(TalkingCampaign):
    """Calls from abroad that come out of SIMs at home: 32 SIMs of one holder on four devices in one cell.

    A SIM makes 100 calls a day to ever new numbers and is never called; it is given up after three days. Those who talk are
    honest people, and do it as people do.
    """

    label = "sim_box"
    share = 0.005
    calls_a_minute = 0.07
    calls_a_line = 300
    rotates = True
    seats = 32
    ring_ms = (5_000, 25_000)
    answered = 0.6
    released_by = "callee"
    devices = 4
    told = 64
    """SIMs of each box that its holder had in his name at the start."""

    def __init__(self, population: Population, rng: Random, calls_a_second: float, **adapted: Any) -> None:
        self._boxes = 0
        self._latest: dict[str | None, int] = {}  # SIM of each box, by campaign
        super().__init__(population, rng, calls_a_second, **adapted)

    def new_line(self) -> Line:
        """The first SIM of a box."""
        self._boxes += 1
        operator, block = self._where(self._boxes)
        return self._sim(Line("", "subscriber", None, operator, block, first=self._boxes * _SIMS))

    def next_line(self, line: Line) -> Line:
        """The next SIM of the box: `first` counts them."""
        latest = self._latest[line.campaign] = self._latest.get(line.campaign, line.first) + 1
        return self._sim(line._replace(first=latest, used=0))

    def _where(self, box: int) -> tuple[str, str]:
        """Operator and block of numbers of a box."""
        carriers = self.population.network.carriers
        carrier = carriers[box % len(carriers)]
        blocks = (10_000_000 - ROOM) // BLOCK
        return (
            carrier.operator,
            f"{carrier.prefixes[box // len(carriers) % len(carrier.prefixes)]}{ROOM // BLOCK + box % blocks}",
        )

    def _sim(self, line: Line) -> Line:
        box, which = divmod(line.first, _SIMS)
        number = f"{line.block}{(box * 1_371 + which * 37) % BLOCK:04d}"
        imsi, _, _ = own_device(number[2:])
        imei = f"86000000{box % 10_000 * 10 + which % self.devices:07d}"
        return line._replace(caller=number, device=(imsi, imei, f"401-01-{box * 101 % 4_099:05d}"))

    def victim(self, line: Line) -> tuple[str, str]:
        """Anybody."""
        return self.anyone()

    def talk_ms(self) -> int:
        """As people talk who pay for calls from abroad."""
        return 1_000 + int(min(3_600.0, self.rng.lognormvariate(4.2, 1.1)) * 1000)

    def facts(self, at_ms: int) -> Iterator[SubscriberFact]:
        """Who holds the SIMs, and the device that each was last seen in."""
        for box in range(1, self._boxes + 1):
            operator, block = self._where(box)
            for which in range(self.told):
                line = self._sim(Line("", "subscriber", None, operator, block, first=box * _SIMS + which))
                assert line.device is not None
                told: tuple[tuple[Literal["holder", "device"], str], ...] = (
                    ("holder", f"holder-{box}"), ("device", line.device[1]),
                )  # fmt: skip
                for fact, value in told:
                    yield SubscriberFact(number=line.caller, at=at_ms, fact=fact, value=value, operator=operator)
