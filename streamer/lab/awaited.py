"""The decisions on what a replay has published, read back from Kafka."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
from confluent_kafka import Consumer, TopicPartition

from streamer.calls.events import SAME_CALL_MS
from streamer.errors import TransportError
from streamer.kafka import clients
from streamer.kafka.groups import shares
from streamer.kafka.headers import headers_of
from streamer.kafka.topics import Topics, dead_letter
from streamer.lab.already import bounds
from streamer.lab.replay import Summary
from streamer.settings import Settings

Call = tuple[str, str]


class Heard(msgspec.Struct):
    """How far decisions were read: the next offset of each (topic, partition), set-ups not decided yet with how many times
    and at what time they were asked, dead letters of calls, and who shared the partitions at the first decision.
    """

    offsets: dict[tuple[str, int], int] = {}
    waiting: dict[Call, tuple[int, int]] = {}
    letters: list[tuple[int, int]] = []
    sharing: list[tuple[int, str]] | None = None


class Awaited:
    """Set-ups that wait for their decision, and a reader of the decisions.

    Parameters
    ----------
    decided
        Called with each decision on one of our set-ups, as bytes and as a dictionary.
    leaders_s
        How long topics that were made a moment ago may have no leader.
    heard
        What an earlier one had read, to go on there; None: decisions are those that arrive after this was made.
    """

    def __init__(
        self,
        settings: Settings,
        summary: Summary,
        decided: Callable[[bytes, dict[str, Any]], object],
        *,
        leaders_s: float,
        heard: Heard | None = None,
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings)
        self._summary = summary
        self._decided = decided
        heard = Heard() if heard is None else heard
        self._waiting: Counter[Call] = Counter({call: times for call, (times, _) in heard.waiting.items()})
        self._asked_at = {call: at for call, (_, at) in heard.waiting.items()}
        self._letters = heard.letters
        self._sharing = frozenset(heard.sharing) if heard.sharing is not None else None
        self._early: dict[Call, list[bytes]] | None = None
        self._offsets = heard.offsets
        self.gave_up = False
        """Whether calls without a decision are waited for no more."""
        self.heard_s = 0.0
        """When the last decision came, by the monotonic clock."""
        self._reader = self._behind(leaders_s)

    def _behind(self, leaders_s: float) -> Consumer:
        reader = clients.consumer(self._settings, f"{self._settings.group}-replay", **{"fetch.wait.max.ms": 10})
        places = [TopicPartition(self._topics.decisions, number) for number in range(self._settings.partitions)]
        places.append(TopicPartition(dead_letter(self._topics.calls), 0))
        until = time.monotonic() + leaders_s
        try:
            for place in places:
                self._seat(place, bounds(reader, place, until, self._settings))
        except TransportError:
            reader.close()
            raise
        reader.assign(places)
        return reader

    def _seat(self, place: TopicPartition, held: tuple[int, int]) -> None:
        """Let reading begin where it ended, else at the end."""
        first, last = held
        place.offset = self._offsets.setdefault((place.topic, place.partition), last)
        if not first <= place.offset <= last:
            raise TransportError(
                f"{place.topic}, partition {place.partition}: to go on from offset {place.offset}, but the log holds {first} to"
                f" {last}: its records are gone (`retention_h` keeps them longer), or the topic was made anew; begin anew"
            )

    @property
    def waiting(self) -> int:
        """Calls without a decision."""
        return len(self._waiting)

    def heard(self) -> Heard:
        """How far decisions were read."""
        waiting = {call: (times, self._asked_at[call]) for call, times in self._waiting.items()}
        sharing = sorted(self._sharing) if self._sharing is not None else None
        return Heard(self._offsets, waiting, self._letters, sharing)

    def ask(self, call: Call, at: int) -> None:
        """Wait for a decision on this call."""
        if self.gave_up:
            return
        self._waiting[call] += 1
        self._asked_at[call] = at
        if self._early:
            for value in self._early.pop(call, ()):
                self._answered(call, value, orjson.loads(value))

    def keep_early(self, *, keep: bool) -> None:
        """Whether decisions are kept that come before their call is asked for, as those on calls published earlier do."""
        self._early = (self._early or {}) if keep else None

    def give_up(self) -> None:
        """Wait no more for calls without a decision."""
        self.gave_up = True
        self._waiting.clear()
        self._asked_at.clear()

    def read(self, wait_s: float) -> None:
        """Take the decisions that have come, waiting that long for the first."""
        record = self._reader.poll(wait_s)
        if record is not None:
            for each in (record, *self._reader.consume(2_000, 0)):
                self._take(each)

    def _take(self, record: Any) -> None:
        if record.error() is not None:
            raise TransportError(f"{record.topic()} cannot be read any more: {record.error().str()}")
        self._offsets[record.topic(), record.partition()] = record.offset() + 1
        if record.topic() != self._topics.decisions:
            headers = {name: value for name, value in headers_of(record) if value is not None}
            if headers.get("source.topic") == self._topics.calls.encode():
                self._letters.append((int(headers["source.partition"]), int(headers["source.offset"])))
            return
        value: bytes = record.value()
        decision: dict[str, Any] = orjson.loads(value)
        call = (decision["operator"], decision["call_id"])
        if self._waiting[call] > 0:
            self._answered(call, value, decision)
            return
        del self._waiting[call]
        if self._early is not None:
            self._early.setdefault(call, []).append(value)

    def _answered(self, call: Call, value: bytes, decision: dict[str, Any]) -> None:
        if self._waiting[call] <= 0:
            del self._waiting[call]
            return
        summary = self._summary
        if abs(decision["at"] - self._asked_at[call]) > SAME_CALL_MS:
            summary.clamped += 1
        self._waiting[call] -= 1
        if not self._waiting[call]:
            del self._waiting[call], self._asked_at[call]
        self.heard_s = time.monotonic()
        if not summary.decided:
            self._sharing = self._shares()
        summary.decided += 1
        summary.actions[decision["action"]] += 1
        self._decided(value, decision)

    def count(self, ranges: dict[int, list[int]]) -> None:
        """Count the dead letters of what lies in these first and last offsets by partition, and partitions that moved."""
        for partition, offset in self._letters:
            ours = ranges.get(partition)
            if ours is not None and ours[0] <= offset <= ours[1]:
                self._summary.dead_letters += 1
        before, after = self._sharing, self._shares() if self._sharing is not None else None
        if before is not None and after is not None:
            self._summary.moved = len({partition for partition, _ in before ^ after})

    def _shares(self) -> frozenset[tuple[int, str]] | None:
        return shares(self._settings, self._settings.group, self._topics.calls)

    def close(self) -> None:
        """Let go of the reader."""
        self._reader.close()
