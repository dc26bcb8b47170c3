"""Trunks that are registered: what kind each is, who is on its other end and which numbers may come over it.

A row each; row 0 stands for every trunk that nobody registered, about which nothing is concluded.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer.calls.events import TrunkInfo
from streamer.compiled import loop
from streamer.registers.index import Index, get, grown, index, put, remove, widened
from streamer.windows.hashing import Secret

KINDS: Final = ("unknown", "direct", "transit", "international", "enterprise")
UNKNOWN, DIRECT, TRANSIT, INTERNATIONAL, ENTERPRISE = range(len(KINDS))
CAPACITY: Final = 8_192
"""Rows there may be: a country's operators have hundreds of trunks each at most."""
_DIGITS: Final = 50
"""Bits that the longest prefix needs; the row stands above them in a key of `ranges`."""


class Trunks(NamedTuple):
    """By row: `kind` uint8 (into `KINDS`), `partner` int32 (the row of the operator on the other end, -1: none), `lengths`
    int64 (bit n: it has ranges of n digits); `ranges` finds a row's prefix.
    """

    kind: Any
    partner: Any
    lengths: Any
    ranges: Index


@loop
def has(trunks: Trunks, row: int, number: int) -> float:
    """1.0 when an E.164 number id lies in one of a trunk's ranges, 0.0 when in none, NaN when it has no ranges."""
    lengths = trunks.lengths[row]
    if lengths == 0:
        return np.nan
    if number <= 0 or number >= 10**15:
        return 0.0
    above = np.int64(row) << _DIGITS
    length = 0
    digits = number
    while digits > 0:
        length += 1
        digits //= 10
    digits = number
    while length > 0:
        if (lengths >> length) & 1 and get(trunks.ranges, above | digits, length) >= 0:
            return 1.0
        digits //= 10
        length -= 1
    return 0.0


class Register:
    """The trunks in force. `rows` finds the row of (operator, trunk), `names` the reverse."""

    def __init__(self, secret: Secret) -> None:
        self.rows: dict[tuple[str, str], int] = {}
        self.names: dict[int, tuple[str, str]] = {}
        self._prefixes: dict[int, list[tuple[int, int]]] = {}
        self._free: list[int] = []
        self._entries = 0
        self.compiled = Trunks(np.zeros(64, np.uint8), np.full(64, -1, np.int32), np.zeros(64, np.int64), index(secret))

    def put(self, info: TrunkInfo, partner: int) -> bool:
        """Enter or replace a trunk; `partner` is the row of the operator on its other end, -1 if that is none.

        Gives False, and changes nothing, when there are too many.
        """
        name = info.operator, info.trunk
        row = self.rows.get(name)
        if row is None:
            if not self._free and len(self.rows) + 1 >= CAPACITY:
                return False
            row = self.rows[name] = self._free.pop() if self._free else len(self.rows) + 1
        self.names[row] = name
        self._empty(row)
        prefixes = {
            (len(digits), int(digits))
            for digits in (prefix.removeprefix("+") for prefix in info.ranges)
            if digits.isascii() and digits.isdigit() and len(digits) <= 15
        }
        self._entries += len(prefixes)
        held = self.compiled
        partners = widened(held.partner, row + 1)
        self.compiled = held = Trunks(
            widened(held.kind, row + 1), partners, widened(held.lengths, row + 1), grown(held.ranges, self._entries)
        )
        held.kind[row], held.partner[row] = KINDS.index(info.kind), partner
        for length, digits in prefixes:
            put(held.ranges, row << _DIGITS | digits, length, row)
            held.lengths[row] |= 1 << length
        self._prefixes[row] = [*prefixes]
        return True

    def remove(self, operator: str, trunk: str) -> None:
        """Forget a trunk: nothing is concluded from it any more."""
        row = self.rows.pop((operator, trunk), None)
        if row is not None:
            del self.names[row]
            self._empty(row)
            self._free.append(row)

    def _empty(self, row: int) -> None:
        for length, digits in self._prefixes.pop(row, []):
            remove(self.compiled.ranges, row << _DIGITS | digits, length)
            self._entries -= 1
        if row < len(self.compiled.kind):
            self.compiled.kind[row], self.compiled.partner[row], self.compiled.lengths[row] = UNKNOWN, -1, 0
