"""How many different lines were seen in the last hour, from an even sample of them, for several rows at once.

Adaptive sampling (Wegman; analysed in Flajolet: On adaptive sampling, 1990): a line is in the sample while the lowest
d bits of its keyed hash are 0, so that n lines in the sample stand for n * 2**d lines. The depth d goes up by one
whenever the sample would pass `MOST` lines. At depth 0 the count is exact, which it is up to three quarters of `MOST`
lines; beyond that between 384 and 1,024 lines stand for all, and the count's standard error is 3 to 5 %.

The hour moves in the steps of `streamer.windows.sliding`. Each line keeps for each row the last step it was seen in, so
it counts once however often it was seen. Each step may begin one depth lower than the last one ended; what counts is the
deepest in the hour, so a sample fits falling traffic an hour later.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from streamer.windows.sliding import STEPS

MOST: Final = 1_024
"""Lines in a sample."""
_NEVER: Final = -STEPS - 1


@lru_cache(1_024)
def _rows_of(bits: int) -> tuple[int, ...]:
    return tuple(row for row in range(bits.bit_length()) if bits >> row & 1)


class Lines:
    """See the module. A line is given by its keyed hash; a row is a bit of what it is added with."""

    __slots__ = ("_counted", "_counts", "_depths", "_lines", "_rows", "_step", "_totals", "out")

    def __init__(self, rows: int, step: int) -> None:
        self._rows = rows
        self._step = step
        self._lines: dict[int, list[int]] = {}
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
        if line & self.out:
            return
        word = step << self._rows | bits
        seen = self._lines.get(line)
        if seen is None:
            if len(self._lines) >= MOST:
                self.thin(MOST * 3 // 4)
                if line & self.out:
                    return
            seen = self._lines[line] = [_NEVER] * self._rows + [-1]
        elif seen[-1] == word:
            return
        seen[-1] = word
        counted = not line & self._counted
        for row in _rows_of(bits):
            before = seen[row]
            if step > before:
                seen[row] = step
                if counted:
                    self._counts[step % STEPS][row] += 1
                    if before > self._step - STEPS:
                        self._counts[before % STEPS][row] -= 1
                    else:
                        self._totals[row] += 1

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
        self._lines = {line: seen for line, seen in self._lines.items() if max(seen[:-1]) > oldest}
        while len(self._lines) > most:
            self._depths[self._step % STEPS] += 1
            self.out = self.out << 1 | 1
            self._lines = {line: seen for line, seen in self._lines.items() if not line & self.out}
        self._settle()

    def forget(self, row: int) -> None:
        """Forget what was seen in a row."""
        for seen in self._lines.values():
            seen[row] = seen[-1] = _NEVER
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
            for row in range(self._rows):
                if seen[row] > oldest:
                    self._counts[seen[row] % STEPS][row] += 1
                    self._totals[row] += 1
