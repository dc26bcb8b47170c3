"""Call events into Kafka at a set pace, and the decisions on them read back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from streamer.errors import DeliveryError, ReplayError, TransportError
from streamer.kafka import clients
from streamer.kafka.topics import Topics, dead_letter
from streamer.lab.control import Control
from streamer.lab.ordering import Message
from streamer.lab.replay import Summary
from streamer.settings import Settings

IN_FLIGHT: Final = 100_000
"""Set-ups published and not yet decided, at most: what is remembered of a replay."""

_METADATA_S: Final = 10.0
_CLOCK_S: Final = 0.001


class Publisher:
    """One replay into Kafka. Decisions are those that arrive after this was made.

    Parameters
    ----------
    settings
        Where the brokers are, and how many partitions there are.
    speed
        Seconds of history in a second; infinity: as fast as it goes.
    read_back
        Read the decisions; without it nobody waits for a worker.
    patience_s
        How long no decision may come, once something waits for one, before the rest is given up as undecided.
    decided
        Called with each decision on one of our set-ups, as bytes and as a dictionary.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        speed: float = float("inf"),
        read_back: bool = True,
        patience_s: float = 30.0,
        decided: Callable[[bytes, dict[str, Any]], object] = lambda *_: None,
        progress: Callable[[Summary], object] = lambda _: None,
    ) -> None:
        self._topics = Topics(settings)
        self._producer: Producer = clients.producer(settings, **{"linger.ms": 2})
        self._speed = speed
        self._patience_s = patience_s
        self._decided = decided
        self._progress = progress
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._ranges: dict[int, list[int]] = {}
        self._letters: list[tuple[int, int]] = []
        self._failed: str | None = None
        self._heard = 0.0
        self._gave_up = False
        self.summary = Summary()
        self._reader = self._behind_the_last(settings) if read_back else None

    def control(self, records: Iterable[Control]) -> int:
        """Publish what the operators publish beside calls; returns when the brokers have it. Gives the number of records.

        Raises `ReplayError` for a kind without a topic.
        """
        named = {self._topics.kind(topic): topic for topic in (*self._topics.control, *self._topics.facts)}
        count = 0
        for kind, key, value in records:
            if kind not in named:
                raise ReplayError(f"control record {key!r}: kind {kind!r} is none of {', '.join(sorted(named))}")
            self._produce(named[kind], key, value)
            count += 1
        self._flush()
        return count

    def run(self, messages: Iterable[Message]) -> Summary:
        """Publish all messages and wait for the decisions. Raises `DeliveryError` when the brokers do not take one."""
        began: tuple[float, int] | None = None
        for message in messages:
            now = time.monotonic()
            if began is None:
                began = (now, message.at)
            due = began[0] + (message.at - began[1]) / 1000 / self._speed
            while (wait := due - time.monotonic()) > 0:
                self._serve(min(wait, _CLOCK_S))
            self._produce(self._topics.calls, message.key, message.value, self._delivered)
            self.summary.published += 1
            if message.call is not None:
                self.summary.setups += 1
                if self._reader is not None and not self._gave_up:
                    self._waiting[message.call] += 1
                    if len(self._waiting) == 1:
                        self._heard = time.monotonic()
            if self.summary.published % 256 == 0:
                self._serve(0)
                while len(self._waiting) >= IN_FLIGHT and not self._gave_up:
                    self._serve(_CLOCK_S)
        self._flush()
        while self._reader is not None and self._waiting and not self._gave_up:
            self._serve(0.05)
        self._serve(0)
        self._count_letters()
        self._progress(self.summary)
        return self.summary

    def close(self) -> None:
        """Let go of the reader."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _behind_the_last(self, settings: Settings) -> Consumer:
        reader = clients.consumer(settings, f"{settings.group}-replay", **{"fetch.wait.max.ms": 10})
        wanted = [(self._topics.decisions, partition) for partition in range(settings.partitions)]
        wanted.append((dead_letter(self._topics.calls), 0))
        try:
            places = [
                TopicPartition(*place, reader.get_watermark_offsets(TopicPartition(*place), timeout=_METADATA_S)[1])
                for place in wanted
            ]
        except KafkaException as error:
            reader.close()
            raise TransportError(
                f"{self._topics.decisions} cannot be read at {settings.bootstrap}: {error.args[0].str()};"
                " `streamer worker` or `streamer broker start` makes the topics"
            ) from None
        reader.assign(places)
        return reader

    def _produce(self, topic: str, key: str, value: bytes | None, told: Callable[..., None] | None = None) -> None:
        while True:
            try:
                self._producer.produce(topic, key=key, value=value, on_delivery=told or self._checked)
            except BufferError:
                self._producer.poll(0.01)
            except KafkaException as error:
                raise DeliveryError(f"{topic}: {error.args[0].str()}") from None
            else:
                break

    def _checked(self, error: Any, record: Any) -> None:
        if error is not None:
            self._failed = f"{record.topic()}: {error.str()}"

    def _delivered(self, error: Any, record: Any) -> None:
        if error is not None:
            self._failed = f"{record.topic()}: {error.str()}"
            return
        ours = self._ranges.setdefault(record.partition(), [record.offset(), record.offset()])
        ours[1] = max(ours[1], record.offset())

    def _flush(self) -> None:
        while self._producer.flush(0.1):
            self._serve(0)
        self._raise_failed()

    def _raise_failed(self) -> None:
        if self._failed is not None:
            raise DeliveryError(f"a message was not delivered: {self._failed}")

    def _serve(self, wait_s: float) -> None:
        """Delivery reports, decisions, progress; takes about `wait_s`."""
        self._producer.poll(0)
        self._raise_failed()
        if self._reader is None:
            time.sleep(wait_s)
        else:
            record = self._reader.poll(wait_s)
            if record is not None:
                for each in (record, *self._reader.consume(2_000, 0)):
                    self._take(each)
            if self._waiting and time.monotonic() - self._heard > self._patience_s:
                self._gave_up = True
                self._waiting.clear()
        self._progress(self.summary)

    def _take(self, record: Any) -> None:
        if record.error() is not None:
            raise TransportError(f"decisions cannot be read: {record.error().str()}")
        if record.topic() != self._topics.decisions:
            headers = {name: value for name, value in record.headers() or [] if value is not None}
            if headers.get("source.topic") == self._topics.calls.encode():
                self._letters.append((int(headers["source.partition"]), int(headers["source.offset"])))
            return
        value: bytes = record.value()
        decision: dict[str, Any] = orjson.loads(value)
        call = (decision["operator"], decision["call_id"])
        if self._waiting[call] <= 0:
            del self._waiting[call]
            return
        self._waiting[call] -= 1
        if not self._waiting[call]:
            del self._waiting[call]
        self._heard = time.monotonic()
        self.summary.decided += 1
        self.summary.actions[decision["action"]] += 1
        self._decided(value, decision)

    def _count_letters(self) -> None:
        for partition, offset in self._letters:
            ours = self._ranges.get(partition)
            if ours is not None and ours[0] <= offset <= ours[1]:
                self.summary.dead_letters += 1
