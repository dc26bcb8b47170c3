"""Offsets of finished batches, and what of them the broker knows. Only the event loop uses them, but for `offer`."""

from __future__ import annotations

import collections
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streamer.kafka.topics import Place
from streamer.stream.batches import Batch
from streamer.stream.gaps import Gaps

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


class Offered(NamedTuple):
    """A checkpoint that may be committed once everything before its offset is finished. See `streamer.stream.pointers`."""

    place: Place
    epoch: int
    offset: int
    metadata: str


class Offsets:
    """For each partition the offset behind its last finished record, committed when it moved.

    With `checkpointed`, only offsets are committed that `offer` gave with their metadata, and only when all before them is
    finished. `heard` is called with each partition and offset that the broker has.
    """

    def __init__(self, checkpointed: bool = False) -> None:
        self.checkpointed = checkpointed
        self.heard: Callable[[int, int], None] | None = None
        self.gaps = Gaps()
        self._done: dict[Place, int] = {}
        self._committed: dict[Place, int] = {}
        self._offers: collections.deque[Offered] = collections.deque()
        self._ready: dict[Place, list[Offered]] = {}

    def begin(self, offsets: Mapping[Place, int]) -> None:
        """Partitions go on at these offsets: all before them is finished."""
        self._done |= offsets

    def offer(self, offered: Offered) -> None:
        """A checkpoint is written. From any thread."""
        self._offers.append(offered)

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
            self._ready.pop(place, None)
            self.gaps.forget(place)

    def lags(self, ends: Mapping[Place, int]) -> dict[Place, int]:
        """Records between what is finished and the end of each log, where both are known (no negative end)."""
        done = {place: self.gaps.behind(place, self._done[place]) for place in ends if place in self._done}
        return {place: max(ends[place] - offset, 0) for place, offset in done.items() if ends[place] >= 0}

    def commit(self, client: Client, owned: Collection[Place], epoch: int) -> None:
        """Begin to commit what moved; `confirm` hears how it went."""
        offsets = self._moved(owned, epoch)
        if offsets:
            try:
                client.commit(offsets=offsets, asynchronous=True)
            except KafkaException as reason:  # the next second tries again
                log.warning("offsets not committed: %s", reason.args[0].str())

    def commit_now(self, client: Client, owned: Collection[Place], epoch: int, may: Callable[[], bool]) -> None:
        """Commit what moved and wait for it, again and again while that may help and `may` says so."""
        while offsets := self._moved(owned, epoch):
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
                if self.heard is not None:
                    self.heard(partition.partition, partition.offset)
            else:
                refused = wrong
        if refused is not None:
            level = logging.INFO if refused.code() in _OVERTAKEN else logging.WARNING
            log.log(level, "offsets not committed: %s", refused.str())

    def _moved(self, owned: Collection[Place], epoch: int) -> list[TopicPartition]:
        if self.checkpointed:
            return self._covered(owned, epoch)
        return [
            TopicPartition(*place, offset)
            for place, offset in self._done.items()
            if place in owned and self._committed.get(place) != offset
        ]

    def _covered(self, owned: Collection[Place], epoch: int) -> list[TopicPartition]:
        """The newest checkpoint of each partition that covers finished batches alone, unless the broker has it."""
        while self._offers:
            offered = self._offers.popleft()
            if offered.epoch == epoch and offered.place in owned:
                self._ready.setdefault(offered.place, []).append(offered)
        found = []
        for place, ready in self._ready.items():
            covered = [offered for offered in ready if offered.offset <= self._done.get(place, -1)]
            if covered and place in owned:
                newest = covered[-1]
                del ready[: len(covered) - 1]
                if self._committed.get(place) != newest.offset:
                    found.append(TopicPartition(*place, newest.offset, newest.metadata))
        return found
