"""Call events into Kafka at a set pace, and the decisions on them read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaException, Producer

from streamer.errors import DeliveryError, ReplayError
from streamer.kafka import clients, topics
from streamer.kafka.topics import Topics
from streamer.lab.already import Already, ends
from streamer.lab.awaited import Awaited, Heard
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


class Published(msgspec.Struct):
    """How far a replay came: the offset behind all of it in each partition of `calls.v1`, the first and last offset of what
    is ours, how far decisions were read (None: they are not).
    """

    offsets: dict[int, int]
    ranges: dict[int, list[int]]
    heard: Heard | None


Rest = Callable[[Callable[[], Published]], object]


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
    published
        How far an earlier one came, to go on there.
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
        published: Published | None = None,
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings)
        self._producer: Producer = clients.producer(settings, **{"linger.ms": 2, "log_level": 2})
        self._speed = speed
        self._patience_s = patience_s
        self._progress = progress
        self._failed: str | None = None
        self.summary = Summary() if summary is None else summary
        heard = published.heard if published is not None else None
        self._awaited = (
            Awaited(settings, self.summary, decided, leaders_s=leaders_s, heard=heard) if read_back else None
        )
        self._ranges = published.ranges if published is not None else {}
        self._already: Already | None = None
        if published is not None:
            self._already = Already(settings, self._topics.calls, published.offsets)
            self._offsets = published.offsets
        else:
            self._offsets = ends(settings, self._topics.calls, leaders_s)

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

    def run(self, messages: Iterable[Message], rest: Rest = lambda _: None) -> Summary:
        """Publish all messages and wait for the decisions. Raises `DeliveryError` when the brokers do not take one.

        `rest` is called now and then with a function that waits until all is delivered and gives how far this came.
        """
        began: tuple[float, int] | None = None
        if self._already and self._awaited is not None:
            self._awaited.keep_early(keep=True)
        else:
            rest(self.published)
        for message in messages:
            lies = self._already.place_of(message) if self._already else None
            if lies is None:
                now = time.monotonic()
                if began is None:
                    began = (now, message.at)
                due = began[0] + (message.at - began[1]) / 1000 / self._speed
                while (wait := due - time.monotonic()) > 0:
                    self._serve(min(wait, _PAUSE_S))
                self._produce(self._topics.calls, message.key, message.value, self._delivered)
            else:
                self._lies(*lies)
                self.summary.found += 1
            self.summary.published += 1
            if message.call is not None:
                self.summary.setups += 1
                if self._awaited is not None:
                    self._awaited.ask(message.call, message.at)
            if self.summary.published % 256 == 0:
                self._serve(0)
                self._wait_until_fewer_than(IN_FLIGHT)
                if not self._already:
                    self._all_found()
                    if not self._gave_up:
                        rest(self.published)
        self._all_found()
        self._flush()
        self._wait_until_fewer_than(1)
        self._serve(0)
        if self._awaited is not None:
            self._awaited.count(self._ranges)
        self._progress(self.summary)
        return self.summary

    def published(self) -> Published:
        """How far this came; waits until all is delivered."""
        self._flush()
        heard = self._awaited.heard() if self._awaited is not None else None
        return Published(self._offsets, self._ranges, heard)

    @property
    def _gave_up(self) -> bool:
        return self._awaited is not None and self._awaited.gave_up

    def _all_found(self) -> None:
        """From here on everything is new."""
        if self._already is not None:
            self._already = None
            if self._awaited is not None:
                self._awaited.keep_early(keep=False)

    def abandon(self) -> None:
        """End a replay that was interrupted: wait for what was handed to the client, count decisions that have come."""
        until = time.monotonic() + _LAST_WORDS_S
        while (left := self._producer.flush(0.1)) and time.monotonic() < until:
            pass
        self.summary.unconfirmed = left
        self._serve(0)

    def close(self) -> None:
        """Let go of the reader."""
        if self._awaited is not None:
            self._awaited.close()
            self._awaited = None

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
        self._lies(record.partition(), record.offset())

    def _lies(self, partition: int, offset: int) -> None:
        ours = self._ranges.setdefault(partition, [offset, offset])
        ours[1] = max(ours[1], offset)
        self._offsets[partition] = max(self._offsets[partition], offset + 1)

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
        if self._awaited is None:
            time.sleep(wait_s)
        else:
            self._awaited.read(wait_s)
        self._progress(self.summary)

    def _wait_until_fewer_than(self, waiting: int) -> None:
        """Read decisions until that few calls lack one, or none has come for as long as patience lasts."""
        awaited = self._awaited
        if awaited is None:
            return
        awaited.heard_s = time.monotonic()
        while awaited.waiting >= waiting and not awaited.gave_up:
            self._serve(_PAUSE_S)
            if time.monotonic() - awaited.heard_s > self._patience_s:
                awaited.give_up()


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
    published: Published | None = None,
    rest: Rest = lambda _: None,
) -> Summary:
    """Publish control records and then every message; `write` gets each decision as it came. See `Publisher`.

    A `summary` that is given is counted in, and is true when this is interrupted, too. With how far an earlier one came,
    `published`, the control records have been published; of the messages those that lie in the log since are not again.
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
        published=published,
    )
    try:
        if published is None:
            publisher.control(control)
        return publisher.run(messages, rest)
    except KeyboardInterrupt:
        publisher.abandon()
        raise
    finally:
        publisher.close()
