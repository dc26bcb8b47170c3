"""A thread that looks at the event loop from beside: whether this process is alive at all, and whether the loop gets on."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from streamer.errors import TransportError
from streamer.stream.batches import Batch
from streamer.stream.session import Session

_LOOK_S: Final = 0.1
_SLEPT_S: Final = 1.0
"""A look that comes so late says nothing of the loop: the whole process was stopped, or had no processor."""


class Watchdog:
    """Keeps `session` alive as long as the process runs, whatever the event loop is at, and calls `fail` when that takes no
    turn, or does not finish the oldest of `in_flight`, for `timeout_s` (setting batch_timeout_s), unless it is the brokers it
    waits for, as `held_up` says; and when it has not ended in the time that `end_within` gives it, brokers or not.

    Attributes
    ----------
    turned_at : float
        When the loop took its last turn, monotonic clock; whoever turns writes it.
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
        self.turned_at = self._excused_at = self._looked_at = time.monotonic()
        self._end_by = math.inf
        self._stop = threading.Event()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def end_within(self, seconds: float) -> None:
        """From now on; later calls give no more time."""
        self._end_by = min(self._end_by, time.monotonic() + seconds)

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
        """Raises `TransportError` when something takes too long, counted from when it was last held up."""
        slept, self._looked_at = now - self._looked_at > _SLEPT_S, now
        if slept or self._held_up():
            self._excused_at = now
        stuck = next((batch for batch in tuple(self._in_flight) if not batch.finished), None)
        if stuck is not None and now - max(stuck.handed_at, self._excused_at) > self._timeout_s:
            raise TransportError(
                f"a batch of {stuck.topic} ({stuck.kind}, partitions {sorted(stuck.spans)}) was not finished within "
                f"{self._timeout_s:g} s; its offsets stay where they were"
            )
        if now - max(self.turned_at, self._excused_at) > self._timeout_s:
            raise TransportError(f"the event loop has been at something for {self._timeout_s:g} s and takes no records")
        if now > self._end_by and not slept:
            raise TransportError("the consumer did not leave its group in time")
