"""What a poll does while too many batches are under way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from confluent_kafka import Consumer as Client
from confluent_kafka import TopicPartition

from streamer.kafka.topics import Place

HOLD_AT: Final = 64
"""Batches in flight at which nothing more is taken out of librdkafka's queue."""
HOLD_S: Final = 1.0
"""A hold that lasts longer pauses the partitions, so that polling goes on; a pause throws prefetched records away."""


class Backpressure:
    """Of one membership in the group; belongs to the event loop."""

    def __init__(self) -> None:
        self._since = 0.0
        self.paused = False
        """Whether all partitions are paused that do not rest anyway."""

    def holds(self, client: Client, owned: Iterable[Place], waiting: int, now: float) -> bool:
        """Whether to take nothing for the moment; what librdkafka prefetched stays where it is."""
        if waiting < HOLD_AT:
            self._since = 0.0
            if self.paused and waiting <= HOLD_AT // 2:
                client.resume([TopicPartition(*place) for place in owned])
                self.paused = False
            return False
        if not self._since:
            self._since = now
        if now - self._since < HOLD_S:
            return True
        if not self.paused:
            client.pause([TopicPartition(*place) for place in owned])
            self.paused = True
        return False
