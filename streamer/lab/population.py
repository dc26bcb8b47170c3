"""Who calls in simulated traffic: operators, subscribers and their acquaintances, business lines, guests abroad.

Nothing is stored a subscriber: number, operator and acquaintances follow from the subscriber's index by arithmetic, so
that tens of millions of lines cost no memory. Acquaintance is mutual (index plus or minus a distance inside a community
of 150), so that calls are returned, as they are among people and are not with fraudsters.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from streamer.calls.events import OperatorInfo, SubscriberFact, TrunkInfo


class Carrier(NamedTuple):
    """A mobile operator that reports calls: its id, its name and the prefixes of its own numbers (7 more digits)."""

    operator: str
    name: str
    prefixes: tuple[str, ...]


class Foreign(NamedTuple):
    """Numbers of another country: its code, a prefix that is in use there and how many digits follow it."""

    country: str
    prefix: str
    digits: int


class Network(NamedTuple):
    """The home country of a simulation.

    `fixed` prefixes are followed by 6 digits; numbers that begin with one of `vacant` (7 more digits) are in no plan.
    """

    country: str
    carriers: tuple[Carrier, ...]
    fixed: tuple[str, ...]
    vacant: tuple[str, ...]
    neighbours: tuple[Foreign, ...]
    far: tuple[Foreign, ...]
    utc_offset_h: int


KAZAKHSTAN: Final = Network(
    country="KZ",
    carriers=(
        Carrier("op-a", "Operator A", ("+7701", "+7702", "+7775", "+7778")),
        Carrier("op-b", "Operator B", ("+7705", "+7771", "+7776", "+7777")),
        Carrier("op-c", "Operator C", ("+7700", "+7707", "+7708", "+7747")),
    ),
    fixed=("+77272", "+77172", "+77212", "+77252"),
    vacant=("+7703", "+7704", "+7709", "+7772"),
    neighbours=(
        Foreign("RU", "+7916", 7),
        Foreign("UZ", "+99890", 7),
        Foreign("TR", "+90532", 7),
        Foreign("CN", "+86138", 8),
        Foreign("DE", "+49151", 8),
        Foreign("GB", "+447400", 6),
    ),
    far=(Foreign("TN", "+21629", 6), Foreign("CU", "+535", 7), Foreign("LV", "+3712", 7)),
    utc_offset_h=5,
)
"""Numbering of Kazakhstan as libphonenumber knows it; the operators are invented."""

COMMUNITY: Final = 150
"""People in a circle of acquaintances (Dunbar, Journal of Human Evolution 22, 1992)."""

_STRIDE = 9_973  # prime to 10: index -> subscriber digits is a permutation, neighbours do not get neighbouring numbers
_ROAMER, _LOCATED, _EVERY = 7, 3, 200


class Population:
    """All lines of a simulation.

    Parameters
    ----------
    network
        The home country.
    subscribers
        How many mobile lines there are; at most 10 million a prefix.
    centres, couriers
        How many business lines there are: conversational ones (banks, call centres, clinics) and brief ones (couriers,
        taxis). They follow the subscribers in the numbering.
    """

    def __init__(self, network: Network, subscribers: int, centres: int, couriers: int) -> None:
        self.network = network
        self.subscribers = subscribers
        self.centres = centres
        self.couriers = couriers
        self.pool = max(1, min(subscribers // _EVERY, 10_000))
        self._prefixes = tuple(
            (carrier.operator, prefix)
            for rank in range(max(len(carrier.prefixes) for carrier in network.carriers))
            for carrier in network.carriers
            for prefix in carrier.prefixes[rank : rank + 1]
        )
        room = len(self._prefixes) * 10_000_000
        if not _EVERY <= subscribers <= room - centres - couriers:
            raise ValueError(
                f"{subscribers} subscribers; the plan has numbers for {_EVERY} to {room - centres - couriers}"
            )

    def line(self, index: int) -> tuple[str, str]:
        """Operator and number of mobile line `index`."""
        block, which = divmod(index, len(self._prefixes))
        operator, prefix = self._prefixes[which]
        return operator, f"{prefix}{(block * _STRIDE + which * 1_234_567) % 10_000_000:07d}"

    def someone(self, rng: Random) -> int:
        """Index of a subscriber at home; some call more than others."""
        index = int(self.subscribers * rng.random() ** 1.5)
        return index + 1 if index % _EVERY == _ROAMER else index

    def acquaintance(self, index: int, rng: Random) -> int:
        """Index of someone whom subscriber `index` calls: mostly a few close ones, seldom the far end of the circle."""
        distance = 1 + int(74 * rng.random() ** 3)
        first = index - index % COMMUNITY
        other = first + (index - first + (distance if rng.random() < 0.5 else -distance)) % COMMUNITY
        return other if other < self.subscribers else first

    def roamer(self, rng: Random) -> tuple[int, str]:
        """Index of a subscriber who is abroad, and the country he is in."""
        which = int(self.pool * rng.random())
        return which * _EVERY + _ROAMER, self.network.neighbours[which % len(self.network.neighbours)].country

    def located(self, rng: Random) -> int:
        """Index of a subscriber of whom a `home` location fact is published (those whose numbers spoofers show)."""
        return int(self.pool * rng.random()) * _EVERY + _LOCATED

    def centre(self, rng: Random) -> int:
        """Index of a conversational business line."""
        return self.subscribers + int(self.centres * rng.random())

    def courier(self, rng: Random) -> int:
        """Index of a brief business line."""
        return self.subscribers + self.centres + int(self.couriers * rng.random())

    def fixed(self, rng: Random) -> str:
        """A fixed line of an operator that reports nothing itself."""
        prefixes = self.network.fixed
        return f"{prefixes[int(len(prefixes) * rng.random())]}{int(1_000_000 * rng.random()):06d}"

    def facts(self, at_ms: int) -> Iterator[SubscriberFact]:
        """What operators publish of their lines at `at_ms`: who is at home, who roams where, which lines are old."""
        month_ms = 30 * 86_400_000
        for which in range(self.pool):
            operator, number = self.line(which * _EVERY + _LOCATED)
            yield SubscriberFact(number=number, at=at_ms, fact="location", value="home", operator=operator)
            operator, number = self.line(which * _EVERY + _ROAMER)
            country = self.network.neighbours[which % len(self.network.neighbours)].country
            yield SubscriberFact(
                number=number, at=at_ms, fact="location", value="roaming", country=country, operator=operator
            )
        for index in range(self.subscribers, self.subscribers + min(self.centres + self.couriers, 20_000)):
            operator, number = self.line(index)
            since = max(0, at_ms - 12 * month_ms)
            yield SubscriberFact(number=number, at=at_ms, fact="line", value="active", since=since, operator=operator)

    def operators(self) -> list[OperatorInfo]:
        """Records of `operators.v1`."""
        return [
            OperatorInfo(
                operator=carrier.operator,
                name=carrier.name,
                ranges=list(carrier.prefixes),
                publishes_originations=True,
                publishes_locations=True,
            )
            for carrier in self.network.carriers
        ]

    def trunks(self) -> list[TrunkInfo]:
        """Records of `trunks.v1`: an international gateway, a transit trunk and a direct trunk from each other operator."""
        found = []
        for carrier in self.network.carriers:
            here = carrier.operator
            found.append(
                TrunkInfo(trunk=f"igw-{here}", operator=here, partner="international carrier", kind="international")
            )
            found.append(TrunkInfo(trunk=f"transit-{here}", operator=here, partner="transit carrier", kind="transit"))
            found.extend(
                TrunkInfo(
                    trunk=f"{other.operator}-{here}",
                    operator=here,
                    partner=other.operator,
                    kind="direct",
                    ranges=list(other.prefixes),
                )
                for other in self.network.carriers
                if other.operator != here
            )
        return found
