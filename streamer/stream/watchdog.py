"""A thread that looks at the event loop from beside: whether this process is alive at all, and whether batches finish."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from streamer.errors import TransportError
from streamer.stream.batches import Batch
from streamer.stream.session import Session

_LOOK_S: Final = 0.1


class Watchdog:
    """Keeps `session` alive as long as the process runs, whatever the event loop is at; lets a batch take `timeout_s` (setting
    batch_timeout_s), unless it is the brokers it waits for, as `held_up` says, and calls `fail` when the oldest of
    `in_flight` takes longer.
    """

    def __init__(
        self,
        session: Session,
        in_flight: Sequence[Batch],
        timeout_s: float,
        held_up: Callable[[], bool],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._session = session
        self._in_flight = in_flight
        self._timeout_s = timeout_s
        self._held_up = held_up
        self._fail = fail
        self._held_up_at = 0.0
        self._stop = threading.Event()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _run(self) -> None:
        try:
            while not self._stop.wait(_LOOK_S):
                now = time.monotonic()
                self._session.look(now)
                self.look(now)
        except TransportError as reason:
            self._fail(reason)

    def look(self, now: float) -> None:
        """Raises `TransportError` when the oldest batch in flight takes too long, counted from when it was last held up."""
        if self._held_up():
            self._held_up_at = now
        try:
            stuck = self._in_flight[0]
        except IndexError:
            return
        if now - max(stuck.handed_at, self._held_up_at) > self._timeout_s:
            raise TransportError(
                f"a batch of {stuck.topic} ({stuck.kind}, partitions {sorted(stuck.spans)}) was not finished within "
                f"{self._timeout_s:g} s; its offsets stay where they were"
            )
