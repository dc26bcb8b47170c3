"""Operators that take part: a row each, their ranges, what they publish. Unknown ones get a row as they appear."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer.calls.decisions import MODES
from streamer.calls.events import OperatorInfo
from streamer.compiled import loop
from streamer.registers.index import Index, get, index, put
from streamer.windows.hashing import Secret

CAPACITY: Final = 4_096
"""Rows there are; those past that (an attack or a mistake: a country has hundreds) share the last row."""


class Operators(NamedTuple):
    """By row: mode uint8, deadline_ms int64, publishes bool[rows, 2] (originations, locations), max_share float64, ranged bool
    (it is registered with ranges), registered bool; `ranges` finds a row by prefix.
    """

    mode: Any
    deadline_ms: Any
    publishes: Any
    max_share: Any
    ranged: Any
    registered: Any
    ranges: Index
    lengths: Any


@loop
def owner_by_range(operators: Operators, number: int) -> int:
    """The row of the operator in whose longest range an E.164 number id lies, -1 if in none."""
    if operators.lengths[0] == 0 or number >= 10**15:
        return -1
    digits = number
    length = 0
    while digits > 0:
        length += 1
        digits //= 10
    digits = number
    while length > 0:
        if (operators.lengths[0] >> length) & 1:
            row = get(operators.ranges, digits, length)
            if row >= 0:
                return row
        digits //= 10
        length -= 1
    return -1


class Register:
    """The operators in force and their rows."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self.rows: dict[str, int] = {}
        self._known: dict[str, OperatorInfo] = {}
        self.compiled = Operators(
            np.full(CAPACITY, MODES.index("enforce"), np.uint8),
            np.full(CAPACITY, OperatorInfo(operator="-").deadline_ms, np.int64),
            np.zeros((CAPACITY, 2), np.bool_),
            np.ones(CAPACITY),
            np.zeros(CAPACITY, np.bool_),
            np.zeros(CAPACITY, np.bool_),
            index(secret),
            np.zeros(1, np.int64),
        )

    def row(self, operator: str) -> int:
        """The row of an operator, a new one for a name not seen before."""
        row = self.rows.get(operator)
        if row is None:
            # Names that nobody registered get half of the rows, so that inventing some takes nothing from those registered.
            if len(self.rows) >= (CAPACITY - 1 if operator in self._known else CAPACITY // 2):
                return CAPACITY - 1
            row = self.rows[operator] = len(self.rows)
        return row

    def put(self, info: OperatorInfo) -> None:
        """Enter or replace an operator."""
        self._known[info.operator] = info
        self._compile()

    def remove(self, operator: str) -> None:
        """Forget an operator: it runs by the defaults again."""
        if self._known.pop(operator, None) is not None:
            self._compile()

    def _compile(self) -> None:
        default = OperatorInfo(operator="-")
        size = 64
        while size < 2 * sum(len(info.ranges) for info in self._known.values()):
            size *= 2
        ranges, lengths = index(self._secret, size), 0
        mode, deadline, publishes, share, ranged, registered = self.compiled[:6]
        mode[:], deadline[:], publishes[:], share[:] = MODES.index("enforce"), default.deadline_ms, False, 1.0
        ranged[:], registered[:] = False, False
        for info in self._known.values():
            row = self.row(info.operator)
            mode[row] = MODES.index(info.mode)
            deadline[row] = info.deadline_ms
            publishes[row] = (info.publishes_originations, info.publishes_locations)
            share[row] = info.max_share
            ranged[row], registered[row] = bool(info.ranges), True
            for prefix in info.ranges:
                digits = prefix.removeprefix("+")
                if (
                    digits.isascii()
                    and digits.isdigit()
                    and len(digits) <= 15
                    and get(ranges, int(digits), len(digits)) < 0
                ):
                    put(ranges, int(digits), len(digits), row)
                    lengths |= 1 << len(digits)
        self.compiled = Operators(
            mode, deadline, publishes, share, ranged, registered, ranges, np.array([lengths], np.int64)
        )
