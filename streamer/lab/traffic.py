"""Simulated traffic: call events in time order, honest and fraudulent, the same for the same seed.

A pure generator: no clock, no file, no Kafka. It is closed-loop: `Traffic.blocked` tells it that a call was refused,
whereupon that call is not answered and ends within milliseconds with Q.850 cause 21, and some honest people try again.

>>> traffic = Traffic(seed=1, rate=10, seconds=5)
>>> at_ms, event, label = next(iter(traffic))
>>> type(event).__name__
'Setup'
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from itertools import accumulate, chain
from math import log
from random import Random
from typing import Final

import msgspec

from streamer.calls.events import CallEvent, FraudType, ListEntry, OperatorInfo, Setup, SubscriberFact, TrunkInfo
from streamer.lab.adversaries import campaign, checked
from streamer.lab.calls import Call
from streamer.lab.drafts import Draft, Planned, device_of
from streamer.lab.frauds import CAMPAIGNS
from streamer.lab.honest import Honest
from streamer.lab.honest.businesses import lines_needed
from streamer.lab.network import KAZAKHSTAN, Network
from streamer.lab.population import Population
from streamer.lab.publishers import PUBLISHERS, Publishers
from streamer.lab.rhythm import busy, factor, hour_of
from streamer.lab.truth import Truth

DEFAULT_HOUR: Final = 8
DEFAULT_START_MS: Final = 1_763_953_200_000
"""Begin of simulated time when none is given: Monday, 24 November 2025, 03:00 UTC, 8 in the morning in Astana."""

FRAUDS: Final[dict[str, float]] = {campaign.label: campaign.share for campaign in CAMPAIGNS}
"""Default part of all set-ups, by fraud type."""

CALLS_A_DAY: Final = 5
"""Set-ups that a mobile line makes or gets in a day, by which the number of lines is chosen (100 to 150 million attempts a day
among 25 million lines in Kazakhstan, and the Sichuan subscribers' 3.5 answered ones)."""
_NEVER = float("inf")

Published = tuple[int, CallEvent, FraudType | None]
"""When an event is published in ms, the event, and the fraud type of its call."""


class Traffic:
    """An iterator of (time in ms, event, fraud type or None), in order of the time at which each is published, which is its own
    but for what publishers do to it.

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
        Campaigns (see `streamer.lab.adversaries`) and their part of all set-ups; what is not named does not happen. None:
        `FRAUDS`.
    subscribers
        Mobile lines; by default as many as make 5 calls each a day.
    rhythm
        Let the rate and what is called follow the hour of the day and the day of the week.
    network
        The home country.
    publishers
        How well operators publish.
    shard
        Which part of the traffic this is, of how many: honest calls are shared evenly, all fraud is in the first.
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
        publishers: Publishers = PUBLISHERS["good"],
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        shares = checked(FRAUDS if frauds is None else frauds)
        which, parts = shard
        if rate <= 0 or sum(shares.values()) * parts > 1:
            raise ValueError("the rate must be above 0, and all fraud has to fit into one of the parts")
        lines = subscribers or min(100_000_000, max(20_000, int(rate * 86_400 / CALLS_A_DAY)))
        self.population = Population(network, lines, lines_needed(rate, rhythm=rhythm))
        self.start_ms = start_ms
        self.now_ms = start_ms
        """Time at which the event last handed out is published."""
        self._publishers = publishers
        self.rate = rate
        """Set-ups a second, of all shards together."""
        self._rate_ms = rate / 1000 / parts
        self._rhythm = rhythm
        self._offset_ms = network.utc_offset_h * 3_600_000
        self.stop_ms = None if seconds is None else start_ms + int(seconds * 1000)
        """When the last call begins; None: never."""
        part = f".{which}" if parts > 1 else ""
        rng = Random(f"{seed}{part}")
        self._random = rng.random
        self._luck = Random(f"{seed}/luck{part}").random
        self._id = f"{seed:x}.{start_ms:x}{part}"
        self._honest = Honest(self.population, rng, rhythm=rhythm)
        named = {name: share for name, share in shares.items() if share > 0 and which == 0}
        self._campaigns = [
            campaign(name, self.population, Random(f"{seed}/{name}"), rate * share) for name, share in named.items()
        ]
        self._reached = [
            list(accumulate(parts * share * factor(each.hours, hour) for each, share in zip(self._campaigns, named.values(), strict=True)))
            for hour in (range(24) if rhythm else (None,))
        ]  # fmt: skip
        self._next_at = float(start_ms)
        self._heap: list[tuple[int, int, Call]] = []
        self._open: dict[str, Call] = {}
        self._made = 0
        self._ahead = 0  # honest set-ups that followed of others, and each take the place of one
        self._due = 0
        self._arrive()
        self._events = self._stream()

    # what the simulated operators and administrators publish besides calls

    def facts(self) -> Iterator[SubscriberFact]:
        """Facts about lines, fresh at the start."""
        return chain(self.population.facts(self.start_ms), *(each.facts(self.start_ms) for each in self._campaigns))

    def operators(self) -> list[OperatorInfo]:
        """Records of `operators.v1`."""
        return self.population.operators()

    def trunks(self) -> list[TrunkInfo]:
        """Records of `trunks.v1`."""
        return self.population.trunks()

    def lists(self) -> list[ListEntry]:
        """Records of `lists.v1`."""
        return [*self.population.lists(), *chain.from_iterable(each.lists() for each in self._campaigns)]

    # the stream of events

    @property
    def under_way(self) -> int:
        """Calls that have begun and not ended."""
        return len(self._open)

    def __iter__(self) -> Iterator[Published]:
        return self._events

    def __next__(self) -> Published:
        return next(self._events)

    def _stream(self) -> Iterator[Published]:
        heap, calls = self._heap, self._open
        lost_answers, kept_ends = self._publishers.lost_answers, 1 - self._publishers.lost_ends
        while True:
            while not heap or heap[0][0] >= self._next_at:
                if self._next_at == _NEVER:
                    return
                if self.stop_ms is not None and self._next_at >= self.stop_ms:
                    self._next_at = _NEVER
                    continue
                self._begin()
            at, due, call = heappop(heap)
            if due != call.due:
                continue
            self.now_ms = at
            draft = call.draft
            if not call.begun:
                call.begun = True
                setup = call.setup
                calls[setup.call_id] = call
                ring_ms = draft.ring_ms
                self._schedule(at + ring_ms if ring_ms or draft.talk_ms else at + 1, call)
                yield at, setup, draft.label
            elif draft.talk_ms and not call.answered:
                call.answered = True
                self._schedule(at + draft.talk_ms, call)
                if call.luck >= lost_answers:
                    yield at, call.answer(at), draft.label
            else:
                del calls[call.setup.call_id]
                if call.luck < kept_ends:
                    yield at, call.end(at), draft.label
                if draft.back is not None and draft.cause != 21:
                    self._follow(at, [draft.back])

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
            self._put(self.now_ms + 20_000, draft)
        return True

    def _schedule(self, at: int, call: Call) -> None:
        self._due += 1
        call.due = self._due
        heappush(self._heap, (at, self._due, call))

    def _arrive(self) -> None:
        rate = self._rate_ms
        if self._rhythm:
            rate *= busy(self._next_at + self._offset_ms)
        self._next_at -= log(1.0 - self._random()) / rate

    def _begin(self) -> None:
        at = int(self._next_at)
        hour = hour_of(at + self._offset_ms) if self._rhythm else 0
        reached = self._reached[hour]
        draw = self._random()
        if reached and draw < reached[-1]:
            planned = self._campaigns[bisect(reached, draw)].planned()
        elif self._ahead:
            self._ahead -= 1
            planned = []
        else:
            planned = self._honest.planned(at, hour)
            self._ahead -= 1
        self._follow(at, planned)
        self._arrive()

    def _follow(self, at: int, planned: Planned) -> None:
        for wait, draft in planned:
            if self.stop_ms is None or at + wait < self.stop_ms:
                self._ahead += draft.label is None
                self._put(at + wait, draft)

    def _put(self, at: int, draft: Draft) -> None:
        """Begin a call, and its second sighting if there is one."""
        late = 0
        if draft.sighting:
            if self._random() < self._publishers.late:
                late = int(self._publishers.late_ms * self._random())
            own = draft.ingress == "subscriber"
            trunk = f"{draft.operator}-{draft.sighting}" if own else f"transit-{draft.sighting}"
            ring = max(0, draft.ring_ms - 180)
            self._report(
                at + 180,
                draft._replace(operator=draft.sighting, ingress="national", trunk=trunk, line=-1, ring_ms=ring),
            )
            self._ahead += 1
        self._report(at, draft, late)

    def _report(self, at: int, draft: Draft, late_ms: int = 0) -> None:
        """One operator's report of a call; its events are published so much later than they happen."""
        operator = draft.operator
        self._made += 1
        imsi, imei, cell = device_of(draft)
        skew, lag = self._publishers.clock(operator)
        setup = Setup(
            call_id=f"{self._id}.{self._made:x}@{operator}",
            at=at + skew,
            operator=operator,
            caller=draft.caller,
            callee=draft.callee,
            ingress=draft.ingress,
            trunk=draft.trunk,
            ingress_country=draft.country,
            diverted_from=draft.diverted_from,
            imsi=imsi,
            imei=imei,
            cell=cell,
            user_agent=draft.user_agent,
        )
        self._schedule(at + lag + late_ms, Call(setup, draft, skew - lag, self._luck()))
