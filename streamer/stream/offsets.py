"""Offsets of finished batches, and what of them the broker knows. Only the thread that owns the consumer uses them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import Any, Final

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streamer.kafka.topics import Place
from streamer.stream.batches import Batch

log = logging.getLogger("streamer.offsets")

_RETRIABLE: Final = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._WAIT_COORD,  # noqa: SLF001
}
"""Errors of a commit after which trying again helps."""
_OVERTAKEN: Final = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
}
"""A rebalance was faster; the next second tries again."""


class Offsets:
    """For each partition the offset behind its last finished record, committed when it moved."""

    def __init__(self) -> None:
        self._done: dict[Place, int] = {}
        self._committed: dict[Place, int] = {}

    def finished(self, batch: Batch) -> None:
        """A batch is finished, and so is every one before it."""
        for partition, records in batch.spans.items():
            if records:
                self._done[batch.topic, partition] = records[-1].offset() + 1

    def forget(self, places: Collection[Place] | None = None) -> None:
        """Whatever was finished of these partitions, or of all, is no more ours to commit."""
        for place in list(self._done) if places is None else places:
            self._done.pop(place, None)
            self._committed.pop(place, None)

    def lag(self, client: Client, place: Place) -> int:
        """Records between what is finished and the end as of the last fetch; 0 before anything was finished."""
        done = self._done.get(place)
        if done is None:
            return 0
        end: int = client.get_watermark_offsets(TopicPartition(*place), cached=True)[1]
        return max(end - done, 0)

    def commit(self, client: Client, owned: Collection[Place]) -> None:
        """Begin to commit what moved; `confirm` hears how it went."""
        offsets = self._moved(owned)
        if offsets:
            try:
                client.commit(offsets=offsets, asynchronous=True)
            except KafkaException as reason:  # the next second tries again
                log.warning("offsets not committed: %s", reason.args[0].str())

    def commit_now(self, client: Client, owned: Collection[Place], may: Callable[[], bool]) -> None:
        """Commit what moved and wait for it, again and again while that may help and `may` says so."""
        while offsets := self._moved(owned):
            try:
                self.confirm(None, client.commit(offsets=offsets, asynchronous=False) or [])
            except KafkaException as reason:
                if reason.args[0].code() not in _RETRIABLE or not may():
                    log.warning("offsets not committed, some records will be judged again: %s", reason.args[0].str())
                    return
                time.sleep(0.05)
            else:
                return

    def confirm(self, error: Any, partitions: list[TopicPartition]) -> None:
        """Librdkafka's word on a commit; after a rebalance one of an old membership is refused, and that is all right."""
        refused = error
        for partition in partitions:
            wrong = error or partition.error
            if wrong is None:
                self._committed[partition.topic, partition.partition] = partition.offset
            else:
                refused = wrong
        if refused is not None:
            level = logging.INFO if refused.code() in _OVERTAKEN else logging.WARNING
            log.log(level, "offsets not committed: %s", refused.str())

    def _moved(self, owned: Collection[Place]) -> list[TopicPartition]:
        return [
            TopicPartition(*place, offset)
            for place, offset in self._done.items()
            if place in owned and self._committed.get(place) != offset
        ]
