"""How long a worker may be silent before the group goes on without it."""

from __future__ import annotations

import threading
import time


class Session:
    """Of one consumer, by the monotonic clock. From any thread.

    Attributes
    ----------
    alive_at : float
        When it was last seen to be alive.
    anew : str | None
        Why the group has to be joined anew.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self.alive_at = time.monotonic()
        self.anew: str | None = None

    @property
    def until(self) -> float:
        """When it ends, unless the worker is alive before."""
        return self.alive_at + self._seconds

    def is_over(self) -> bool:
        """Whether the group has to be joined anew."""
        return self.anew is not None

    def look(self, now: float) -> None:
        """The worker is alive, unless it ran out: only whoever starts over is alive again then."""
        with self._lock:
            if not self._over(now):
                self.alive_at = now

    def ran_out(self, now: float) -> bool:
        """Whether it ended unnoticed; if so, that is why the group has to be joined anew."""
        with self._lock:
            return self._over(now)

    def renew(self) -> None:
        """What was held is forgotten: a new one begins."""
        with self._lock:
            self.alive_at = time.monotonic()
            self.anew = None

    def _over(self, now: float) -> bool:
        if now < self.until:
            return False
        self.anew = f"silent for {now - self.alive_at:.1f} s, longer than the session of {self._seconds:.1f} s"
        return True
