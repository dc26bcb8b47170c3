"""A Faust transport on confluent-kafka that hands a whole poll of a topic to an agent as one message.

Faust costs about 200 microseconds a message, so a message is a whole poll. One thread owns the confluent-kafka consumer
(it admits no other) and everything that happens to it: it polls, waits a moment for company, and queues what came as one
`Batch` a topic. Faust is shown one lasting partition a topic and never a rebalance, since its own handling stops every
partition and clears queues; partitions gained, drained and lost arrive as batches too, in order with the records. An
offset is committed only behind a contiguous run of finished batches: `Batch.finish` may be called from any thread, when
the decisions of the batch were delivered. Agents must read ``stream.noack().events()``: Faust's compiled stream bypasses
an overridden `ack`.

A worker that was stopped for longer than its session has lost its partitions without knowing it. The polling thread and
every send look at the monotonic clock (`Consumer.check_session`), and such a worker ends with an error.
"""

from __future__ import annotations

import asyncio
import collections
import threading
import time
from typing import Any, Final

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from faust.transport.base import Producer as FaustProducer
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.drivers import aiokafka
from faust.types import TP, ConsumerMessage

from streamer.errors import TransportError
from streamer.kafka.clients import consumer_config
from streamer.settings import Settings, load

COMMIT_EVERY_S: Final = 1.0
PAUSE_AT: Final = 400
"""Batches in flight at which partitions are paused; pausing throws prefetched records away, so it is the last resort."""
RESUME_AT: Final = 100
_FINAL: Final = {
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own errors are named so
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
}


class Batch:
    """What one poll brought of a topic. `kind`: records, assigned, revoked or lost; `spans`: partition to its records, in order."""

    __slots__ = ("finished", "handed_at", "kind", "spans", "topic")

    def __init__(self, kind: str, topic: str, spans: dict[int, list[Any]]) -> None:
        self.kind = kind
        self.topic = topic
        self.spans = spans
        self.finished = False
        self.handed_at = time.monotonic()

    def finish(self) -> None:
        """Everything that came of the batch was delivered: its offsets may be committed."""
        self.finished = True


