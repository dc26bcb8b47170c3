"""Compacted topics read whole, to their end, and then followed: lists, policy, models, facts of subscribers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

from streamer.errors import StoppedError, TransportError
from streamer.kafka.asking import is_end, is_final, offsets, partition_count
from streamer.kafka.clients import GoOn, Heard, admin, always, consumer, named
from streamer.kafka.headers import headers_of
from streamer.kafka.topics import Place, Topics
from streamer.settings import Settings

_BOUNDS_S: Final = 2.0
_SILENCE_S: Final = 30.0
_LOOK_EVERY_S: Final = 1.0
_ANSWER_S: Final = 0.5


class Change(NamedTuple):
    """One record of a table: what it is about, its key, its new value or None (it is gone), and where it lay.

    A key that is not UTF-8 is shown with escapes; `raw_key` has it as it came. `at_ms` is the record's timestamp, -1 where it has none.
    """

    kind: str
    key: str
    value: bytes | None
    topic: str
    partition: int
    offset: int
    raw_key: bytes | None
    headers: list[tuple[str, bytes | None]]
    at_ms: int = -1


class TableReader:
    """Reads tables without a consumer group: whole topics, or chosen partitions that may be added and removed.

    Only one thread may use it, since librdkafka's consumer admits no other. Nothing is committed: each start reads from
    the beginning. Trouble with the brokers is retried for ever and told by `trouble`.

    Parameters
    ----------
    settings : Settings
        Where the brokers are and how to talk to them.
    whole : Iterable[str]
        Topics of which every partition is read from the start on. Raises `TopicError` when one does not exist.
    go_on : GoOn
        Asked while waiting for the brokers, here and in `read_to_end`; False ends with `StoppedError`.
    """

    def __init__(self, settings: Settings, whole: Iterable[str] = (), go_on: GoOn = always) -> None:
        self._go_on = go_on
        self._topics = Topics(settings)
        own = {"enable.partition.eof": True, "auto.offset.reset": "earliest", "error_cb": Heard(self._hear)}
        # A group's name is asked for even where none is joined.
        self._client = consumer(settings, f"{settings.group}-tables", **own)
        self._admin = admin(settings, log_level=2)
        self._positions: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        self._behind: set[Place] = set()
        self._final: str | None = None
        self._look_at = 0.0
        self.trouble: str | None = None
        """What librdkafka said last that it is retrying; None once records or ends arrive, or the brokers answer, again."""
        try:
            counts = {topic: partition_count(self._client, topic, go_on=go_on) for topic in whole}
            self.add_all((topic, partition) for topic, count in counts.items() for partition in range(count))
        except BaseException:
            self._client.close()
            raise

    def add(self, topic: str, partitions: Iterable[int]) -> None:
        """Read these partitions of `topic` too, from their beginning; those that are read already go on as they are."""
        self.add_all((topic, partition) for partition in partitions)

    def add_all(self, places: Iterable[Place]) -> None:
        """As `add`, for partitions of many topics at once.

        Where they begin and end is asked for in one go: left to librdkafka, each would ask for itself, and those with
        nothing in them would say so one fetch after another, a tenth of a second apart.
        """
        new = [place for place in places if place not in self._positions]
        if not new:
            return
        bounds = self._bounds(new)
        self._client.incremental_assign(
            [TopicPartition(*place, bounds[place][0] if place in bounds else OFFSET_BEGINNING) for place in new]
        )
        self._positions |= {place: bounds.get(place, (0, 0))[0] for place in new}
        self._ends |= {place: end for place, (_, end) in bounds.items()}
        self._behind |= {place for place in new if place not in bounds or bounds[place][0] < bounds[place][1]}

    def _bounds(self, places: list[Place]) -> dict[Place, tuple[int, int]]:
        """First and next offset of partitions; left out where the brokers do not say at once."""
        begins, ends = (self._offsets(places, ends=which) for which in (False, True))
        return {place: (begins[place], ends[place]) for place in places if place in begins and place in ends}

    def _offsets(self, places: list[Place], *, ends: bool) -> dict[Place, int]:
        found = {}
        for place, future in offsets(self._admin, places, ends=ends, wait_s=_BOUNDS_S).items():
            try:
                found[place] = int(future.result().offset)
            except KafkaException as reason:
                self.trouble = reason.args[0].str()
        return found

    def remove(self, topic: str, partitions: Iterable[int]) -> None:
        """Read these partitions no more; nothing of them is handed out after this."""
        gone = [(topic, partition) for partition in partitions if (topic, partition) in self._positions]
        if gone:
            self._client.incremental_unassign([TopicPartition(*place) for place in gone])
            for place in gone:
                del self._positions[place]
                self._ends.pop(place, None)
                self._behind.discard(place)

    def poll(self, max_records: int = 500, timeout_s: float = 0.0) -> list[Change]:
        """At most `max_records` records, in order within each partition; waits up to `timeout_s` for the first.

        Raises `TransportError` when librdkafka reports what no waiting mends, such as access refused.
        """
        first = self._client.poll(timeout_s)
        rest: list[Any] = self._client.consume(max_records - 1, 0) if first is not None and max_records > 1 else []
        if self._final is not None:
            raise TransportError(f"the brokers refuse this client: {self._final}")
        if self.trouble is not None:
            self._look(time.monotonic())
        if first is None:
            return []
        changes = (self._change(message) for message in (first, *rest))
        return [change for change in changes if change is not None]

    def _look(self, now: float) -> None:
        """About once a second, ask whether the brokers answer again: where nobody writes, neither a record nor an end would tell."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_S
        try:
            topics = self._client.list_topics(timeout=_ANSWER_S).topics
        except KafkaException:
            return
        led = {
            (name, number)
            for name, topic in topics.items()
            for number, one in topic.partitions.items()
            if one.leader >= 0
        }
        if self._positions.keys() <= led:
            self.trouble = None

    def read_to_end(self, silence_s: float = _SILENCE_S) -> Iterator[Change]:
        """Everything up to the end as it comes, however much that is. Raises `TransportError` when nothing comes for `silence_s`,
        `StoppedError` once `go_on` says no.
        """
        heard = time.monotonic()
        while not self.at_end:
            if not self._go_on():
                raise StoppedError("stopped before the end was read")
            if time.monotonic() - heard > silence_s:
                raise self._late(f"nothing came for {silence_s:.0f} s")
            changes = self.poll(5_000, 0.05)
            yield from changes
            if changes:
                heard = time.monotonic()  # whoever reads may have taken his time with them

    def _late(self, what: str) -> TransportError:
        late = ", ".join(f"{topic}[{partition}]" for topic, partition in sorted(self._behind))
        why = f" ({self.trouble})" if self.trouble else ""
        return TransportError(f"{what}: {late}{why}")

    @property
    def at_end(self) -> bool:
        """Whether every partition was read to where its end was when it was first looked at; True with none to read."""
        return not self._behind

    @property
    def positions(self) -> dict[Place, int]:
        """For each partition the offset of the next record that will be handed out."""
        return dict(self._positions)

    def close(self) -> None:
        """Give the client up."""
        self._client.close()

    def _change(self, message: Any) -> Change | None:
        error = message.error()
        place: Place = (message.topic(), message.partition())
        if error is not None:
            self._heed(error, place, message.offset())
            return None
        if place not in self._positions:
            return None  # removed while it lay in a queue
        self.trouble = None
        offset: int = message.offset()
        if place in self._behind:
            if place not in self._ends:
                # What the first fetch said of the end: on a busy topic the true end may never be met.
                self._ends[place] = self._client.get_watermark_offsets(TopicPartition(*place), cached=True)[1]
            if offset + 1 >= self._ends[place] >= 0:
                self._behind.discard(place)
        self._positions[place] = offset + 1
        key: bytes | None = message.key()
        return Change(
            kind=self._topics.kind(place[0]),
            key="" if key is None else key.decode("utf-8", "backslashreplace"),
            value=message.value(),
            topic=place[0],
            partition=place[1],
            offset=offset,
            raw_key=key,
            headers=headers_of(message),
            at_ms=message.timestamp()[1],
        )

    def _hear(self, error: Any) -> None:
        """What librdkafka tells of a broker rather than of a partition; called while `poll` runs."""
        if is_final(error):
            self._final = error.str()
        else:
            self.trouble = error.str()

    def _heed(self, error: Any, place: Place, offset: int) -> None:
        if is_end(error):
            if place in self._positions:
                self._positions[place] = offset
                self._behind.discard(place)
            self.trouble = None
        elif is_final(error):
            raise TransportError(f"{named(self._client, place[0])} cannot be read: {error.str()}")
        else:
            self.trouble = error.str()
