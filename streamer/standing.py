"""Lines in good standing of one operator's trunk: how many a detector judged in the last hour, and of how many it asked to
block a call. What `streamer.governor` counts by.
"""

from __future__ import annotations

import math
from typing import Final

from streamer.features import WINDOWS
from streamer.policy import ASKED, MODEL_ROW
from streamer.windows.lines import Lines
from streamer.windows.sliding import STEP_MS, STEPS

HOUR_STEP_MS: Final = int(STEP_MS[[name for name, _ in WINDOWS].index("1h")])

_Z: Final = 1.96
_ROWS: Final = MODEL_ROW + 1
_COULD: Final = (1 << ASKED) - 1


class Scope:
    """One operator's trunk: lines judged and lines asked for; `held` ms by row, before which nothing is counted."""

    __slots__ = (
        "_first", "_free", "asked", "at", "begin_ms", "end_ms", "held", "held_to", "judged", "size", "step",
    )  # fmt: skip

    def __init__(self, step: int) -> None:
        self.judged = Lines(_ROWS, step)
        self.asked = Lines(_ROWS, step)
        self.held = [0] * _ROWS
        self.held_to = self.at = self.size = self._first = self._free = 0
        self._enter(step)

    def _enter(self, step: int) -> None:
        self.step = step
        self.begin_ms, self.end_ms = step * HOUR_STEP_MS, (step + 1) * HOUR_STEP_MS

    def add(self, at_ms: int, bits: int, line: int) -> None:
        """Count a call of a line."""
        if at_ms > self.at:  # noqa: PLR1730 - every call comes here, and this costs half of what max() does
            self.at = at_ms
        step = self.step
        if at_ms >= self.end_ms:
            step = at_ms // HOUR_STEP_MS
            self.judged.advance(step)
            self.asked.advance(step)
            self._enter(step)
        elif at_ms < self.begin_ms:
            step = at_ms // HOUR_STEP_MS
            if step <= self.step - STEPS:
                return
        if self.held_to > at_ms:
            bits &= self._free if at_ms < self._first else self._free_at(at_ms)
        if not line & self.judged.out:
            self.judged.add(line, step, bits & _COULD)
        if bits > _COULD:
            self.asked.add(line, step, bits >> ASKED)

    def __len__(self) -> int:
        """Lines held in both samples."""
        return len(self.judged) + len(self.asked)

    def lines(self) -> int:
        """How many lines the hour holds, in the row that has most of them."""
        return max((lines for _, lines in self.judged.counts()), default=0)

    def totals(self) -> list[tuple[int, int, int]]:
        """(row, lines, lines asked for) of each row that asked for any within the hour."""
        return [
            (row, lines, min(asked, lines)) for row, asked in self.asked.counts() if (lines := self.judged.count(row))
        ]

    def hold(self, row: int, until_ms: int) -> None:
        """Count nothing of a row before then."""
        self.held[row] = until_ms
        self.held_to = max(self.held)
        self._first = min(filter(None, self.held), default=0)
        self._free = self._free_at(self._first - 1)

    def _free_at(self, at_ms: int) -> int:
        """The bits of the rows that are not held at a time."""
        free = sum(1 << row for row in range(_ROWS) if self.held[row] <= at_ms)
        return free | free << ASKED

    def restart(self, row: int) -> None:
        """Forget what a row counted."""
        self.judged.forget(row)
        self.asked.forget(row)

    def thin(self) -> None:
        """Halve both samples, or nearly."""
        for lines in (self.judged, self.asked):
            lines.thin(max(len(lines) // 2, 1))


def share_for_sure(asked: int, lines: int) -> float:
    """The share that so many lines show for sure: the lower bound of Wilson's 95 % interval (Wilson, 1927).

    One line among 251 is 0.4 %, but says nothing: it could switch a detector off for all others.

    >>> share_for_sure(1, 251) < 0.001, round(share_for_sure(50, 1_000), 3)
    (True, 0.038)
    """
    share = asked / lines
    middle = share + _Z**2 / (2 * lines)
    off = _Z * math.sqrt(share * (1 - share) / lines + _Z**2 / (4 * lines**2))
    return max(0.0, (middle - off) / (1 + _Z**2 / lines))
