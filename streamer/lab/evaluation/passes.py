"""Calls through engines side by side: simulated ones that hear what became of them, and records of calls that are over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from streamer.calls.events import Setup
from streamer.calls.numbers import caller_key, home_plan
from streamer.calls.partitioner import partition_of
from streamer.lab.evaluation.verdicts import Judge, Verdict
from streamer.lab.ordering import Message
from streamer.lab.traffic import Traffic
from streamer.lab.truth import Truth
from streamer.records import Batch

REACT_MS: Final = 50
"""Simulated calls hear what was decided within so much time: what a verdict may take at the 99th percentile."""
HEAR_MS: Final = 250
"""Records are judged once their time has moved on so far, however few they are: a signal lasts for half a minute, and would be over
before a batch of sparse calls is full. It is heard so much too early or too late at most.
"""


class Side:
    """Engines that judge the same records, and the records that are waiting to be judged."""

    def __init__(self, judges: Sequence[Judge], partitions: int, batch_records: int) -> None:
        self._judges = judges
        self.partitions = partitions
        self._most = batch_records
        self._places = [0] * partitions
        self._batch = Batch([], [], [], [], [])
        self.events = 0
        """Records taken in."""

    @property
    def full(self) -> bool:
        """Whether a batch is complete."""
        return len(self._batch.values) >= self._most

    def add(self, key: str, at: int, value: bytes) -> None:
        """A record that was appended at this time."""
        partition = partition_of(key.encode(), self.partitions) if self.partitions > 1 else 0
        batch = self._batch
        batch.partitions.append(partition)
        batch.offsets.append(self._places[partition])
        batch.append_ms.append(at)
        batch.values.append(value)
        batch.rekeyed.append(False)
        self._places[partition] += 1
        self.events += 1

    def judge(self, now_ms: int) -> list[str]:
        """Have the batch judged by all; gives the calls that the first one blocks."""
        if not self._batch.values:
            return []
        blocked = [judge.judge(self._batch, now_ms) for judge in self._judges]
        self._batch = Batch([], [], [], [], [])
        return blocked[0]

    def verdicts(self, now_ms: int | None) -> Iterator[tuple[Verdict, ...]]:
        """The verdicts of all on each set-up, in order, as far as they stand by now; None: however they are."""
        first = self._judges[0]
        while first.left() and (now_ms is None or all(judge.settled(now_ms) for judge in self._judges)):
            yield tuple(judge.take() for judge in self._judges)


def simulated(
    traffic: Traffic, side: Side, home: str, tell: Callable[[int], object] = lambda _: None
) -> Iterator[tuple[Truth, tuple[Verdict, ...]]]:
    """The truth and the verdicts on each set-up of the traffic, which hears what the first engine blocks.

    `tell` is called with the simulated time, in ms, after each batch.
    """
    plan = home_plan(home)
    encode = msgspec.json.Encoder().encode
    truths: dict[str, Truth] = {}
    first = now = 0

    def judged() -> Iterator[tuple[Truth, tuple[Verdict, ...]]]:
        for call_id in side.judge(now):
            traffic.blocked(call_id)
        for verdicts in side.verdicts(now):
            yield truths.pop(verdicts[0].said.call_id), verdicts
        tell(now)

    for at, event, _ in traffic:
        if at - first >= REACT_MS or side.full:
            yield from judged()
            first = at
        now = at
        if isinstance(event, Setup):
            truths[event.call_id] = traffic.truth(event.call_id)
        key = caller_key(event.caller, event.asserted, event.callee, plan) if side.partitions > 1 else ""
        side.add(key, at, encode(event))
    yield from judged()
    for verdicts in side.verdicts(None):
        yield truths.pop(verdicts[0].said.call_id), verdicts


def recorded(
    messages: Iterable[Message], side: Side, tell: Callable[[int], object] = lambda _: None
) -> Iterator[tuple[Verdict, ...]]:
    """The verdicts on each set-up of the records, whose calls were over before anybody judged them; signals are heard as they go.

    `tell` is called with the records judged so far after each batch.
    """
    latest = first = 0
    for message in messages:
        if message.at - first >= HEAR_MS or side.full:
            side.judge(latest)
            yield from side.verdicts(latest)
            tell(side.events)
            first = max(latest, message.at)
        latest = max(latest, message.at)
        side.add(message.key, latest, message.value)
    side.judge(latest)
    yield from side.verdicts(None)
    tell(side.events)
