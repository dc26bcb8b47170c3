"""How the trainer reads evidence and feedback: from positions of its own, and again up to a place when it takes over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from streamer.errors import TransportError
from streamer.kafka import clients
from streamer.kafka.topics import Place
from streamer.settings import Settings
from streamer.training.log import LeaseLostError

POLL_RECORDS: Final = 500


def assigned(settings: Settings, positions: dict[Place, int], topics: list[str]) -> Consumer:
    """A reader of all partitions of some topics, from `positions` or the beginning, that tells where each one ends."""
    reader = clients.consumer(
        settings,
        f"{settings.trainer_group}-reader",  # never joined: positions are the trainer's own
        **{"enable.partition.eof": True, "auto.offset.reset": "earliest"},
    )
    reader.assign(
        [
            TopicPartition(topic, part, positions.get((topic, part), OFFSET_BEGINNING))
            for topic in topics
            for part in range(settings.partitions)
        ]
    )
    return reader


def at_end(message: Message) -> bool:
    """Whether this says that a partition's end was reached. Raises `TransportError` for what waiting does not mend."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
        return True
    raise TransportError(f"{message.topic()} cannot be read: {error.str()}")


def read_again(
    settings: Settings, topic: str, targets: dict[Place, int], go_on: Callable[[], bool]
) -> Iterator[Message]:
    """The records of a topic before `targets` (the offset after the last one, by place), as far as they are still there.

    Raises `LeaseLostError` once `go_on` says no.
    """
    behind = {part for (of, part), after in targets.items() if of == topic and after > 0}
    reader = assigned(settings, {}, [topic])
    try:
        while behind:
            if not go_on():
                raise LeaseLostError("stopped while taking over")
            for message in reader.consume(POLL_RECORDS, timeout=0.2):
                part, offset = int(message.partition() or 0), int(message.offset() or 0)
                if at_end(message):
                    behind.discard(part)
                    continue
                if offset < targets.get((topic, part), 0):
                    yield message
                if offset + 1 >= targets.get((topic, part), 0):
                    behind.discard(part)
    finally:
        reader.close()
