"""What leaves the worker: one idempotent producer, each message awaited.

A batch is finished when every one of its messages was delivered. A report a message would take the interpreter thousands
of times a second, so the last message of each run of one partition stands for those before it. It may, because the
producer is idempotent and gapless (a message that the broker refuses is fatal, the broker takes none out of sequence), no
message times out, and offsets that are too near to each other show what was lost in any other way. The first message to a
partition stands for itself alone. A failed delivery ends the worker. Brokers that do not answer, or of which one does not take what
others would, are waited for, however long that takes, and told by `trouble`.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from streamer.errors import DeliveryError
from streamer.kafka.clients import producer
from streamer.kafka.topics import Place
from streamer.settings import Settings

log = logging.getLogger("streamer.deliveries")

_LOOK_S: Final = 0.02
"""Between looks of the thread; it leaves out what comes within `_PASSING_S` of somebody else's."""
_PASSING_S: Final = 0.01
"""Between two looks of whoever sends: each lets the interpreter go, which costs as much as sending ten messages."""
_ROOM_S: Final = 0.002
LATE_S: Final = 3.0
"""After which what was sent and is not delivered is told of, less where `drain_s` or `batch_timeout_s` is short."""
_SETTINGS: Final = {
    # No message times out.
    "delivery.timeout.ms": 0,
    # A lost message is fatal: nothing behind it in its partition can be delivered.
    "enable.gapless.guarantee": True,
}

Message = tuple[str, Any, Any, int, Any]
"""Topic, value, key, partition and headers of what is sent, in the order of `Producer.produce`."""


def _reported(messages: Sequence[Message], known: Collection[Place]) -> list[bool]:
    """Which messages get a report: the last of each run of one partition, and the first of a run whose partition is not known.

    A broker takes the first that it ever sees of a producer in a partition out of sequence too.
    """
    reported = [a[0] != b[0] or a[3] != b[3] for a, b in itertools.pairwise(messages)]
    reported.append(True)
    for begin in (0, *itertools.compress(range(1, len(messages)), reported)):
        if (messages[begin][0], messages[begin][3]) not in known:
            reported[begin] = True
    return reported


class Parcel:
    """The runs of what is sent together, counted as they are delivered; `done` is called after the last.

    `newest` has the offset of the newest message delivered to each topic and partition, for all parcels. Only whoever
    serves deliveries calls `delivered`.
    """

    __slots__ = ("_done", "_fail", "_newest", "_waiting", "arrived", "places")

    def __init__(
        self,
        runs: int,
        newest: dict[Place, int],
        done: Callable[[], None],
        fail: Callable[[BaseException], None],
        places: Set[Place] = frozenset(),
    ) -> None:
        self._waiting = runs
        self._newest = newest
        self._done = done
        self._fail = fail
        self.places: Set[Place] = places
        """Where it goes, until it is delivered or given up."""
        self.arrived: set[Place] = set()
        """Where some of it was delivered."""

    def give_up(self) -> None:
        """The rest of it is not sent: nobody waits for it any more."""
        self.places = frozenset()

    def delivered(self, messages: int, error: Any, last: Any) -> None:
        """Librdkafka's callback for the last message of a run of so many."""
        place = last.topic(), last.partition()
        if error is not None:
            self._fail(DeliveryError(f"a message to {place[0]}[{place[1]}] was not delivered: {error.str()}"))
            return
        offset = last.offset()
        if offset < 0:  # delivered once already before the broker's answer was lost: it does not say where
            self._newest.pop(place, None)
        else:
            before = self._newest.get(place)
            if before is not None and offset < before + messages:
                lost = before + messages - offset
                self._fail(DeliveryError(f"{lost} messages to {place[0]}[{place[1]}] were lost before offset {offset}"))
                return
            self._newest[place] = offset
        self.arrived.add(place)
        self._waiting -= 1
        if not self._waiting:
            self.places = frozenset()
            self._done()


