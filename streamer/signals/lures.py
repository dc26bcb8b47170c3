"""Numbers that rang many others for a moment to be called back: known for a day, so that whoever calls one hears of it.

Whoever spoofs can make lures of other people's numbers: so many are held at most, and the oldest go first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streamer.calls.signals import Lure, Signal

LASTS_MS: Final = 86_400_000
"""How long a number counts as a lure after it last was found to be one [BK]."""
AGAIN_MS: Final = 600_000
"""One that goes on is said again so often."""
MOST: Final = 100_000
"""Lures held at a time."""


class Lures:
    """The lures of the last day by number, those found first in front."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held: dict[str, Signal] = {}
        self._new: dict[str, Signal | None] = {}
        self._restored = False

    def __len__(self) -> int:
        return len(self._held)

    def tell(self, lure: Lure, position: int) -> None:
        """A number was found to be a lure; `position` is the place of the counts after it. What is older than what is known changes
        nothing.
        """
        held = self._held.get(lure.number)
        if held is not None and lure.at - held.at < AGAIN_MS:
            return
        self._held.pop(lure.number, None)
        self._held[lure.number] = signal = Signal(
            kind="lure", subject=lure.number, at=lure.at, until=lure.at + LASTS_MS,
            values={"rings_10m": float(lure.rings)}, position=position,
        )  # fmt: skip
        self._new[signal.key] = signal

    def restore(self, signal: Signal) -> None:
        """A lure as it was said last."""
        self._held[signal.subject] = signal
        self._restored = True

    def changes(self, now_ms: int) -> Iterator[tuple[str, Signal | None]]:
        """What is to be said, and was not, by key: lures, and None where one is none any more."""
        if self._restored:
            self._held = dict(sorted(self._held.items(), key=lambda held: held[1].at))
            self._restored = False
        while self._held:
            oldest = next(iter(self._held.values()))
            if oldest.until >= now_ms and len(self._held) <= self._most:
                break
            self._new[oldest.key] = None
            del self._held[oldest.subject]
        yield from self._new.items()
        self._new = {}
