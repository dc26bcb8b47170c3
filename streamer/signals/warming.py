"""Compiling what a merger runs before the first counts come."""

from __future__ import annotations

import numpy as np

from streamer.calls.signals import COUNTS, Rows, packed
from streamer.signals.merger import Merger
from streamer.windows.hashing import Secret


def warm(secret: Secret) -> None:
    """Compile every loop, or read it from the cache, by letting a small merger count."""
    rooms = {"callees": 64, "trunks": 64, "blocks": 64, "prefixes": 64, "routes": 64}
    merger = Merger(secret, **rooms)
    counts = np.full((1, len(COUNTS)), 30)
    for number in range(1, 200_000, 100_000):
        rows = Rows(np.array([[77010000000, 77010]]), np.array([1]), counts)
        merger.take(number, packed(0, number, [("o", "t")], rows))
        for key, signal in list(merger.changes()):
            if signal is not None and not key.startswith("line"):
                Merger(secret, **rooms).restore(signal)
    merger.total("callee", "+77010000000", "attempts")
