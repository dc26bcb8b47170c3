"""Who calls in simulated traffic: operators, subscribers and their acquaintances, business lines, guests abroad.

Nothing is stored a subscriber: number, operator, habits and acquaintances follow from the subscriber's index by
arithmetic, so that tens of millions of lines cost no memory. People live in communities of 150; a member's place in his
community says how much he calls, and acquaintances are members with places near his, so that calls are returned, as they
are among people and are not with fraudsters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import erf, sqrt
from random import Random
from typing import Final, Literal

from streamer.calls.events import ListEntry, ListName, OperatorInfo, SubscriberFact, TrunkInfo
from streamer.lab.network import MINOR, Network

COMMUNITY: Final = 150
"""People in a circle of acquaintances (Dunbar, Journal of Human Evolution 22, 1992)."""

SPREAD: Final = 1.35
"""Standard deviation of the logarithm of how much people call (calls a line: see `docs/lab.md`)."""

_STRIDE = (
    9_973  # prime to any room: index -> subscriber digits is a permutation, neighbours do not get neighbouring numbers
)
_EVERY = 200
_LOCATED, _ROAMER, _PORTED, _ASTRAY, _SWAPPED, _NEW = 3, 7, 11, 13, 17, 19
_OPENED = 2_000
_NEW_DAYS = 40
_PLACES: Final = 4_096
_HABITS: Final = 256
_Side = Literal["caller", "called"]
_OF_BANKS: Final[list[tuple[ListName, _Side]]] = [("protected", "called"), ("allow", "caller")]
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000


def habit(index: int, which: int) -> int:
    """A number from 0 to 255 that follows from a line's index, for its habit number `which`."""
    return ((index + 1) * 2_654_435_761 + which * 2_246_822_519 >> 13) % _HABITS


def _by_activity() -> tuple[int, ...]:
    """Places in a community, each as often as its part of all calls: the Lorenz curve of the lognormal distribution.

    Whoever makes a call drawn at random has the rank Φ(z + σ), z being standard normal (Crow and Shimizu, Lognormal
    Distributions, 1988, on its moment distributions).
    """
    from statistics import NormalDist

    normal = NormalDist()
    found = []
    for which in range(_PLACES):
        z = normal.inv_cdf((which + 0.5) / _PLACES) + SPREAD
        found.append(min(COMMUNITY - 1, int(COMMUNITY * 0.5 * (1 + erf(z / sqrt(2))))))
    return tuple(found)


