"""What of a replay lies in `calls.v1` since its progress was saved, so that a resumed one publishes nothing twice.

A producer's messages lie in each partition in the order in which they were sent, perhaps with other publishers' records
between them, and of those that were sent before a kill there is a beginning and no gap.
"""

from __future__ import annotations

import time
from collections import deque
from hashlib import blake2b
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streamer.calls.partitioner import partition_of
from streamer.errors import TransportError
from streamer.kafka import clients
from streamer.kafka.headers import headers_of
from streamer.lab.ordering import Message
from streamer.settings import Settings

_PATIENCE_S: Final = 30.0


def bounds(reader: Consumer, place: TopicPartition, until_s: float, settings: Settings) -> tuple[int, int]:
    """The first offset that a partition holds and the one behind the last; asked until then, by the monotonic clock.

    A topic made a moment ago: not every broker knows yet that it leads it. Raises `TransportError`.
    """
    while True:
        try:
            first, last = reader.get_watermark_offsets(place, timeout=1.0, cached=False)
        except KafkaException as error:
            if time.monotonic() < until_s:
                time.sleep(0.05)
                continue
            raise TransportError(
                f"{place.topic} cannot be read at {settings.bootstrap}: {error.args[0].str()};"
                " see that the brokers run (`streamer broker status`) and let this user read it"
            ) from None
        else:
            return first, last


def ends(settings: Settings, topic: str, wait_s: float) -> dict[int, int]:
    """The offset behind the last record of each partition. Raises `TransportError` when it is not told within `wait_s`."""
    reader, until_s = clients.consumer(settings, f"{settings.group}-replay"), time.monotonic() + wait_s
    try:
        places = [TopicPartition(topic, partition) for partition in range(settings.partitions)]
        return {place.partition: bounds(reader, place, until_s, settings)[1] for place in places}
    finally:
        reader.close()


class Already:
    """Records behind known places of a topic, until each was asked for once or turned out to be another publisher's."""

    def __init__(self, settings: Settings, topic: str, places: dict[int, int]) -> None:
        """Read from the offsets `places` by partition to the end. Raises `TransportError` when that is not there any more."""
        self._partitions = settings.partitions
        self._logs = {partition: deque[tuple[bytes, int]]() for partition in places}
        reader = clients.consumer(settings, f"{settings.group}-replay", **{"fetch.wait.max.ms": 10})
        try:
            until_s, last_of = time.monotonic() + _PATIENCE_S, {}
            for partition, place in places.items():
                first, last = bounds(reader, TopicPartition(topic, partition), until_s, settings)
                if not first <= place <= last:
                    raise TransportError(
                        f"{topic}, partition {partition}: the progress was saved at offset {place}, but the log holds {first}"
                        f" to {last}: what was published since cannot be known; begin anew, with another prefix"
                    )
                if place < last:
                    last_of[partition] = last
            reader.assign([TopicPartition(topic, partition, places[partition]) for partition in last_of])
            heard_s = time.monotonic()
            while last_of:
                # Never for longer: `consume` waits until that many have come or its time is over.
                records = reader.consume(10_000, 0.1)
                if records:
                    heard_s = time.monotonic()
                elif time.monotonic() - heard_s > _PATIENCE_S:
                    raise TransportError(f"{topic} could not be read to its end: nothing came for {_PATIENCE_S:.0f} s")
                for record in records:
                    self._take(record, last_of)
        finally:
            reader.close()

    def _take(self, record: Any, last_of: dict[int, int]) -> None:
        if record.error() is not None:
            raise TransportError(f"{record.topic()} cannot be read: {record.error().str()}")
        partition, offset = record.partition(), record.offset()
        if offset >= last_of.get(partition, 0):
            return
        if not any(name == "rekeyed" for name, _ in headers_of(record)):
            self._logs[partition].append((_mark(record.key() or b"", record.value() or b""), offset))
        if offset + 1 == last_of[partition]:
            del last_of[partition]

    def __bool__(self) -> bool:
        """Whether there may be more of ours."""
        return any(self._logs.values())

    def place_of(self, message: Message) -> tuple[int, int] | None:
        """Partition and offset where the message lies; None when it was not published. Messages are asked for in their order."""
        key = message.key.encode()
        partition = partition_of(key, self._partitions)
        log = self._logs.get(partition)
        if not log:
            return None
        mark = _mark(key, message.value)
        if all(each != mark for each, _ in log):
            log.clear()
            return None
        while True:
            found, offset = log.popleft()
            if found == mark:
                return partition, offset


def _mark(key: bytes, value: bytes) -> bytes:
    return blake2b(value, key=key[:64], digest_size=16).digest()
