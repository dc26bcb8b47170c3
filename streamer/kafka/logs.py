"""A topic's log read from one time to another, with everything that a record carries: for looking back, not for following."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from streamer.errors import TopicError, TransportError
from streamer.kafka import asking
from streamer.kafka.clients import Heard, consumer
from streamer.kafka.headers import headers_of
from streamer.settings import Settings

_SILENCE_S: Final = 30.0
_SLICE: Final = 2_000
_QUIET: Final[dict[str, Any]] = {"log_level": 2}
"""What goes wrong is raised; a line for every attempt to connect says no more."""


class LogRecord(NamedTuple):
    """One record as it lies in the log; `at_ms` is its timestamp, which the topic's setting says the meaning of."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def key_text(self) -> str:
        """The key as text; one that is not UTF-8 is shown with escapes."""
        return "" if self.key is None else self.key.decode("utf-8", "backslashreplace")


def read(
    settings: Settings,
    topic: str,
    partitions: list[int] | None = None,
    *,
    since_ms: int | None = None,
    until_ms: int | None = None,
    key: bytes | None = None,
) -> Iterator[LogRecord]:
    """Every record of `topic` from `since_ms` on up to `until_ms`, or to where the end is now; all partitions if none is named.

    In log order within a partition. With `key` only records under it are given. No group is joined, nothing is committed.
    Raises `TopicError` for a topic or partition that does not exist, `TransportError` when the brokers refuse, or nothing
    comes for half a minute.
    """
    own = {"enable.partition.eof": True, "auto.offset.reset": "earliest", "error_cb": Heard()} | _QUIET
    client = consumer(settings, f"{settings.group}-desk", **own)
    try:
        spans = _spans(client, topic, partitions, since_ms, until_ms)
        client.assign([TopicPartition(topic, partition, begin) for partition, (begin, _) in spans.items()])
        yield from _until_the_ends(client, {partition: end for partition, (_, end) in spans.items()}, key)
    except KafkaException as error:
        raise TransportError(f"{topic} cannot be read: {error.args[0].str()}") from error
    finally:
        client.close()


def partition_count(settings: Settings, topic: str) -> int:
    """How many partitions the topic has. Raises as `streamer.kafka.asking.partition_count`."""
    client = consumer(settings, f"{settings.group}-desk", error_cb=Heard(), **_QUIET)
    try:
        return asking.partition_count(client, topic)
    finally:
        client.close()


def _spans(
    client: Consumer, topic: str, partitions: list[int] | None, since_ms: int | None, until_ms: int | None
) -> dict[int, tuple[int, int]]:
    """First offset and the one past the last, of each partition that has any record in the span."""
    count = asking.partition_count(client, topic)
    wanted = range(count) if partitions is None else partitions
    wrong = [partition for partition in wanted if not 0 <= partition < count]
    if wrong:
        raise TopicError(f"{topic} has {count} partitions; there is no {wrong[0]}")
    ends = {
        at: asking.answered(topic, partial(client.get_watermark_offsets, TopicPartition(topic, at))) for at in wanted
    }
    begins = {at: low for at, (low, _) in ends.items()}
    stops = {at: high for at, (_, high) in ends.items()}
    if since_ms is not None:
        begins |= _offsets_at(client, topic, since_ms, stops)
    if until_ms is not None:
        stops |= _offsets_at(client, topic, until_ms + 1, stops)
    return {at: (begins[at], stops[at]) for at in wanted if begins[at] < stops[at]}


def _offsets_at(client: Consumer, topic: str, at_ms: int, ends: dict[int, int]) -> dict[int, int]:
    """The first offset of a record of `at_ms` or later; the end where there is none."""
    asked = [TopicPartition(topic, partition, at_ms) for partition in ends]
    answered = asking.answered(topic, partial(client.offsets_for_times, asked)) if asked else []
    return {
        place.partition: ends[place.partition] if place.offset in {OFFSET_END, -1} else place.offset
        for place in answered
    }


def _until_the_ends(client: Consumer, ends: dict[int, int], key: bytes | None) -> Iterator[LogRecord]:
    heard = time.monotonic()
    while ends:
        messages: list[Any] = client.consume(_SLICE, 0.1)
        if not messages and time.monotonic() - heard > _SILENCE_S:
            raise TransportError(f"nothing came from the brokers for {_SILENCE_S:.0f} s")
        for message in messages:
            partition, error = message.partition(), message.error()
            if error is not None:
                if asking.is_end(error):
                    ends.pop(partition, None)
                elif asking.is_final(error):
                    raise KafkaException(error)
                continue
            end = ends.get(partition)
            if end is None or message.offset() >= end:
                ends.pop(partition, None)
                continue
            if message.offset() + 1 >= end:
                del ends[partition]
            if key is None or message.key() == key:
                yield LogRecord(
                    message.topic(),
                    partition,
                    message.offset(),
                    message.timestamp()[1],
                    message.key(),
                    message.value(),
                    tuple(headers_of(message)),
                )
        if messages:
            heard = time.monotonic()  # whoever reads may have taken his time with them
