"""What travels from the polling thread to the agent: whole polls, and partitions that come and go, in order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Message

from streamer.kafka.headers import headers_of_all
from streamer.records import Batch as Records

REKEYED: Final = "rekeyed"
"""The header of a record that was produced again into the partition it belongs to."""
# Fields of a record by methods that are not bound, so that `map` calls them at the speed of C.
_partition: Callable[[Any], Any] = Message.partition
_offset: Callable[[Any], Any] = Message.offset
_value: Callable[[Any], Any] = Message.value
_timestamp: Callable[[Any], Any] = Message.timestamp


class Batch:
    """What one poll brought of a topic.

    `kind` is records, assigned, revoked or lost; `spans` maps each partition to its records, in order; `epoch` is the
    membership of the group that it was taken in.
    """

    __slots__ = ("epoch", "finished", "handed_at", "kind", "spans", "topic")

    def __init__(self, kind: str, topic: str, spans: dict[int, list[Any]], epoch: int, now: float) -> None:
        self.kind = kind
        self.topic = topic
        self.spans = spans
        self.epoch = epoch
        self.handed_at = now
        self.finished = False

    def finish(self) -> None:
        """Everything that came of the batch was delivered: its offsets may be committed. From any thread."""
        self.finished = True


def as_columns(batch: Batch) -> tuple[list[Any], list[Any], Records]:
    """The records of a batch, the headers of each (None or empty: none), and what the engine reads of them."""
    records = [*itertools.chain.from_iterable(batch.spans.values())]
    headers = headers_of_all(records)
    columns = Records(
        [*map(_partition, records)],
        [*map(_offset, records)],
        [at for _, at in map(_timestamp, records)],
        [*map(_value, records)],
        [bool(given) and any(name == REKEYED for name, _ in given) for given in headers],
    )
    return records, headers, columns
