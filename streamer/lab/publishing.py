"""Call events into Kafka at a set pace, and the decisions on them read back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from streamer.calls.events import SAME_CALL_MS
from streamer.errors import DeliveryError, ReplayError, TransportError
from streamer.kafka import clients, topics
from streamer.kafka.groups import shares
from streamer.kafka.headers import headers_of
from streamer.kafka.topics import Topics, dead_letter
from streamer.lab.control import Control
from streamer.lab.ordering import Message
from streamer.lab.replay import Summary
from streamer.settings import Settings

IN_FLIGHT: Final = 100_000
"""Set-ups published and not yet decided, at most: what is remembered of a replay."""

_PAUSE_S: Final = 0.02
_LAST_WORDS_S: Final = 10.0
SETTLE_S: Final = 2.0
"""Wait between control records and the first call: workers promise to act on them within a second."""


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
        How long no decision may come, once all is published, before the rest is given up as undecided.
    decided
        Called with each decision on one of our set-ups, as bytes and as a dictionary.
    leaders_s
        How long topics that were made a moment ago may have no leader.
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
        summary: Summary | None = None,
        leaders_s: float = 15.0,
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings)
        self._producer: Producer = clients.producer(settings, **{"linger.ms": 2, "log_level": 2})
        self._speed = speed
        self._patience_s = patience_s
        self._decided = decided
        self._progress = progress
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._asked_at: dict[tuple[str, str], int] = {}
        self._ranges: dict[int, list[int]] = {}
        self._letters: list[tuple[int, int]] = []
        self._failed: str | None = None
        self._heard = 0.0
        self._sharing: frozenset[tuple[int, str]] | None = None
        self._gave_up = False
        self.summary = Summary() if summary is None else summary
        self._reader = self._behind_the_last(settings, leaders_s) if read_back else None

    def control(self, records: Iterable[Control], *, settle_s: float = SETTLE_S) -> int:
        """Publish what the operators publish beside calls; returns when workers act on it. Gives the number of records.

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
        if count:
            time.sleep(settle_s)
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
                self._serve(min(wait, _PAUSE_S))
            self._produce(self._topics.calls, message.key, message.value, self._delivered)
            self.summary.published += 1
            if message.call is not None:
                self.summary.setups += 1
                self._ask(message.call, message.at)
            if self.summary.published % 256 == 0:
                self._serve(0)
                self._wait_until_fewer_than(IN_FLIGHT)
        self._flush()
        self._wait_until_fewer_than(1)
        self._serve(0)
        self._count_letters()
        self._count_moved()
        self._progress(self.summary)
        return self.summary

    def abandon(self) -> None:
        """End a replay that was interrupted: wait for what was handed to the client, count decisions that have come."""
        until = time.monotonic() + _LAST_WORDS_S
        while (left := self._producer.flush(0.1)) and time.monotonic() < until:
            pass
        self.summary.unconfirmed = left
        self._serve(0)

    def close(self) -> None:
        """Let go of the reader."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _behind_the_last(self, settings: Settings, leaders_s: float) -> Consumer:
        reader = clients.consumer(settings, f"{settings.group}-replay", **{"fetch.wait.max.ms": 10})
        places = [TopicPartition(self._topics.decisions, partition) for partition in range(settings.partitions)]
        places.append(TopicPartition(dead_letter(self._topics.calls), 0))
        until = time.monotonic() + leaders_s
        for place in places:
            while True:
                try:
                    place.offset = reader.get_watermark_offsets(place, timeout=1.0, cached=False)[1]
                except KafkaException as error:
                    # A topic made a moment ago: not every broker knows yet that it leads it.
                    if time.monotonic() < until:
                        time.sleep(0.05)
                        continue
                    reader.close()
                    raise TransportError(
                        f"{place.topic} cannot be read at {settings.bootstrap}: {error.args[0].str()};"
                        " see that the brokers run (`streamer broker status`) and let this user read it"
                    ) from None
                break
        reader.assign(places)
        return reader

    def _ask(self, call: tuple[str, str], at: int) -> None:
        """Wait for a decision on this call."""
        if self._reader is None or self._gave_up:
            return
        self._waiting[call] += 1
        self._asked_at[call] = at

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
        self._progress(self.summary)

    def _wait_until_fewer_than(self, waiting: int) -> None:
        """Read decisions until that few calls lack one, or none has come for as long as patience lasts."""
        self._heard = time.monotonic()
        while len(self._waiting) >= waiting and not self._gave_up:
            self._serve(_PAUSE_S)
            if time.monotonic() - self._heard > self._patience_s:
                self._gave_up = True
                self._waiting.clear()
                self._asked_at.clear()

    def _take(self, record: Any) -> None:
        if record.error() is not None:
            raise TransportError(f"{record.topic()} cannot be read any more: {record.error().str()}")
        if record.topic() != self._topics.decisions:
            headers = {name: value for name, value in headers_of(record) if value is not None}
            if headers.get("source.topic") == self._topics.calls.encode():
                self._letters.append((int(headers["source.partition"]), int(headers["source.offset"])))
            return
        value: bytes = record.value()
        decision: dict[str, Any] = orjson.loads(value)
        call = (decision["operator"], decision["call_id"])
        if self._waiting[call] <= 0:
            del self._waiting[call]
            return
        if abs(decision["at"] - self._asked_at[call]) > SAME_CALL_MS:
            self.summary.clamped += 1
        self._waiting[call] -= 1
        if not self._waiting[call]:
            del self._waiting[call], self._asked_at[call]
        self._heard = time.monotonic()
        if not self.summary.decided:
            self._sharing = self._shares()
        self.summary.decided += 1
        self.summary.actions[decision["action"]] += 1
        self._decided(value, decision)

    def _count_letters(self) -> None:
        for partition, offset in self._letters:
            ours = self._ranges.get(partition)
            if ours is not None and ours[0] <= offset <= ours[1]:
                self.summary.dead_letters += 1

    def _shares(self) -> frozenset[tuple[int, str]] | None:
        return shares(self._settings, self._settings.group, self._topics.calls)

    def _count_moved(self) -> None:
        before, after = self._sharing, self._shares() if self._sharing is not None else None
        if before is not None and after is not None:
            self.summary.moved = len({partition for partition, _ in before ^ after})


def through_kafka(
    messages: Iterable[Message],
    settings: Settings,
    *,
    control: Iterable[Control] = (),
    speed: float = float("inf"),
    read_back: bool = True,
    patience_s: float = 30.0,
    write: Callable[[bytes], object] = lambda _: None,
    progress: Callable[[Summary], object] = lambda _: None,
    summary: Summary | None = None,
) -> Summary:
    """Publish control records and then every message; `write` gets each decision as it came. See `Publisher`.

    A `summary` that is given is counted in, and is true when this is interrupted, too.
    """
    topics.ensure(settings, wait_s=10)
    publisher = Publisher(
        settings,
        speed=speed,
        read_back=read_back,
        patience_s=patience_s,
        decided=lambda value, _: write(value + b"\n"),
        progress=progress,
        summary=summary,
    )
    try:
        publisher.control(control)
        return publisher.run(messages)
    except KeyboardInterrupt:
        publisher.abandon()
        raise
    finally:
        publisher.close()
