"""Partitions that have just been gained: they rest, so that no record of them comes before their state does.

Belongs to the event loop, but for `wake`.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaException, TopicPartition

from streamer.errors import TransportError
from streamer.kafka.topics import Place
from streamer.settings import Settings

_ANSWER_S: Final = 2.0
_PATIENCE_S: Final = 60.0


class Origin(NamedTuple):
    """Where a gained partition goes on: the offset of its next record, what was committed with it, and whether it was."""

    offset: int
    metadata: str
    committed: bool


class Arrivals:
    """`resting` is what was gained and not woken yet."""

    def __init__(self, settings: Settings) -> None:
        self._from_start = settings.start_at == "earliest"
        self._woken: collections.deque[tuple[int, Place, int]] = collections.deque()
        self.resting: set[Place] = set()

    def begin(self, client: Client, partitions: list[TopicPartition]) -> dict[Place, Origin]:
        """Assign partitions that were gained where they go on, and let them rest.

        Raises `TransportError` when the brokers do not say where that is for a minute.
        """
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                found = self._origins(client, partitions)
            except KafkaException as reason:
                if time.monotonic() > until:
                    raise TransportError(
                        f"the brokers do not say where partitions go on: {reason.args[0].str()}"
                    ) from reason
                time.sleep(0.1)
            else:
                break
        client.incremental_assign([TopicPartition(*place, origin.offset) for place, origin in found.items()])
        client.pause(partitions)
        self.resting |= set(found)
        return found

    def _origins(self, client: Client, partitions: list[TopicPartition]) -> dict[Place, Origin]:
        found = {}
        for place in client.committed(partitions, timeout=_ANSWER_S):
            if place.error is not None:
                raise KafkaException(place.error)
            offset = place.offset
            if offset < 0:
                low, high = client.get_watermark_offsets(place, timeout=_ANSWER_S)
                offset = low if self._from_start else high
            found[place.topic, place.partition] = Origin(offset, place.metadata or "", place.offset >= 0)
        return found

    def wake(self, places: Mapping[Place, int], epoch: int) -> None:
        """Their state is there: let their records come from these offsets on, unless they have gone meanwhile. From any thread."""
        self._woken.extend((epoch, place, offset) for place, offset in places.items())

    def woken(self, epoch: int) -> dict[Place, int]:
        """What was woken, rests no more and has to be resumed, and where."""
        found = {}
        while self._woken:
            of, place, offset = self._woken.popleft()
            if of == epoch and place in self.resting:
                self.resting.discard(place)
                found[place] = offset
        return found

    def resume(self, client: Client, epoch: int, *, held: bool) -> dict[Place, int]:
        """Let the records of what was woken come, and give from where on; with `held` whoever paused all resumes all."""
        found = self.woken(epoch)
        for place, offset in list(found.items()):
            try:
                # Else it would go on behind what was taken in an earlier tenure, in the moment in which that one ended.
                client.seek(TopicPartition(*place, offset))
            except KafkaException:  # librdkafka has not got to begin with it
                self.resting.add(place)
                self.wake({place: found.pop(place)}, epoch)
                continue
            if not held:
                client.resume([TopicPartition(*place)])
        return found

    def forget(self, places: Collection[Place]) -> None:
        """They are gone, and who woke them meant a tenure that is over: they may be gained again within the same epoch."""
        self.resting -= set(places)
        for _ in range(len(self._woken)):
            woken = self._woken.popleft()
            if woken[1] not in places:
                self._woken.append(woken)
