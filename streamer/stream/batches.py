"""What travels from the poller to the agent: whole polls, and partitions that come and go, in order."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Message

from streamer.kafka.headers import headers_of_all
from streamer.kafka.topics import Place
from streamer.records import Batch as Records
from streamer.stream.arrivals import Origin

REKEYED: Final = "rekeyed"
"""The header of a record that was produced again into the partition it belongs to."""
# Fields of a record by methods that are not bound, so that `map` calls them at the speed of C.
_topic: Callable[[Any], Any] = Message.topic
_error: Callable[[Any], Any] = Message.error
_partition: Callable[[Any], Any] = Message.partition
_offset: Callable[[Any], Any] = Message.offset
_value: Callable[[Any], Any] = Message.value
_timestamp: Callable[[Any], Any] = Message.timestamp


class Batch:
    """What one poll brought of a topic.

    `kind` is records, assigned, revoked or lost; `spans` maps each partition to its records, in order; `epoch` is the
    membership of the group that it was taken in; `origins` says where each partition that is assigned goes on; `judged` that
    the agent is done with it, though its deliveries may be under way.
    """

    __slots__ = ("epoch", "finished", "handed_at", "judged", "kind", "origins", "spans", "topic")

    def __init__(self, kind: str, topic: str, spans: dict[int, list[Any]], epoch: int, now: float) -> None:
        self.kind = kind
        self.topic = topic
        self.spans = spans
        self.epoch = epoch
        self.handed_at = now
        self.finished = False
        self.judged = False
        self.origins: dict[int, Origin] = {}

    def in_parts(self, parts: int) -> Callable[[], None]:
        """To be called, from any thread, when each of so many parts of what came of the batch was delivered: the last one finishes it."""
        left = [None] * parts

        def one() -> None:
            left.pop()
            if not left:
                self.finish()

        return one

    def finish(self) -> None:
        """Everything that came of the batch was delivered: its offsets may be committed. From any thread."""
        self.finished = True


def by_place(
    polled: list[Any], positions: dict[Place, int], end: Callable[[Place], int], hear: Callable[[Any], None]
) -> dict[Any, dict[Any, list[Any]]]:
    """The records of each topic and partition that are due; errors among them are told to `hear`.

    `positions` holds the offset that is due next in each partition of ours, and moves on. Left out are records of other
    partitions, and what librdkafka gives a second time: it notes what an application has taken a moment after it gave it,
    and a rebalance in that moment has it go back. A log that by its `end` was cut off before what is due, is read anew.
    """
    told: list[Any] = []
    if any(errors := [*map(_error, polled)]):
        told = [*itertools.compress(polled, errors)]
        polled = [*itertools.compress(polled, map(operator.not_, errors))]
    found: dict[Any, dict[Any, list[Any]]] = {}
    # What librdkafka gives comes in runs of one partition.
    for topic, of_topic in itertools.groupby(polled, _topic):
        for partition, run in itertools.groupby(of_topic, _partition):
            # Partitions may have been revoked while `consume` ran, and then whoever has them now reads the record too.
            due = positions.get((topic, partition))
            if due is None:
                continue
            records = [*run]
            if records[0].offset() < due <= end((topic, partition)):
                records = [record for record in records if record.offset() >= due]
            if records:
                positions[topic, partition] = records[-1].offset() + 1
                found.setdefault(topic, {}).setdefault(partition, []).extend(records)
    for record in told:
        hear(record.error())
    return found


def as_columns(batch: Batch) -> tuple[list[Any], list[Any], Records]:
    """The records of a batch, the headers of each (None or empty: none), and what the engine reads of them."""
    records = [*itertools.chain.from_iterable(batch.spans.values())]
    headers = headers_of_all(records)
    columns = Records(
        [number for number, span in batch.spans.items() for _ in span],
        [*map(_offset, records)],
        [at for _, at in map(_timestamp, records)],
        [*map(_value, records)],
        [bool(given) and any(name == REKEYED for name, _ in given) for given in headers],
    )
    return records, headers, columns
