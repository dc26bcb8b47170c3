"""The lists of `lists.v1`, compiled: one look-up tells every list that a number is on.

An entry names a whole number or a prefix, a side (calling or called) and perhaps one trunk, and may expire. Numbers are
compared normalised; a prefix that begins with `+` is one of E.164 digits, another is one of the digits of a short
number as dialled. A number that is on a list twice (exact and by prefix) is on it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, get_args

import numpy as np

from streamer.calls.events import ListEntry, ListName
from streamer.compiled import loop
from streamer.registers.index import Index, get, grown, index, put, remove, widened
from streamer.windows.hashing import Secret

NAMES: Final[tuple[str, ...]] = get_args(ListName)
BIT: Final = {name: 1 << place for place, name in enumerate(NAMES)}
SIDES: Final = ("caller", "called")
NEVER_MS: Final = 2**62
SHORT_BIT: Final = 1 << 60
OTHER_BIT: Final = 1 << 62
_PREFIX: Final = 64
_SHORT_PREFIX: Final = 96


class Lists(NamedTuple):
    """`until_ms` int64[rows, 2 sides, lists]: 0 not on it, else until when; `lengths` int64[2]: bit n set when prefixes of n digits exist."""

    at: Index
    until_ms: Any
    lengths: Any


def empty(secret: Secret) -> Lists:
    """No entry at all."""
    return Lists(index(secret), np.zeros((64, 2, len(NAMES)), np.int64), np.zeros(2, np.int64))


@loop
def _mask(lists: Lists, row: int, side: int, at_ms: int) -> int:
    found = 0
    for which in range(lists.until_ms.shape[2]):
        if lists.until_ms[row, side, which] > at_ms:
            found |= 1 << which
    return found


@loop
def lookup(lists: Lists, number: int, side: int, trunk: int, at_ms: int) -> int:
    """Bit mask (see `BIT`) of the lists that a number id is on at `at_ms`; trunk 0 is one that no entry names."""
    found = 0
    row = get(lists.at, number, 0)
    if row >= 0:
        found |= _mask(lists, row, side, at_ms)
    if trunk > 0:
        row = get(lists.at, number, trunk * 128)
        if row >= 0:
            found |= _mask(lists, row, side, at_ms)
    if number >= OTHER_BIT:
        return found
    kind = 0
    digits = number
    length = 0
    if number >= SHORT_BIT:
        kind = 1
        length = (number >> 52) & 0xFF
        digits = number & ((1 << 52) - 1)
    else:
        rest = number
        while rest > 0:
            length += 1
            rest //= 10
    lengths = lists.lengths[kind]
    if lengths == 0:
        return found
    base = _PREFIX if kind == 0 else _SHORT_PREFIX
    while length > 0:
        if (lengths >> length) & 1:
            row = get(lists.at, digits, base + length)
            if row >= 0:
                found |= _mask(lists, row, side, at_ms)
            if trunk > 0:
                row = get(lists.at, digits, base + length + trunk * 128)
                if row >= 0:
                    found |= _mask(lists, row, side, at_ms)
        digits //= 10
        length -= 1
    return found


class Register:
    """The entries in force and their compiled form. `number_id` turns a number as listed into its id."""

    def __init__(self, secret: Secret, number_ids: Any) -> None:
        self.compiled = empty(secret)
        self.trunks: dict[str, int] = {}
        self._number_ids = number_ids
        self._rows: dict[tuple[int, int], int] = {}
        self._held: dict[str, tuple[tuple[int, int], int, int]] = {}
        self._counts: dict[tuple[tuple[int, int], int, int], dict[str, int]] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._held)

    def put(self, key: str, entry: ListEntry) -> None:
        """Enter or replace what stands under a record key."""
        self.remove(key)
        place = self._place(entry)
        row = self._rows.get(place)
        if row is None:
            row = self._free.pop() if self._free else len(self._rows)
            self._rows[place] = row
            at = grown(self.compiled.at, row + 1)
            put(at, place[0], place[1], row)
            self.compiled = self.compiled._replace(at=at, until_ms=widened(self.compiled.until_ms, row + 1))
        side, which = SIDES.index(entry.side), NAMES.index(entry.list)
        until = NEVER_MS if entry.expires_at is None else entry.expires_at
        self._held[key] = (place, side, which)
        self._counts.setdefault((place, side, which), {})[key] = until
        self._settle(place, side, which)
        if entry.match == "prefix":
            kind = 0 if place[1] % 128 < _SHORT_PREFIX else 1
            self.compiled.lengths[kind] |= 1 << (place[1] % 32)

    def remove(self, key: str) -> None:
        """Forget what stands under a record key, if anything does."""
        held = self._held.pop(key, None)
        if held is not None:
            del self._counts[held][key]
            self._settle(*held)
            if not self._counts[held]:
                del self._counts[held]
                self._leave(held[0])

    def names(self, mask: int) -> list[str]:
        """The lists in a mask, by name."""
        return [name for name, bit in BIT.items() if mask & bit] if mask else []

    def _settle(self, place: tuple[int, int], side: int, which: int) -> None:
        untils = self._counts[place, side, which].values()
        self.compiled.until_ms[self._rows[place], side, which] = max(untils, default=0)

    def _leave(self, place: tuple[int, int]) -> None:
        """Give a row back that no entry needs any more."""
        if not any((place, *of) in self._counts for of in np.ndindex(len(SIDES), len(NAMES))):
            remove(self.compiled.at, *place)
            self._free.append(self._rows.pop(place))

    def _place(self, entry: ListEntry) -> tuple[int, int]:
        trunk = 0
        if entry.trunk:
            trunk = self.trunks.setdefault(entry.trunk, len(self.trunks) + 1)
        if entry.match == "exact":
            return int(self._number_ids([entry.number])[0]), trunk * 128
        digits = entry.number.removeprefix("+")
        base = _PREFIX if entry.number.startswith("+") else _SHORT_PREFIX
        return int(digits), base + len(digits) + trunk * 128


def check(entry: ListEntry) -> str | None:
    """What is wrong with an entry, in words; None when it can be entered."""
    if entry.match == "prefix":
        digits = entry.number.removeprefix("+")
        if not (digits.isascii() and digits.isdigit() and 1 <= len(digits) <= 15):
            return f"number {entry.number!r}: a prefix is 1 to 15 digits, with + before E.164 digits"
    return None
