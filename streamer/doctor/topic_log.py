"""Records of a topic read without a group: the latest of each partition, and those that come from now on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, TopicPartition

from streamer.doctor.live import Heard
from streamer.errors import TransportError
from streamer.kafka import clients
from streamer.kafka.asking import answered, is_final, partition_count
from streamer.kafka.headers import headers_of
from streamer.settings import Settings

_REKEYED: Final = "rekeyed"
_BATCH: Final = 2_000
_POLL_S: Final = 0.1


class TopicLog:
    """A reader of a topic; one thread may use it. Raises `TopicError` when the topic is not there, `TransportError` when the
    brokers do not answer within `wait_s` or refuse this user.
    """

    def __init__(self, settings: Settings, topic: str, wait_s: float = 10.0) -> None:
        self._topic = topic
        self._wait_s = wait_s
        # A group's name is asked for even where none is joined.
        self._client = clients.consumer(settings, f"{settings.group}-doctor", log_level=2, error_cb=clients.Heard())
        try:
            self.partitions = partition_count(self._client, self._topic, wait_s)
            """Partitions that there are."""
        except BaseException:
            self._client.close()
            raise

    def bounds(self) -> dict[int, tuple[int, int]]:
        """First offset and end of each partition; asked again while a partition has no leader, as when its topic is new."""
        asked = self._client.get_watermark_offsets
        return {
            partition: answered(self._topic, partial(asked, TopicPartition(self._topic, partition)), self._wait_s)
            for partition in range(self.partitions)
        }

    def latest(self, records: int) -> list[Heard]:
        """About so many of the latest records, the same number of each partition; what cannot be read in time is left out."""
        each = max(1, records // self.partitions)
        spans = {
            partition: (max(low, high - each), high) for partition, (low, high) in self.bounds().items() if high > low
        }
        self._client.assign([TopicPartition(self._topic, partition, low) for partition, (low, _) in spans.items()])
        behind = {partition: high for partition, (_, high) in spans.items()}
        found: list[Heard] = []
        until = time.monotonic() + self._wait_s
        while behind and time.monotonic() < until:
            for record in self._poll():
                if record.offset < spans[record.partition][1]:
                    found.append(record)
                if record.offset + 1 >= spans[record.partition][1]:
                    behind.pop(record.partition, None)
        return found

    def coming(self, seconds: float, most: int | None = None) -> Iterator[Heard]:
        """What is appended from now on, for so long, or until there are `most`."""
        ends = self.bounds()
        self._client.assign([TopicPartition(self._topic, partition, high) for partition, (_, high) in ends.items()])
        until, count = time.monotonic() + seconds, 0
        while time.monotonic() < until and (most is None or count < most):
            for record in self._poll():
                count += 1
                yield record

    def _poll(self) -> list[Heard]:
        found = []
        for message in self._client.consume(_BATCH, _POLL_S):
            error = message.error()
            if error is None:
                found.append(_heard(message))
            elif is_final(error):
                raise TransportError(f"{self._topic} cannot be read: {error.str()}")
        return found

    def close(self) -> None:
        """Give the client up."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _heard(message: Any) -> Heard:
    kind, at_ms = message.timestamp()
    rekeyed = any(name == _REKEYED for name, _ in headers_of(message))
    append_ms = at_ms if kind == TIMESTAMP_LOG_APPEND_TIME else None
    return Heard(message.partition(), message.offset(), append_ms, message.key(), message.value(), rekeyed)
