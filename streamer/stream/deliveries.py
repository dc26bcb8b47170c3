"""What leaves the worker: one idempotent producer, each message awaited, served by a thread of its own.

A batch is finished when every one of its messages was delivered: the last of a partition cannot stand for the others,
since one that is too large or times out is lost while later ones arrive. A failed delivery ends the worker.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from streamer.errors import DeliveryError
from streamer.kafka.clients import producer
from streamer.settings import Settings


class Parcel:
    """The messages of one batch: counts them out and in again, and calls `done` when all are delivered."""

    __slots__ = ("_done", "_fail", "_lock", "_waiting")

    def __init__(self, done: Callable[[], None], fail: Callable[[BaseException], None]) -> None:
        self._waiting = 1
        self._done = done
        self._fail = fail
        self._lock = threading.Lock()

    def expect(self, messages: int) -> None:
        """So many messages more are about to be sent."""
        with self._lock:
            self._waiting += messages

    def delivered(self, error: Any, message: Any) -> None:
        """Librdkafka's callback for each message."""
        if error is not None:
            self._fail(
                DeliveryError(f"a message to {message.topic()}[{message.partition()}] was not delivered: {error.str()}")
            )
            return
        self.close()

    def close(self) -> None:
        """One fewer to wait for; called once more when all have been sent."""
        with self._lock:
            self._waiting -= 1
            left = self._waiting
        if left == 0:
            self._done()


class Deliveries:
    """The producer and the thread that serves its callbacks; it still runs while the app stops."""

    def __init__(self, settings: Settings, fail: Callable[[BaseException], None]) -> None:
        self._producer = producer(settings)
        self._fail = fail
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="deliveries", daemon=True)
        self._thread.start()

    def parcel(self, done: Callable[[], None]) -> Parcel:
        """A parcel for the messages of one batch; call `close` on it when all were sent."""
        return Parcel(done, self._fail)

    async def send(self, topic: str, key: Any, value: Any, partition: int, headers: Any, parcel: Parcel) -> None:
        """Queue one message; waits while the queue is full. Raises `DeliveryError` when it cannot be sent at all."""
        while True:
            try:
                self._producer.produce(topic, value, key, partition, parcel.delivered, headers=headers)
            except BufferError:
                await asyncio.sleep(0.005)
            except Exception as error:
                raise DeliveryError(f"a message to {topic}[{partition}] cannot be sent: {error}") from error
            else:
                return

    def close(self, wait_s: float) -> None:
        """Wait for what is under way, then end the thread."""
        self._producer.flush(wait_s)
        self._stop.set()
        self._thread.join(5)

    def _serve(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(0.1)