class Deliveries:
    """The producer and the thread that serves its callbacks; it still runs while the app stops."""

    def __init__(self, settings: Settings, fail: Callable[[BaseException], None]) -> None:
        self._producer = producer(settings, **_SETTINGS, error_cb=self._hear)
        self._fail = fail
        self._newest: dict[Place, int] = {}
        self._stop = threading.Event()
        self._serving = threading.Lock()
        self._served_at = 0.0
        self._heard: str | None = None
        self._late: str | None = None
        self._late_s = min(LATE_S, settings.drain_s / 2, settings.batch_timeout_s / 2)
        self._under_way: collections.deque[Parcel] = collections.deque()
        self._oldest_since = 0.0
        self._thread = threading.Thread(target=self._serve, name="deliveries", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """What librdkafka is retrying at the moment, or what is not delivered although brokers answer."""
        return self._heard or self._late

    async def send(
        self,
        messages: Sequence[Message],
        done: Callable[[], None],
        held_until: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """Queue messages, waiting while the queue is full; `done` is called when all of them were delivered.

        `held_until` says until when they may be sent (monotonic clock), and is asked again then and after each wait: once that
        is past, the rest stays here and `done` is never called. A membership that ends while its session still runs is seen at
        the next batch or wait: until then the broker takes what it would have taken a moment before. Raises `DeliveryError` for
        a message that cannot be sent at all.
        """
        await self.send_rest(self.begin(messages, done, held_until))

    def begin(
        self, messages: Sequence[Message], done: Callable[[], None], held_until: Callable[[], float]
    ) -> Iterator[None]:
        """As `send`, of what there is room for at once; gives the rest, for `send_rest`."""
        rest = self._sending(messages, done, held_until)
        next(rest, None)
        return rest

    async def send_rest(self, rest: Iterator[None]) -> bool:
        """Queue what `begin` left; gives whether it had to wait for room."""
        waited = False
        for _ in rest:
            waited = True
            self.serve()
            await asyncio.sleep(_ROOM_S)
        return waited

    def _sending(
        self, messages: Sequence[Message], done: Callable[[], None], held_until: Callable[[], float]
    ) -> Iterator[None]:
        """Queues messages; each step begins where the queue was full at the step before."""
        if not messages:
            done()
            return
        reported = _reported(messages, self._newest)
        # The places alone: messages that live until they are delivered outlive the young, and all that lives is collected more often.
        places = {(message[0], message[3]) for message in itertools.compress(messages, reported)}
        parcel = Parcel(sum(reported), self._newest, done, self._fail, places)
        self._under_way.append(parcel)
        produce, clock, run, until = self._producer.produce, time.monotonic, 0, held_until()
        for (topic, value, key, partition, headers), wanted in zip(messages, reported, strict=True):
            run += 1
            report = None
            if wanted:
                report, run = partial(parcel.delivered, run), 0
            while True:
                if clock() >= until:
                    until = held_until()
                    if clock() >= until:
                        parcel.give_up()
                        return
                try:
                    # By place, which takes a tenth less time: report, another name for it, timestamp, headers.
                    produce(topic, value, key, partition, report, None, 0, headers)
                except BufferError:
                    yield
                    until = held_until()
                except (KafkaException, ValueError, TypeError) as error:
                    fatal = isinstance(error, KafkaException) and error.args[0].code() == KafkaError._FATAL  # noqa: SLF001
                    if fatal:
                        parcel.give_up()
                        return  # nothing can be sent any more; why, the client tells whoever serves
                    raise DeliveryError(f"a message to {topic}[{partition}] cannot be sent: {error}") from error
                else:
                    break
        if clock() - self._served_at >= _PASSING_S:
            self.serve()

    def reached(self, place: Place) -> int:
        """The offset after the newest message known to be delivered to a topic and partition; 0 while none is."""
        return self._newest.get(place, -1) + 1

    def serve(self) -> None:
        """Take in the deliveries that are reported, unless somebody is at it.

        Whoever sends does so in passing: every report needs the interpreter, and a thread of their own that took it
        thousands of times a second kept the judging waiting. That thread looks in every few milliseconds for the rest.
        """
        if self._serving.acquire(blocking=False):
            try:
                self._served_at = time.monotonic()
                self._producer.poll(0)
            except KafkaException as error:
                self._client_failed(error)
            finally:
                self._serving.release()

    def close(self, wait_s: float) -> bool:
        """End the thread, then wait for what is under way; gives whether all of it was delivered."""
        self._stop.set()
        self._thread.join(5)
        try:
            return not self._producer.flush(wait_s)
        except KafkaException as error:
            self._client_failed(error)
            return False

    def _serve(self) -> None:
        asked_at = 0.0
        while not self._stop.is_set():
            self._stop.wait(_LOOK_S)
            if time.monotonic() - self._served_at >= _PASSING_S:
                self.serve()
            self._look_for_what_is_late(time.monotonic())
            if self._heard is not None and time.monotonic() - asked_at > 1.0:
                try:
                    self._producer.list_topics(timeout=0.5)
                except KafkaException:
                    pass
                else:
                    self._heard = None
                asked_at = time.monotonic()

    def _look_for_what_is_late(self, now: float) -> None:
        """One of several brokers may be away while the others answer. What the client does not have any more is not late but lost."""
        while self._under_way and not self._under_way[0].places:
            self._under_way.popleft()
            self._oldest_since = now
        if not self._under_way:
            self._oldest_since = now
        if now - self._oldest_since <= self._late_s or not len(self._producer):
            if self._late is not None:
                log.warning("what was sent is delivered again")
            self._late = None
        elif self._late is None:
            oldest = self._under_way[0]
            places = oldest.places
            if not places:  # it was delivered at this moment
                return
            late = sorted(places - oldest.arrived or places)
            named = ", ".join(f"{topic}[{partition}]" for topic, partition in late[:3])
            self._late = f"what was sent to {named} is not delivered: a broker does not take it"
            log.warning("%s; it is waited for", self._late)

    def _client_failed(self, error: KafkaException) -> None:
        """So a client tells of what is fatal to it, a lost message among it."""
        self._fail(DeliveryError(f"nothing can be sent any more: {error.args[0].str()}"))

    def _hear(self, error: Any) -> None:
        """What librdkafka says of a broker; called while it is polled."""
        if self._heard is None:
            log.warning("trouble with the brokers, trying again: %s", error.str())
        self._heard = error.str()
