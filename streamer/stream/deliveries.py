"""What leaves the worker: one idempotent producer, each message awaited.

A batch is finished when every one of its messages was delivered: the last of a partition cannot stand for the others,
since one that is too large or times out is lost while later ones arrive. A failed delivery ends the worker. Brokers that
do not answer are waited for, however long that takes, and told by `trouble`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from confluent_kafka import KafkaException

from streamer.errors import DeliveryError
from streamer.kafka.clients import producer
from streamer.settings import Settings

log = logging.getLogger("streamer.deliveries")

_LOOK_S: Final = 0.005
_ROOM_S: Final = 0.002

Message = tuple[str, Any, Any, int, Any]
"""Topic, value, key, partition and headers of what is sent, in the order of `Producer.produce`."""


class Parcel:
    """The messages of one batch, counted as they are delivered; `done` is called after the last, `fail` on a lost one."""

    __slots__ = ("_done", "_fail", "_waiting")

    def __init__(self, messages: int, done: Callable[[], None], fail: Callable[[BaseException], None]) -> None:
        self._waiting = messages
        self._done = done
        self._fail = fail

    def delivered(self, error: Any, message: Any) -> None:
        """Librdkafka's callback for each message; only the thread that serves deliveries calls it."""
        if error is not None:
            where = f"{message.topic()}[{message.partition()}]"
            self._fail(DeliveryError(f"a message to {where} was not delivered: {error.str()}"))
            return
        self._waiting -= 1
        if not self._waiting:
            self._done()


class Deliveries:
    """The producer and the thread that serves its callbacks; it still runs while the app stops."""

    def __init__(self, settings: Settings, fail: Callable[[BaseException], None]) -> None:
        # 0: no message times out. What never arrives although brokers answer is the consumer's watchdog to find.
        self._producer = producer(settings, **{"delivery.timeout.ms": 0, "error_cb": self._hear})
        self._fail = fail
        self._stop = threading.Event()
        self._serving = threading.Lock()
        self.trouble: str | None = None
        """What librdkafka is retrying at the moment."""
        self._thread = threading.Thread(target=self._serve, name="deliveries", daemon=True)
        self._thread.start()

    async def send(
        self, messages: Iterable[Message], count: int, done: Callable[[], None], may: Callable[[], bool] = lambda: True
    ) -> None:
        """Queue `count` messages, waiting while the queue is full; `done` is called when all of them were delivered.

        `may` is asked before each: once it says no, the rest stays here and `done` is never called. Raises
        `DeliveryError` for a message that cannot be sent at all.
        """
        if not count:
            done()
            return
        produce, delivered = self._producer.produce, Parcel(count, done, self._fail).delivered
        for topic, value, key, partition, headers in messages:
            while True:
                if not may():
                    return
                try:
                    produce(topic, value, key, partition, on_delivery=delivered, headers=headers)
                except BufferError:
                    self.serve()
                    await asyncio.sleep(_ROOM_S)
                except (KafkaException, ValueError, TypeError) as error:
                    raise DeliveryError(f"a message to {topic}[{partition}] cannot be sent: {error}") from error
                else:
                    break
        self.serve()

    def serve(self) -> None:
        """Take in the deliveries that are reported, unless somebody is at it.

        Whoever sends does so in passing: every report needs the interpreter, and a thread of their own that took it
        thousands of times a second kept the judging waiting. That thread looks in every few milliseconds for the rest.
        """
        if self._serving.acquire(blocking=False):
            try:
                self._producer.poll(0)
            finally:
                self._serving.release()

    def close(self, wait_s: float) -> bool:
        """End the thread, then wait for what is under way; gives whether all of it was delivered."""
        self._stop.set()
        self._thread.join(5)
        return not self._producer.flush(wait_s)

    def _serve(self) -> None:
        asked_at = 0.0
        while not self._stop.is_set():
            self._stop.wait(_LOOK_S)
            self.serve()
            if self.trouble is not None and time.monotonic() - asked_at > 1.0:
                try:
                    self._producer.list_topics(timeout=0.5)
                except KafkaException:
                    pass
                else:
                    self.trouble = None
                asked_at = time.monotonic()

    def _hear(self, error: Any) -> None:
        """What librdkafka says of a broker; called while it is polled."""
        if error.fatal():
            self._fail(DeliveryError(f"nothing can be sent any more: {error.str()}"))
            return
        if self.trouble is None:
            log.warning("trouble with the brokers, trying again: %s", error.str())
        self.trouble = error.str()
