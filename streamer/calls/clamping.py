"""How far an event's time may lie from when brokers appended it."""

from __future__ import annotations

from streamer.calls.events import CLAMP_AHEAD_MS, CLAMP_BACK_MS
from streamer.compiled import inlined


@inlined
def clamped(at_ms: int, appended_ms: int) -> int:
    """The time of an event as it counts.

    >>> clamped(5_000, 1_000_000), clamped(999_000, 1_000_000), clamped(2_000_000, 1_000_000)
    (700000, 999000, 1005000)
    """
    return min(max(at_ms, appended_ms - CLAMP_BACK_MS), appended_ms + CLAMP_AHEAD_MS)
