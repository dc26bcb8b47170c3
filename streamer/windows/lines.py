"""How many different lines were seen in the last hour, from an even sample of them, for several rows at once.

Adaptive sampling (Wegman; analysed in Flajolet: On adaptive sampling, 1990): a line is in the sample while the lowest
d bits of its keyed hash are 0, so that n lines in the sample stand for n * 2**d lines. The depth d goes up by one
whenever the sample would pass `MOST` lines. At depth 0 the count is exact, which it is up to three quarters of `MOST`
lines; beyond that between 384 and 1,024 lines stand for all, and the count's standard error is 3 to 5 %.

The hour moves in the steps of `streamer.windows.sliding`. Each line keeps for each row the last step it was seen in, so
it counts once however often it was seen. That is one integer a line: the step it was seen in last, and below it 3 bits a
row, how many steps before that the row saw it (7: not within the hour). Lists instead would be walked by Python's garbage
collector, 0.1 s at a time. Each step may begin one depth lower than the last one ended; what counts is the
deepest in the hour, so a sample fits falling traffic an hour later.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from streamer.windows.sliding import STEPS

MOST: Final = 1_024
"""Lines in a sample."""
_NEVER: Final = -STEPS - 1
_AGE_BITS: Final = 3
_OLD: Final = 7
"""The age of a step that no hour holds any more together with the one it is counted from."""


@lru_cache(1_024)
def _ages_of(bits: int) -> int:
    """The bits of a line's integer in which the ages of these rows lie."""
    return sum(_OLD << _AGE_BITS * row for row in _rows_of(bits))


@lru_cache(1_024)
def _rows_of(bits: int) -> tuple[int, ...]:
    return tuple(row for row in range(bits.bit_length()) if bits >> row & 1)


class Lines:
    """See the module. A line is given by its keyed hash; a row is a bit of what it is added with."""

    __slots__ = ("_counted", "_counts", "_depths", "_lines", "_rows", "_shift", "_step", "_totals", "out")

    def __init__(self, rows: int, step: int) -> None:
        self._rows = rows
        self._step = step
        self._shift = _AGE_BITS * rows
        self._lines: dict[int, int] = {}
        self._counts = [[0] * rows for _ in range(STEPS)]
        self._totals = [0] * rows
        self._depths = [0] * STEPS
        self._counted = 0
        """Bits of a hash that keep a line out of what is counted of the sample."""
        self.out = 0
        """Bits of a hash that keep a line out of the sample at present."""

    def __len__(self) -> int:
        """Lines held, those that are no longer in the hour among them until room is needed."""
        return len(self._lines)

    def count(self, row: int) -> int:
        """How many different lines the hour holds in a row."""
        return self._totals[row] * (self._counted + 1)

    def counts(self) -> list[tuple[int, int]]:
        """(row, count) of each row that the hour holds lines of."""
        scale = self._counted + 1
        return [(row, total * scale) for row, total in enumerate(self._totals) if total]

    def add(self, line: int, step: int, bits: int) -> None:
        """See a line in the rows of `bits`, in a step that the hour holds."""
        if line & self.out or not bits:
            return
        seen = self._lines.get(line)
        if seen is None:
            if len(self._lines) >= MOST:
                self.thin(MOST * 3 // 4)
                if line & self.out:
                    return
            last = [_NEVER] * self._rows
        elif seen >> self._shift == step and not seen & _ages_of(bits):
            return
        else:
            last = self._last(seen)
        counted = not line & self._counted
        for row in _rows_of(bits):
            before = last[row]
            if step > before:
                last[row] = step
                if counted:
                    self._counts[step % STEPS][row] += 1
                    if before > self._step - STEPS:
                        self._counts[before % STEPS][row] -= 1
                    else:
                        self._totals[row] += 1
        latest = max(last)
        word = latest
        for step_of_row in reversed(last):
            word = word << _AGE_BITS | min(latest - step_of_row, _OLD)
        self._lines[line] = word

    def advance(self, step: int) -> None:
        """Let the hour go on to a later step."""
        first = max(self._step + 1, step - STEPS + 1)
        depth = max(self._depths[self._step % STEPS] - 1, 0)
        if first > self._step + 1:
            self._lines.clear()
            depth = 0
        for over in range(first, step + 1):
            gone = self._counts[over % STEPS]
            self._totals = [total - left for total, left in zip(self._totals, gone, strict=True)]
            self._counts[over % STEPS] = [0] * self._rows
            self._depths[over % STEPS] = depth
        self._step = step
        self.out = (1 << depth) - 1
        self._settle()

    def thin(self, most: int) -> None:
        """Let go of lines that the hour holds no more, and then of every other one until at most `most` are left."""
        oldest = self._step - STEPS
        self._lines = {line: seen for line, seen in self._lines.items() if seen >> self._shift > oldest}
        while len(self._lines) > most:
            self._depths[self._step % STEPS] += 1
            self.out = self.out << 1 | 1
            self._lines = {line: seen for line, seen in self._lines.items() if not line & self.out}
        self._settle()

    def forget(self, row: int) -> None:
        """Forget what was seen in a row."""
        old = _OLD << _AGE_BITS * row
        self._lines = {line: seen | old for line, seen in self._lines.items()}
        for counts in self._counts:
            counts[row] = 0
        self._totals[row] = 0

    def _settle(self) -> None:
        """Count by the deepest depth of the hour; anew when that is another one than before."""
        counted = (1 << max(self._depths)) - 1
        if counted == self._counted:
            return
        self._counted = counted
        self._counts = [[0] * self._rows for _ in range(STEPS)]
        self._totals = [0] * self._rows
        oldest = self._step - STEPS
        for line, seen in self._lines.items():
            if line & counted:
                continue
            for row, step in enumerate(self._last(seen)):
                if step > oldest:
                    self._counts[step % STEPS][row] += 1
                    self._totals[row] += 1

    def _last(self, seen: int) -> list[int]:
        """The last step that each row saw a line in."""
        latest = seen >> self._shift
        ages = [seen >> _AGE_BITS * row & _OLD for row in range(self._rows)]
        return [_NEVER if age == _OLD else latest - age for age in ages]
