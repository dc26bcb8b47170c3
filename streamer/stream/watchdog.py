"""A batch that is never finished ends the worker, unless it is the brokers it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.errors import TransportError
from streamer.stream.batches import Batch


class Watchdog:
    """Lets a batch take `timeout_s` (setting batch_timeout_s)."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._held_up_at = 0.0

    def look(self, in_flight: Sequence[Batch], now: float, *, held_up: bool) -> None:
        """Raises `TransportError` when the oldest batch in flight takes longer, counted from when it was last held up."""
        if held_up:
            self._held_up_at = now
        if not in_flight:
            return
        stuck = in_flight[0]
        if now - max(stuck.handed_at, self._held_up_at) > self._timeout_s:
            raise TransportError(
                f"a batch of {stuck.topic} ({stuck.kind}, partitions {sorted(stuck.spans)}) was not finished within "
                f"{self._timeout_s:g} s; its offsets stay where they were"
            )
