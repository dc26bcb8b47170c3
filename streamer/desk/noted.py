"""Which dead letters were sent again, by the notes beside them: a bit for each letter, however many there are."""

from __future__ import annotations

from typing import Final

from streamer.kafka.topics import Place

_BITS: Final = 1 << 16
"""Offsets of one stretch of a topic's log; a stretch costs 8 KiB, and nothing while no note speaks of it."""


class Noted:
    """A set of places (topic, offset of the letter) whose size follows the span of the log and not what lies in it.

    >>> noted = Noted()
    >>> noted.add(("calls.v1.dlq", 70_000))
    >>> ("calls.v1.dlq", 70_000) in noted, ("calls.v1.dlq", 70_001) in noted
    (True, False)
    """

    def __init__(self) -> None:
        self._stretches: dict[tuple[str, int], bytearray] = {}

    def add(self, place: Place) -> None:
        """Note that the letter at `place` was sent again."""
        topic, offset = place
        stretch, bit = divmod(offset, _BITS)
        held = self._stretches.setdefault((topic, stretch), bytearray(_BITS // 8))
        held[bit // 8] |= 1 << bit % 8

    def __contains__(self, place: Place) -> bool:
        topic, offset = place
        stretch, bit = divmod(offset, _BITS)
        held = self._stretches.get((topic, stretch))
        return held is not None and bool(held[bit // 8] >> bit % 8 & 1)
