"""Busy lines taken together: what they add up to, in whole numbers, of which what was added can be taken away again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct

DAY_MS: Final = 86_400_000
MICRO: Final = 1_000_000
"""Millionths, in which paces are kept."""


class Watched(NamedTuple):
    """A busy line: its calls, called numbers and answers of 24 h, and calls to it in the time that it was watched."""

    attempts: int
    distinct: int
    answered: int
    incoming: int
    watched_ms: int


class Together(Struct):
    """How many lines, their calls, called numbers and answers of 24 h; of those that were watched for long enough the calls, and
    calls to them in 24 h, at the pace of the time that they were watched, in millionths.
    """

    lines: int = 0
    attempts: int = 0
    distinct: int = 0
    answered: int = 0
    watched: int = 0
    pace: int = 0

    def add(self, line: Watched, weight: int, sign: int = 1) -> None:
        """Add what is known of a line, or take it away; `weight` as `weight_of` gives it."""
        self.lines += sign
        self.attempts += sign * line.attempts
        self.distinct += sign * line.distinct
        self.answered += sign * line.answered
        if weight:
            self.watched += sign * line.attempts
            self.pace += sign * weight * line.incoming


def together(lines: Iterable[Watched], long_enough_ms: int) -> Together:
    """Some lines taken together."""
    found = Together()
    for line in lines:
        found.add(line, weight_of(line.watched_ms, long_enough_ms))
    return found


def weight_of(watched_ms: int, long_enough_ms: int) -> int:
    """What a call to a line that was watched for so long stands for in 24 h, in millionths; 0 where that was not long enough.

    >>> weight_of(7_200_000, 3_600_000), weight_of(60_000, 3_600_000)
    (12000000, 0)
    """
    return DAY_MS * MICRO // watched_ms if watched_ms >= max(long_enough_ms, 1) else 0