class Consumer(FaustConsumer):
    """The consumer that Faust sees. Its settings come from `app.streamer_settings`, or are loaded."""

    app: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings: Settings = getattr(self.app, "streamer_settings", None) or load()
        self.trouble: str | None = None
        self.owned: set[tuple[str, int]] = set()
        self._queue: collections.deque[Batch] = collections.deque()
        self._in_flight: collections.deque[Batch] = collections.deque()
        self._ready: dict[tuple[str, int], int] = {}
        self._shown: list[str] = []
        self._serial = 0
        self._draining = threading.Event()
        self._committed_at = 0.0
        self._paused = False
        self._alive_at = time.monotonic()
        self._thread: threading.Thread | None = None

    @property
    def in_flight(self) -> int:
        """Batches handed over and not finished."""
        return len(self._in_flight)

    async def on_start(self) -> None:
        """Make the client; nothing is read before `subscribe`."""
        self._home = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._client = Client(consumer_config(self.settings, self.settings.group))

    async def subscribe(self, topics: Any) -> None:
        """Join the group and start the polling thread."""
        self._shown = list(topics)
        if self._thread is not None:
            return
        self._client.subscribe(self._shown, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        self._alive_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="poll", daemon=True)
        self._thread.start()
        self.app.consumer_generation_id = 1
        self.app.loop.create_task(self.on_partitions_assigned(self.assignment(), 1))

    async def drain(self) -> None:
        """Take nothing in any more, wait until what is in flight is finished and committed, leave the group."""
        self._draining.set()
        if self._thread is not None:
            await self._home.run_in_executor(None, self._thread.join, 2 * self.settings.drain_s + 5)

    def check_session(self) -> None:
        """Raises `TransportError` when this worker was stopped beyond its session: what it holds belongs to others now."""
        silent = time.monotonic() - self._alive_at
        if silent * 1000 > self.settings.session_timeout_ms:
            raise TransportError(
                f"stopped for {silent:.1f} s, longer than the session of {self.settings.session_timeout_ms / 1000:.1f} s: "
                "the partitions belong to other workers now; start this one again"
            )

    # -- the polling thread: the only one that touches the client ----------------------------------------

    def _run(self) -> None:
        try:
            while not self._draining.is_set():
                self._turn()
            self._finish_all()
            self._client.close()  # calls _on_revoke for what is still owned
        except BaseException as reason:  # whatever it is, the worker must not go on without its consumer
            self._fail(reason)

    def _turn(self) -> None:
        self.check_session()
        self._alive_at = time.monotonic()
        self._settle()
        self._watch()
        self._brake()
        first = self._client.poll(0.002 if self._in_flight else 0.05)
        if first is None:
            return
        if self.settings.linger_ms:
            time.sleep(self.settings.linger_ms / 1000)
        found: dict[str, dict[int, list[Any]]] = {}
        batch: list[Any] = [first, *self._client.consume(self.settings.batch_records - 1, 0)]
        for record in batch:
            if record.error() is not None:
                self._heed(record.error())
                continue
            found.setdefault(record.topic(), {}).setdefault(record.partition(), []).append(record)
        for topic, spans in found.items():
            self.trouble = None
            self._hand_over(Batch("records", topic, spans))

    def _heed(self, error: Any) -> None:
        if error.fatal() or error.code() in _FINAL:
            raise TransportError(f"calls cannot be read: {error.str()}")
        if self.trouble is None:
            self.log.warning("trouble with the brokers, trying again: %s", error.str())
        self.trouble = error.str()

    def _fail(self, reason: BaseException) -> None:
        self._home.call_soon_threadsafe(self.app.fail, reason)

    def _hand_over(self, batch: Batch) -> None:
        self._in_flight.append(batch)
        self._queue.append(batch)
        self._home.call_soon_threadsafe(self._arrived.set)

    def _settle(self) -> None:
        while self._in_flight and self._in_flight[0].finished:
            batch = self._in_flight.popleft()
            if batch.kind == "records":
                for partition, records in batch.spans.items():
                    self._ready[batch.topic, partition] = records[-1].offset() + 1
        if self._ready and time.monotonic() - self._committed_at > COMMIT_EVERY_S:
            self._commit_ready(wait=False)

    def _watch(self) -> None:
        if self._in_flight and time.monotonic() - self._in_flight[0].handed_at > self.settings.batch_timeout_s:
            stuck = self._in_flight[0]
            raise TransportError(
                f"a batch of {stuck.topic} ({stuck.kind}, partitions {sorted(stuck.spans)}) was not finished within "
                f"{self.settings.batch_timeout_s:.0f} s; its offsets stay where they were"
            )

    def _commit_ready(self, *, wait: bool) -> None:
        offsets = [TopicPartition(*at, offset) for at, offset in self._ready.items() if at in self.owned]
        self._ready, self._committed_at = {}, time.monotonic()
        if not offsets:
            return
        try:
            if wait:
                self._client.commit(offsets=offsets, asynchronous=False)
            else:
                self._client.commit(offsets=offsets, asynchronous=True)
        except KafkaException as reason:  # a rebalance overtook it: those records will be judged again
            self.log.warning("offsets not committed: %s", reason.args[0].str())

    def _brake(self) -> None:
        waiting = len(self._in_flight)
        if self._paused and waiting <= RESUME_AT:
            self._client.resume([TopicPartition(*at) for at in self.owned])
            self._paused = False
        elif not self._paused and waiting >= PAUSE_AT:
            self._client.pause([TopicPartition(*at) for at in self.owned])
            self._paused = True

    def _finish_all(self) -> None:
        until = time.monotonic() + self.settings.drain_s
        while self._in_flight and time.monotonic() < until:
            self._alive_at = time.monotonic()
            self._settle()
            time.sleep(0.001)
        self._settle()
        if self._in_flight:
            self.log.warning(
                "%d batches not finished after %.0f s; they will be judged again",
                len(self._in_flight),
                self.settings.drain_s,
            )
        self._commit_ready(wait=True)

    def _announce(self, kind: str, partitions: list[TopicPartition]) -> None:
        for topic in {p.topic for p in partitions}:
            self._hand_over(Batch(kind, topic, {p.partition: [] for p in partitions if p.topic == topic}))

    def _on_assign(self, client: Client, partitions: list[TopicPartition]) -> None:
        client.incremental_assign(partitions)
        self.owned |= {(p.topic, p.partition) for p in partitions}
        if self._paused:
            client.pause(partitions)
        self._announce("assigned", partitions)

    def _on_revoke(self, client: Client, partitions: list[TopicPartition]) -> None:
        self._finish_all()  # the partitions that stay are only delayed
        self._announce("revoked", partitions)
        self._finish_all()  # the agent has put their state away
        self.owned -= {(p.topic, p.partition) for p in partitions}
        client.incremental_unassign(partitions)

    def _on_lost(self, client: Client, partitions: list[TopicPartition]) -> None:
        self.owned -= {(p.topic, p.partition) for p in partitions}
        self._announce("lost", partitions)
        client.incremental_unassign(partitions)

    # -- the event loop ------------------------------------------------------------------------------------

    async def _getmany(self, active_partitions: Any, timeout: float) -> dict[TP, list[Batch]]:  # noqa: ASYNC109
        if not self._queue:
            self._arrived.clear()
            if not self._queue:
                try:
                    await asyncio.wait_for(self._arrived.wait(), timeout)
                except TimeoutError:
                    return {}
        found: dict[TP, list[Batch]] = {}
        while self._queue:
            batch = self._queue.popleft()
            found.setdefault(TP(batch.topic, 0), []).append(batch)
        return found

    def _to_message(self, tp: TP, batch: Any) -> ConsumerMessage:
        self._serial += 1
        return ConsumerMessage(
            tp.topic, 0, self._serial, time.time(), 0, [], None, batch, None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    # -- what Faust would do itself and must not -------------------------------------------------------------

    def assignment(self) -> set[TP]:
        """One lasting partition a topic."""
        return {TP(topic, 0) for topic in self._shown}

    def highwater(self, tp: TP) -> int:
        """Not known to Faust."""
        return 0

    def topic_partitions(self, topic: str) -> None:
        """Not known to Faust."""

    def key_partition(self, *args: Any, **kwargs: Any) -> None:
        """Faust produces nothing."""

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, 0)

    def close(self) -> None:
        """Begin to drain."""
        self._draining.set()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None: ...

    async def commit(self, *args: Any, **kwargs: Any) -> bool:
        """The polling thread commits."""
        return True

    async def force_commit(self, *args: Any, **kwargs: Any) -> bool:
        """The polling thread commits."""
        return True

    async def _commit(self, offsets: Any) -> bool:
        return True

    async def wait_empty(self) -> None:
        """Draining waits; see `drain`."""

    async def perform_seek(self) -> None:
        """The group's offsets are used as they are."""

    async def seek_to_committed(self) -> dict[TP, int]:
        """The group's offsets are used as they are."""
        return {}

    async def _seek(self, tp: TP, offset: int) -> None: ...

    async def seek_wait(self, partitions: Any) -> None:
        """As `perform_seek`."""

    async def position(self, tp: TP) -> int:
        """Not known to Faust."""
        return 0

    async def earliest_offsets(self, *tps: TP) -> dict[TP, int]:
        """Not known to Faust."""
        return dict.fromkeys(tps, 0)

    async def highwaters(self, *tps: TP) -> dict[TP, int]:
        """Not known to Faust."""
        return dict.fromkeys(tps, 0)

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Topics are made by `streamer.kafka.topics`."""


class Producer(FaustProducer):
    """Faust's producer, which refuses: everything leaves by `streamer.stream.deliveries`, the one client that sends."""

    async def send(self, topic: str, *args: Any, **kwargs: Any) -> Any:
        """Always raises `TransportError`."""
        raise TransportError(f"Faust was asked to send to {topic}; send through streamer.stream.deliveries instead")

    async def send_and_wait(self, topic: str, *args: Any, **kwargs: Any) -> Any:
        """Always raises `TransportError`."""
        return await self.send(topic)

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Topics are made by `streamer.kafka.topics`."""

    def key_partition(self, topic: str, key: bytes) -> Any:
        """Always raises `TransportError`."""
        raise TransportError(f"Faust was asked where a key of {topic} belongs; see streamer.calls.partitioner")

    async def flush(self) -> None:
        """Nothing waits here."""


class Transport(aiokafka.Transport):
    """Registered as `confluent` in the entry points `faust.transports`."""

    Consumer = Consumer
    Producer = Producer
    driver_version = "confluent-kafka"
