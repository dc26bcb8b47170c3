"""Stopping when most of the input is bad: better no verdicts than those of a stream that nobody understands."""

from __future__ import annotations

import collections

from streamer.errors import BrakeError
from streamer.kafka.topics import dead_letter
from streamer.settings import Settings


class Brake:
    """The share of bad records among the last `brake_records` of `topic` or a few more, by batches."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._topic = topic
        self._look_back = settings.brake_records
        self._most_share = settings.brake_share
        self._batches: collections.deque[tuple[int, int]] = collections.deque()
        self._records = self._bad = 0

    def judged(self, records: int, bad: int) -> float:
        """Count a batch; gives the share. Raises `BrakeError` when it is above the setting `brake_share`."""
        self._batches.append((records, bad))
        self._records += records
        self._bad += bad
        while self._records - self._batches[0][0] >= self._look_back:
            gone, gone_bad = self._batches.popleft()
            self._records -= gone
            self._bad -= gone_bad
        share = self._bad / self._records
        if self._records >= self._look_back and share > self._most_share:
            raise BrakeError(
                f"{share:.0%} of the last {self._records} records of {self._topic} are bad (setting brake_share: "
                f"{self._most_share:.0%}); look at {dead_letter(self._topic)}, then start again"
            )
        return share
