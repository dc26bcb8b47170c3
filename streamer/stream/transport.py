"""A Faust transport on confluent-kafka that hands a whole poll of a topic to an agent as one message.

Faust costs about 200 microseconds a message by itself, so a message is a whole poll (`streamer.stream.polling`), and it goes
straight into the queues of the agents' streams: Faust's conductor would take a lock, four coroutines and two turns of the event
loop of each, to heed a flow, codecs and full queues that there are none of here. Faust is shown one lasting partition a topic and
never a rebalance, since its own handling stops every partition and clears queues. Agents must read
``stream.noack().events()``: Faust's compiled stream bypasses an overridden `ack`; a batch is finished by `Batch.finish`
instead, when all that came of it was delivered.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from functools import partial
from typing import Any, Final

import faust
from faust.transport.base import Producer as FaustProducer
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.drivers import aiokafka
from faust.types import TP, ConsumerMessage

from streamer.errors import TransportError
from streamer.settings import Settings, load
from streamer.stream.batches import Batch
from streamer.stream.event_loop import EventLoop
from streamer.stream.polling import Poller

_LOOP_S: Final = 5.0
"""An event loop that does nothing for so long after a failure hangs."""

__all__ = ["Batch", "Consumer", "Producer", "Transport"]


class Consumer(FaustConsumer):
    """The consumer that Faust sees. Its settings come from `app.streamer_settings`, or are loaded."""

    app: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings: Settings = getattr(self.app, "streamer_settings", None) or load()
        self.poller: Poller | None = None
        self._early: list[Batch] = []
        self._queues: dict[str, list[Any]] = {}
        self._shown: list[str] = []
        self._serial = 0

    async def on_start(self) -> None:
        """Nothing is read before `subscribe`. Raises `TransportError` on an event loop that takes no turns."""
        home = asyncio.get_running_loop()
        if not isinstance(home, EventLoop):
            raise TransportError(
                f"records are polled by the event loop itself, and {type(home).__name__} cannot: call "
                "streamer.stream.event_loop.install() before the app is made"
            )
        self._home = home
        self._thread = threading.get_ident()
        self._ended: asyncio.Future[None] = home.create_future()

    async def subscribe(self, topics: Any) -> None:
        """Join the group and begin to poll."""
        if self.poller is not None:
            return
        self._shown = list(topics)
        offsets = getattr(self.app, "offsets", None)
        self.poller = Poller(
            self.settings, self._shown, self._take, self._fail, self.app.held_up, self._home.step, offsets
        )
        self._home.take_turns(partial(self._turn, self.poller))
        self.app.consumer_generation_id = 1
        self.app.on_rebalance_start()
        self.add_future(self._introduce())

    async def drain(self) -> None:
        """Take nothing in any more, wait until what is in flight is finished and committed, leave the group.

        The watchdog ends the worker where that takes too long.
        """
        if self.poller is not None:
            self.poller.stop()
            await self._ended

    def abandon(self) -> None:
        """Leave the group without waiting for what is in flight; its offsets stay where they were."""
        if self.poller is not None:
            self.poller.stop(abandon=True)

    def _turn(self, poller: Poller, wait_s: float) -> bool:
        waited = poller.turn(wait_s)
        if poller.ended:
            self._home.take_turns(None)
            self._ended.set_result(None)
        return waited

    async def _introduce(self) -> None:
        """Let Faust know its partitions. It opens its flow some time after, until when streams pass everything over and queues
        are cleared: what came meanwhile is shown then.
        """
        await self.on_partitions_assigned(self.assignment(), 1)
        await self.app.flow_control.acquire()
        channels = list(self.app.topics)
        queues = {name: [each.queue for each in channels if name in each.topics] for name in self._shown}
        if unread := [name for name, of in queues.items() if not of]:
            self._fail(TransportError(f"no stream reads {', '.join(unread)}"))
            return
        self._queues = queues
        for batch in self._early:
            self._take(batch)
        self._early.clear()

    def _take(self, batch: Batch) -> None:
        if not self._queues:
            self._early.append(batch)
            return
        event = faust.Event(self.app, None, batch, None, self._to_message(TP(batch.topic, 0), batch))
        for queue in self._queues[batch.topic]:
            queue.put_nowait(event)

    def _fail(self, reason: BaseException) -> None:
        """End the worker; called from any thread. An event loop that does not answer any more is not waited for."""
        if threading.get_ident() == self._thread:
            self.app.fail(reason)
            return
        told = threading.Event()

        def tell() -> None:
            told.set()
            self.app.fail(reason)

        try:
            self._home.call_soon_threadsafe(tell)
        except RuntimeError:
            return  # the loop is closed: the worker has ended
        if not told.wait(_LOOP_S):
            self.log.critical("the worker stops at once, its event loop hangs: %s", reason)
            os._exit(1)

    # -- the event loop ------------------------------------------------------------------------------------

    async def _drain_messages(self, fetcher: Any) -> None:
        """Nothing is left to do for Faust's fetcher, which calls this, and cancels it when it stops: the turns of the event loop
        show each batch as it comes.
        """
        await asyncio.Event().wait()

    async def _getmany(self, *args: Any, **kwargs: Any) -> dict[TP, list[Batch]]:
        """Asked by nobody: what comes is shown at once."""
        return {}

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
        if self.poller is not None:
            self.poller.stop()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None: ...

    async def commit(self, *args: Any, **kwargs: Any) -> bool:
        """The poller commits."""
        return True

    async def force_commit(self, *args: Any, **kwargs: Any) -> bool:
        """The poller commits."""
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