class Population:
    """All lines of a simulation.

    Parameters
    ----------
    network
        The home country.
    subscribers
        How many mobile lines there are; at most 99 % of the numbers of the carriers' prefixes.
    businesses
        How many lines there are of each kind of business; they follow the subscribers in the numbering.
    """

    def __init__(self, network: Network, subscribers: int, businesses: Mapping[str, int]) -> None:
        self.network = network
        self.subscribers = subscribers
        self.businesses = dict(businesses)
        self.pool = max(1, min(subscribers // _EVERY, 10_000))
        self.marked = self.pool * _EVERY
        """Lines below this index have marks: every 200th roams, another was ported, and so on."""
        self._digits = network.digits
        self._communities = max(1, subscribers // COMMUNITY)
        self._by_activity = _by_activity()
        self._first: dict[str, int] = {}
        reached = subscribers
        for kind, count in self.businesses.items():
            self._first[kind] = reached
            reached += count
        self.lines = reached
        """Lines of honest people and businesses; those of people in ranges that were opened lately follow."""
        self._prefixes = tuple(
            (carrier.operator, prefix)
            for rank in range(max(len(carrier.prefixes) for carrier in network.carriers))
            for carrier in network.carriers
            for prefix in carrier.prefixes[rank : rank + 1]
        )
        self._next = {
            one.operator: other.operator
            for one, other in zip(network.carriers, (*network.carriers[1:], network.carriers[0]), strict=True)
        }
        self.room = 99 * 10 ** (network.digits - 2)
        """Numbers of a prefix that subscribers may have; those above are left to whoever takes a block of them."""
        room = len(self._prefixes) * self.room - sum(self.businesses.values())
        if not _EVERY <= subscribers <= room:
            raise ValueError(f"{subscribers} subscribers; the plan has numbers for {_EVERY} to {room}")

    # lines

    def line(self, index: int) -> tuple[str, str]:
        """Operator and number of mobile line `index`."""
        if index >= self.lines:
            return self._opened(index - self.lines)
        block, which = divmod(index, len(self._prefixes))
        operator, prefix = self._prefixes[which]
        number = f"{prefix}{(block * _STRIDE + which * 1_234_567) % self.room:0{self._digits}d}"
        if index < self.marked and index % _EVERY == _PORTED:
            operator = self._next[operator]
        return operator, number

    def _opened(self, which: int) -> tuple[str, str]:
        carrier = self.network.carriers[which // _OPENED % len(self.network.carriers)]
        return carrier.operator, f"{carrier.prefixes[0]}{10**self._digits - 10_000 + which % _OPENED}"

    def newcomer(self, rng: Random) -> int:
        """Index of a line in the range of ten thousand numbers that each operator opened lately; a fifth of them are given out."""
        return self.lines + int(len(self.network.carriers) * _OPENED * rng.random())

    def caller(self, rng: Random) -> int:
        """Index of a subscriber at home who calls now: some call far more than others."""
        index = int(self._communities * rng.random()) * COMMUNITY + self._by_activity[int(_PLACES * rng.random())]
        if index < self.marked and index % _EVERY in {_ROAMER, _ASTRAY}:
            return index + 1
        return index

    def called(self, rng: Random) -> int:
        """Index of a subscriber at home who is called now, as `caller`; some are never called."""
        index = self.caller(rng)
        while self.is_uncalled(index):
            index = self.caller(rng)
        return index

    @staticmethod
    def is_uncalled(index: int) -> bool:
        """Whether a line is one of the eighth that only calls: alarms, machines, telephones that nobody has the number of."""
        return habit(index, 3) < _HABITS // 8

    def anyone(self, rng: Random) -> int:
        """Index of any subscriber, each as likely."""
        return int(self.subscribers * rng.random())

    def acquaintance(self, index: int, rng: Random) -> int:
        """Index of someone whom subscriber `index` talks with: mostly a few close ones, seldom the far end of the circle."""
        first = index - index % COMMUNITY
        place = index - first
        distance = 1 + int(60 * rng.random() ** 10)
        other = place + (distance if rng.random() < 0.5 else -distance)
        if not 0 <= other < COMMUNITY:
            other = place - (other - place)  # nobody is there: the one on the other side
        other += first
        return other if other < self.subscribers else max(first, index - 1)

    def business(self, kind: str, which: int) -> int:
        """Index of a line of a kind of business."""
        return self._first[kind] + which % self.businesses[kind]

    def is_marked(self, index: int, mark: int) -> bool:
        """Whether a line is one of those with a mark."""
        return index < self.marked and index % _EVERY == mark

    def is_ported(self, index: int) -> bool:
        """Whether a line's number was taken along to another operator; a `network` fact says so."""
        return self.is_marked(index, _PORTED)

    def roamer(self, rng: Random) -> tuple[int, str]:
        """Index of a subscriber who is abroad, and the country he is in."""
        return self._abroad(rng, _ROAMER)

    def astray(self, rng: Random) -> tuple[int, str]:
        """Index of a subscriber who is abroad without a fact that says so, and the country he is in."""
        return self._abroad(rng, _ASTRAY)

    def _abroad(self, rng: Random, mark: int) -> tuple[int, str]:
        which = int(self.pool * rng.random())
        return which * _EVERY + mark, self.network.neighbours[which % len(self.network.neighbours)].country

    def located(self, rng: Random) -> int:
        """Index of a subscriber of whom a `home` location fact is published (those whose numbers spoofers show)."""
        return int(self.pool * rng.random()) * _EVERY + _LOCATED

    def fixed(self, rng: Random) -> str:
        """A fixed line of an operator that reports nothing itself."""
        return self._fixed(int(len(self.network.fixed) * 1_000_000 * rng.random()))

    def usual_fixed(self, index: int, rng: Random) -> str:
        """A fixed line that subscriber `index` talks with: one of his few, but for one call in twenty."""
        draw = rng.random()
        if draw < 0.06:
            return self.fixed(rng)
        return self._fixed(index * 7_919 + int(8 * (draw - 0.06) ** 2 / 0.89) * 104_729)

    def _fixed(self, which: int) -> str:
        place, digits = divmod(which % (len(self.network.fixed) * 1_000_000), 1_000_000)
        return f"{self.network.fixed[place]}{digits:06d}"

    # what operators publish of all that

    def facts(self, at_ms: int) -> Iterator[SubscriberFact]:
        """What operators publish of their lines at `at_ms`: who is at home, who roams where, whose number was ported, whose SIM
        was changed, which lines are old and which new.
        """
        for which in range(self.pool):
            operator, number = self.line(which * _EVERY + _LOCATED)
            yield SubscriberFact(number=number, at=at_ms, fact="location", value="home", operator=operator)
            operator, number = self.line(which * _EVERY + _ROAMER)
            country = self.network.neighbours[which % len(self.network.neighbours)].country
            yield SubscriberFact(
                number=number, at=at_ms, fact="location", value="roaming", country=country, operator=operator
            )
            operator, number = self.line(which * _EVERY + _PORTED)
            yield SubscriberFact(
                number=number, at=at_ms, fact="network", value="ported", owner=operator, operator=operator
            )
            operator, number = self.line(which * _EVERY + _SWAPPED)
            changed = max(0, at_ms - (which * 37 % 2_400) * _HOUR_MS)
            yield SubscriberFact(number=number, at=changed, fact="sim", value="changed", operator=operator)
            yield self._activated(which * _EVERY + _NEW, at_ms, which)
        for which in range(len(self.network.carriers) * _OPENED):
            yield self._activated(self.lines + which, at_ms, which)
        for index in range(self.subscribers, min(self.lines, self.subscribers + 20_000)):
            operator, number = self.line(index)
            since = max(0, at_ms - 365 * _DAY_MS)
            yield SubscriberFact(number=number, at=at_ms, fact="line", value="active", since=since, operator=operator)

    def _activated(self, index: int, at_ms: int, which: int) -> SubscriberFact:
        """That a line was activated in the last weeks."""
        operator, number = self.line(index)
        since = max(0, at_ms - (1 + which * 37 % (24 * _NEW_DAYS)) * _HOUR_MS)
        return SubscriberFact(number=number, at=since, fact="line", value="active", since=since, operator=operator)

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
        """Records of `trunks.v1`: international gateways, transit trunks and a direct trunk from each other operator."""
        found = []
        for carrier in self.network.carriers:
            here = carrier.operator
            for which in range(MINOR + 1):
                ending = f"-{which}" if which else ""
                found += [
                    TrunkInfo(trunk=f"igw-{here}{ending}", operator=here, partner="carrier abroad", kind="international"),
                    TrunkInfo(trunk=f"transit-{here}{ending}", operator=here, partner="transit carrier", kind="transit"),
                ]  # fmt: skip
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

    def lists(self) -> list[ListEntry]:
        """Records of `lists.v1`: banks, to be protected, ranges that are dear to call, log-in services, and resellers."""
        return [
            *(
                ListEntry(list=name, match="exact", number=bank, side=side, why="a bank's number")
                for name, side in _OF_BANKS
                for bank in self.network.banks
            ),
            *(
                ListEntry(list="premium", match="prefix", number=dear.prefix, side="called", why="dear to call")
                for dear in self.network.premium
            ),
            ListEntry(list="allow", match="prefix", number=self.network.login, side="caller", why="log-in by one ring"),
            *(
                ListEntry(list="allow", match="exact", number=self._reseller(which), side="caller", why="a reseller")
                for which in range(self.businesses.get("reseller", 0))
            ),
        ]

    def _reseller(self, which: int) -> str:
        return self.line(self.business("reseller", which))[1]
