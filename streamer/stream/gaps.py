"""What lies at the end of a log and no reader sees: markers, with which transactions end, and records of those that were taken back."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import Consumer as Client
from confluent_kafka import TopicPartition

from streamer.kafka.topics import Place


class Gaps:
    """Belongs to the event loop, but for `behind`."""

    def __init__(self) -> None:
        self._found: dict[Place, tuple[int, int]] = {}

    def look(self, client: Client, positions: Mapping[Place, int]) -> None:
        """What is passed over and never given, markers of transactions, moves the client's own position alone."""
        for at in client.position([TopicPartition(*place) for place in positions]):
            place = at.topic, at.partition
            self.ended(place, positions[place], at.offset)

    def ended(self, place: Place, position: int, end: int) -> None:
        """The consumer, which takes `position` next, came to the end of the log there."""
        if end > position:
            self._found[place] = position, end

    def behind(self, place: Place, position: int) -> int:
        """The offset that is really next after a position. From any thread."""
        begin, end = self._found.get(place, (position, position))
        return end if begin == position else position

    def forget(self, place: Place) -> None:
        """The partition is gone, or read anew."""
        self._found.pop(place, None)
