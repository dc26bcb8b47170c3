"""What time it is by the brokers' clock, whatever this machine's clock says."""

from __future__ import annotations

import time


class LogClock:
    """Of one partition, since each broker appends by a clock of its own: the append time of its newest record, and the time that
    has passed since by a clock that never jumps.
    """

    def __init__(self) -> None:
        self._newest_ms = -1
        self._met_at = 0.0

    def met(self, append_ms: int) -> None:
        """The newest record was appended then, ms since 1970; earlier than the one before it where another broker leads now."""
        if append_ms >= 0:
            self._newest_ms = append_ms
            self._met_at = time.monotonic()

    def now_ms(self) -> int | None:
        """Ms since 1970, at most by as much behind as the newest record was when it was read; None before any record."""
        if self._newest_ms < 0:
            return None
        return self._newest_ms + int(1000 * (time.monotonic() - self._met_at))
