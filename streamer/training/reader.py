"""How the trainer reads evidence and feedback: from positions of its own, and again up to a place when it takes over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from streamer.errors import StoppedError, TransportError
from streamer.kafka import clients
from streamer.kafka.asking import is_end, is_final
from streamer.kafka.topics import Place
from streamer.settings import Settings

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


def poll(reader: Consumer, timeout_s: float) -> Iterator[tuple[Message, bool]]:
    """What comes within `timeout_s`: records (False) and ends of partitions (True), with topic, partition and offset.

    Trouble that librdkafka goes on trying to mend is left to it; for what no waiting mends, raises `TransportError`.
    """
    for message in reader.consume(POLL_RECORDS, timeout=timeout_s):
        error = message.error()
        if error is None:
            yield message, False
        elif is_end(error):
            yield message, True
        elif is_final(error):
            raise TransportError(f"{clients.named(reader, message.topic())} cannot be read: {error.str()}")


class Backlog:
    """What of a topic has to be read before silence says anything: the reports, or the evidence, that were there at `since`.

    Waiting for the end itself would be an attacker's switch: whoever goes on reporting faster than reports are read
    would keep every honest call from being taught.

    Parameters
    ----------
    partitions
        How many there are; of none is anything known yet.
    now
        The wall clock, ms since 1970, from before the first is read.

    Attributes
    ----------
    since
        Time (ms since 1970) up to which all records that were there have been read; None before the first reading.
    """

    def __init__(self, partitions: int, now: int) -> None:
        self.since: int | None = None
        self._asked = now
        self._ends: dict[int, int | None] = dict.fromkeys(range(partitions))
        self._next: dict[int, int] = {}

    def read(self, part: int, after: int, end: int) -> None:
        """The record before offset `after` was read; `end` is what brokers last said of the partition, below 0 if nothing."""
        self._next[part] = after
        if part in self._ends:
            if self._ends[part] is None and end >= 0:
                self._ends[part] = end
            known = self._ends[part]
            if known is not None and after >= known:
                del self._ends[part]

    def ended(self, part: int, after: int) -> None:
        """The end of a partition was reached; the next record will have the offset `after`."""
        self._next[part] = after
        self._ends.pop(part, None)

    def look(self, now: int, ends: Callable[[], Iterable[tuple[int, int]]]) -> None:
        """Once all that was asked for has been read, move `since`, and ask for what `ends` (partition, end) says of now."""
        if not self._ends:
            self.since, self._asked = self._asked, now
            self._ends = {part: end for part, end in ends() if end > self._next.get(part, 0)}


def end_of(reader: Consumer, topic: str, part: int) -> int:
    """Where a partition ends, as the brokers said with the records read last; below 0 if they have said nothing."""
    return int(reader.get_watermark_offsets(TopicPartition(topic, part), cached=True)[1])


def read_again(
    settings: Settings, topic: str, targets: dict[Place, int], go_on: Callable[[], bool]
) -> Iterator[Message]:
    """The records of a topic before `targets` (the offset after the last one, by place), as far as they are still there.

    Raises `StoppedError` once `go_on` says no.
    """
    behind = {part for (of, part), after in targets.items() if of == topic and after > 0}
    reader = assigned(settings, {}, [topic])
    try:
        while behind:
            if not go_on():
                raise StoppedError("stopped while taking over")
            for message, ended in poll(reader, 0.2):
                part, offset = int(message.partition() or 0), int(message.offset() or 0)
                if not ended and offset < targets.get((topic, part), 0):
                    yield message
                if ended or offset + 1 >= targets.get((topic, part), 0):
                    behind.discard(part)
    finally:
        reader.close()
