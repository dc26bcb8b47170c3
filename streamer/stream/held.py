"""What a worker knows of one partition that it holds."""

from __future__ import annotations

import time
from typing import Final

from streamer.stream.log_clock import LogClock
from streamer.stream.parts import Restored, Wish
from streamer.stream.state_log import Order

COPY_AFTER: Final = 1_000
"""Records after which a partition is copied before its time: so many cost the hot path about one millisecond."""
COPY_AFTER_BEHIND: Final = 20_000
"""The same while a backlog is caught up, when a wait of ten milliseconds makes nobody wait and what is copied seldom costs less."""


class Held:
    """One partition of ours: the offset behind its last record judged, and how far that is saved."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.position = wish.origin.offset
        self.facts = 0  # see `Control.follow`
        self.restored: Restored | None = None
        self.clock = LogClock()
        self.newest_ms = -1  # when the latest of all records judged was appended
        self.awake = False
        self.since = time.monotonic()
        self.whole = True  # what the next copy has to be
        self.said = 0
        self.answered = wish.origin.offset  # before it lie the records that others' decisions answer
        self.next_bucket = 0
        self.saved = -1  # the position of the newest copy
        self.copied_at = self.since
        self.copy_after = COPY_AFTER
        self.order: Order | None = None
