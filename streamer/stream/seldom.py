"""Log lines that would come with every batch."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Final

EVERY_S: Final = 60.0


class Seldom:
    """Lets a line about one thing through once a minute; metrics count the rest. Keys have to be few, as labels are."""

    def __init__(self) -> None:
        self._next_at: dict[Hashable, float] = {}

    def due(self, key: Hashable) -> bool:
        """Whether to say it now; whoever asks says it then."""
        now = time.monotonic()
        if now < self._next_at.get(key, 0.0):
            return False
        self._next_at[key] = now + EVERY_S
        return True
