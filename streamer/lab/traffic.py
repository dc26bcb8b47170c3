"""Simulated traffic: call events in time order, honest and fraudulent, the same for the same seed.

A pure generator: no clock, no file, no Kafka. It is closed-loop: `Traffic.blocked` tells it that a call was refused,
whereupon that call is not answered and ends within milliseconds with Q.850 cause 21, and some honest people try again.

>>> traffic = Traffic(seed=1, rate=10, seconds=5)
>>> at_ms, event, label = next(iter(traffic))
>>> type(event).__name__
'Setup'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush
from random import Random
from typing import Final

import msgspec

from streamer.calls.events import Answer, CallEvent, End, FraudType, OperatorInfo, Setup, SubscriberFact, TrunkInfo
from streamer.lab.campaigns import Campaign
from streamer.lab.drafts import CENTRES, COURIERS, Draft, honest
from streamer.lab.frauds import CAMPAIGNS
from streamer.lab.population import KAZAKHSTAN, Network, Population
from streamer.lab.truth import Truth

DEFAULT_START_MS: Final = 1_763_953_200_000
"""Begin of simulated time when none is given: 24 November 2025, 03:00 UTC, 8 in the morning in Astana."""

FRAUDS: Final[dict[str, float]] = {campaign.label: campaign.share for campaign in CAMPAIGNS}
"""Default part of all set-ups, by fraud type."""

# fmt: off
RHYTHM: Final = (25, 15, 10, 8, 8, 12, 30, 60, 95, 125, 140, 145,
                 150, 145, 145, 145, 150, 160, 170, 170, 150, 120, 80, 45)
# fmt: on
"""Calls by local hour of day, in hundredths of the mean (background knowledge, to be calibrated on data)."""

LATE: Final = 0.0004
"""Part of the calls between operators whose origination is published after the other operator saw the call come in."""
_LATE_MS: Final = 1_800
_CALLS_A_DAY = 8
_NEVER = float("inf")


class _Call:
    """A call under way: the next of its events is due on the heap under number `due`."""

    __slots__ = ("answered", "begun", "draft", "due", "setup")

    def __init__(self, setup: Setup, draft: Draft) -> None:
        self.setup = setup
        self.draft = draft
        self.due = 0
        self.begun = False
        self.answered = False


class Traffic:
    """An iterator of (time in ms, event, fraud type or None), in order of the time at which each is published, which is its own
    but for a few originations that come late.

    Memory is bounded by the calls under way, which is rate times about 60 s.

    Parameters
    ----------
    seed
        The same seed and parameters (and blocked calls) give the same events.
    rate
        Set-ups a second, the mean of a Poisson process; answers and ends come on top (1 : 0.6 : 1).
    seconds
        How long calls are begun; ends follow until the last. None: for ever.
    start_ms
        Begin of simulated time.
    frauds
        Fraud type to its part of all set-ups; what is not named does not happen. None: `FRAUDS`.
    subscribers
        Mobile lines; by default as many as make 8 calls each a day.
    rhythm
        Let the rate follow the hour of the day.
    network
        The home country.
    """

    def __init__(
        self,
        seed: int,
        rate: float,
        *,
        seconds: float | None = None,
        start_ms: int = DEFAULT_START_MS,
        frauds: Mapping[str, float] | None = None,
        subscribers: int | None = None,
        rhythm: bool = False,
        network: Network = KAZAKHSTAN,
    ) -> None:
        shares = FRAUDS if frauds is None else frauds
        unknown = set(shares) - set(FRAUDS)
        if unknown or rate <= 0 or sum(shares.values()) > 1 or any(share < 0 for share in shares.values()):
            raise ValueError(
                f"unknown fraud types {sorted(unknown)}; known are {sorted(FRAUDS)}"
                if unknown
                else "the rate must be above 0, shares of fraud not below 0 and together at most 1"
            )
        lines = subscribers or min(100_000_000, max(20_000, int(rate * 86_400 / _CALLS_A_DAY)))
        self.population = Population(
            network,
            lines,
            centres=max(10, int(rate * CENTRES * 60)),
            couriers=max(10, int(rate * COURIERS * 60 / 0.3)),
        )
        self.start_ms = start_ms
        self.now_ms = start_ms
        """Time of the event last handed out."""
        self._rate_ms = rate / 1000
        self._rhythm = [share / 100 for share in RHYTHM] if rhythm else []
        self._offset_ms = network.utc_offset_h * 3_600_000
        self._stop_ms = None if seconds is None else start_ms + int(seconds * 1000)
        self._rng = Random(seed)
        self._id = f"{seed:x}.{start_ms:x}"
        self._drafters: list[tuple[float, Callable[[], Draft]]] = []
        reached = 0.0
        for kind in CAMPAIGNS:
            share = shares.get(kind.label, 0.0)
            if share > 0:
                reached += share
                campaign: Campaign = kind(self.population, Random(f"{seed}/{kind.label}"), rate * share)
                self._drafters.append((reached, campaign.draft))
        self._fraud = reached
        self._next_at = float(start_ms)
        self._heap: list[tuple[int, int, _Call]] = []
        self._open: dict[str, _Call] = {}
        self._made = 0
        self._due = 0
        self._arrive()

    # what the simulated operators publish besides calls

    def facts(self) -> Iterator[SubscriberFact]:
        """Facts about lines, fresh at the start."""
        return self.population.facts(self.start_ms)

    def operators(self) -> list[OperatorInfo]:
        """Records of `operators.v1`."""
        return self.population.operators()

    def trunks(self) -> list[TrunkInfo]:
        """Records of `trunks.v1`."""
        return self.population.trunks()

    # the stream of events

    @property
    def under_way(self) -> int:
        """Calls that have begun and not ended."""
        return len(self._open)

    def __iter__(self) -> Iterator[tuple[int, CallEvent, FraudType | None]]:
        return self

    def __next__(self) -> tuple[int, CallEvent, FraudType | None]:
        heap = self._heap
        while True:
            while self._next_at < _NEVER and (not heap or heap[0][0] >= self._next_at):
                if self._stop_ms is not None and self._next_at >= self._stop_ms:
                    self._next_at = _NEVER
                    break
                self._begin()
            if not heap:
                raise StopIteration
            at, due, call = heappop(heap)
            if due == call.due:
                break
        self.now_ms = at
        setup, draft = call.setup, call.draft
        if not call.begun:
            call.begun = True
            self._open[setup.call_id] = call
            after = at + draft.ring_ms
            self._schedule(after if draft.talk_ms else max(after, at + 1), call)
            return at, setup, draft.label
        if draft.talk_ms and not call.answered:
            call.answered = True
            self._schedule(at + draft.talk_ms, call)
            answer = Answer(
                call_id=setup.call_id,
                at=at,
                operator=setup.operator,
                caller=setup.caller,
                callee=setup.callee,
                ring_ms=draft.ring_ms,
                cell=setup.cell,
            )
            return at, answer, draft.label
        del self._open[setup.call_id]
        return at, self._end(call, at), draft.label

    def encoded(self) -> Iterator[tuple[int, str, bytes, FraudType | None]]:
        """The same stream ready to be sent: (time in ms, calling number, JSON, fraud type or None)."""
        encode = msgspec.json.Encoder().encode
        for at, event, label in self:
            yield at, event.caller, encode(event), label

    def truth(self, call_id: str) -> Truth:
        """The truth about a call that is under way; `KeyError` for any other."""
        draft = self._open[call_id].draft
        return Truth(call_id, draft.label, draft.campaign, draft.kind)

    def blocked(self, call_id: str) -> bool:
        """Tell that a call was refused; True if that stopped it, False when it was answered, over or unknown."""
        call = self._open.get(call_id)
        if call is None or call.answered or call.draft.cause == 21:
            return False
        draft = call.draft
        rung = max(0, self.now_ms - call.setup.at)
        call.draft = draft._replace(ring_ms=rung, talk_ms=0, cause=21, released_by="network")
        self._schedule(max(self.now_ms, call.setup.at + 5), call)
        if draft.line >= 0 and draft.label is None and sum(call_id.encode()) % 2:
            self._made += 1
            self._put(self.now_ms + 20_000, draft)
        return True

    def _schedule(self, at: int, call: _Call) -> None:
        self._due += 1
        call.due = self._due
        heappush(self._heap, (at, self._due, call))

    def _arrive(self) -> None:
        rate = self._rate_ms
        if self._rhythm:
            hour, into = divmod((self._next_at + self._offset_ms) / 3_600_000 % 24, 1)
            here, following = self._rhythm[int(hour)], self._rhythm[(int(hour) + 1) % 24]
            rate *= here + (following - here) * into
        self._next_at += self._rng.expovariate(rate)

    def _begin(self) -> None:
        at = int(self._next_at)
        draw = self._rng.random()
        if draw < self._fraud:
            for reached, drafter in self._drafters:
                if draw < reached:
                    draft = drafter()
                    break
        else:
            draft = honest(self.population, self._rng)
        self._made += 1
        late = _LATE_MS * self._rng.random() if draft.sighting and self._rng.random() < LATE else 0.0
        self._put(at, draft, int(late))
        if draft.sighting:
            trunk = f"{draft.operator}-{draft.sighting}"
            ring = max(0, draft.ring_ms - 180)
            seen = draft._replace(operator=draft.sighting, ingress="national", trunk=trunk, line=-1, ring_ms=ring)
            self._made += 1
            self._put(at + 180, seen)
            self._arrive()
        self._arrive()

    def _put(self, at: int, draft: Draft, late_ms: int = 0) -> None:
        """Begin a call; its events are published so much later than they happen."""
        index = draft.line
        own = draft.ingress == "subscriber" and index >= 0
        setup = Setup(
            call_id=f"{self._id}.{self._made:x}@{draft.operator}",
            at=at,
            operator=draft.operator,
            caller=draft.caller,
            callee=draft.callee,
            ingress=draft.ingress,
            trunk=draft.trunk,
            ingress_country=draft.country,
            imsi=f"40101{index:010d}" if own else None,
            imei=f"35693803{index % 10_000_000:07d}" if own else None,
            cell=f"401-01-{index % 4_099:05d}" if own else None,
        )
        self._schedule(at + late_ms, _Call(setup, draft))

    @staticmethod
    def _end(call: _Call, at: int) -> End:
        setup, draft = call.setup, call.draft
        return End(
            call_id=setup.call_id,
            at=at,
            operator=setup.operator,
            caller=setup.caller,
            callee=setup.callee,
            ring_ms=draft.ring_ms,
            talk_ms=draft.talk_ms,
            cause=draft.cause,
            released_by=draft.released_by,
            cell=setup.cell,
        )
