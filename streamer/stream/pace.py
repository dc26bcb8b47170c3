"""Polls, and when one waits a moment for more records, and when it does not."""

from __future__ import annotations

import time
from typing import Any, Final

from confluent_kafka import Consumer as Client

COMPANY: Final = 2
"""Records that have to be expected within the linger for a poll to wait for them."""
MEASURED_S: Final = 0.05
"""Over how long the pace of arrivals is measured."""


class Pace:
    """The pace of arrivals. A message to the agent costs as much as judging ten calls: when thousands come a second, not
    waiting for company fills the processor; when they come one by one, waiting gains nothing and is a third of a
    verdict's way.
    """

    def __init__(self, linger_s: float) -> None:
        self._linger_s = linger_s
        self._since = 0.0
        self._arrived = 0
        self._a_second = 0.0

    def poll(self, client: Client, wait_s: float, most: int) -> list[Any]:
        """At most so many records, after waiting so long for the first of them."""
        first = client.poll(wait_s)
        if first is None:
            return []
        taken = [first]
        wanted = min(self.company(time.monotonic()), most // 2)
        if len(taken) < wanted:
            taken += client.consume(wanted - 1, self._linger_s)
        if len(taken) >= wanted:  # else there were no more when the linger was over
            taken += client.consume(most - len(taken), 0)
        self.arrived(len(taken))
        return taken

    def arrived(self, records: int) -> None:
        """Count what a poll brought."""
        self._arrived += records

    def company(self, now: float) -> int:
        """Records that a poll waits for, since so many come within the linger; 0 where too few do. `now` is monotonic, s."""
        if now - self._since >= MEASURED_S:
            self._a_second = self._arrived / (now - self._since)
            self._since, self._arrived = now, 0
        expected = round(self._a_second * self._linger_s)
        return expected if expected >= COMPANY else 0
