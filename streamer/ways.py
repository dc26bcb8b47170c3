"""By which operator and trunk calls come: each pair met has a number, and what is known of it is looked up seldom."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer.calls.texts import OPERATOR, TRUNK, Texts
from streamer.compiled import Straight, loop
from streamer.in_force import InForce
from streamer.registers import trunks
from streamer.registers.index import Index, get, grown, index, put, widened
from streamer.windows.hashing import Secret, hash_bytes

MOST: Final = 2 * trunks.CAPACITY
"""Pairs that are kept from one batch to the next; beyond, all are forgotten,"""
_MOST_CHARACTERS: Final = 1_000_000
"""and beyond so long names together: publishers may write any."""
_LONGEST: Final = 255
"""Characters of a trunk's name by which it is counted, as many as `trunks.v1` admits."""

OPERATOR_ROW, SCOPE, LISTED, REGISTERED, NAME, _TOLD = range(6)
"""What is known of a way, int64[ways, 6]: the rows of its operator, of what is demoted on it, of its trunk in lists, and among the
registered trunks; the number of its operator's name; and what `InForce.told_of_ways` was then."""


class Way(NamedTuple):
    """An operator and what it calls the trunk; None where it names none."""

    operator: str
    trunk: str | None

    @property
    def counted(self) -> str:
        """The trunk that a set-up is counted by; empty where it names none."""
        return (self.trunk or "")[:_LONGEST]


class Taken(NamedTuple):
    """By which of `ways` each of n calls came, int64[n], and what is `known` of each way; by which of `operators`, int64[n]."""

    way: Any
    ways: list[Way]
    known: Any
    operator: Any
    operators: list[str]


class Ways:
    """The pairs met."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._find = Straight(_find)
        self._forget()

    def _forget(self) -> None:
        self._ways: list[Way] = []
        self._operators: dict[str, int] = {}
        self._names: list[str] = []
        self._known = np.zeros((64, 6), np.int64)
        self._numbers = index(self._secret)
        self._characters = 0

    def of(self, texts: Texts, known: InForce) -> Taken:
        """The ways of a batch's calls."""
        if len(self._ways) > MOST or self._characters > _MOST_CHARACTERS:
            self._forget()
        way = np.empty(texts.spans.shape[1], np.int64)
        row = 0
        while (row := self._find((self._numbers, self._known), *texts, known.told_of_ways, way, row)) >= 0:
            number = int(way[row])
            if number < 0:
                number = self._enter(texts, row)
            self._known[number] = self._known_of(self._ways[number], known)
        return Taken(way, self._ways, self._known, self._known[way, NAME], self._names)

    def _enter(self, texts: Texts, row: int) -> int:
        way = Way(texts.required(OPERATOR, row), texts.text(TRUNK, row))
        number = len(self._ways)
        self._ways.append(way)
        if way.operator not in self._operators:
            self._operators[way.operator] = len(self._names)
            self._names.append(way.operator)
        self._characters += len(way.operator) + len(way.trunk or "")
        self._known = widened(self._known, number + 1)
        self._numbers = grown(self._numbers, number + 1)
        put(self._numbers, _hash(*texts, row, self._secret), 0, number)
        return number

    def _known_of(self, way: Way, known: InForce) -> tuple[int, ...]:
        operator, trunk = known.operators.row(way.operator), way.trunk
        return (
            operator,
            known.demotions.scopes.get((way.operator, way.counted), operator),
            0 if trunk is None else known.lists.trunks.get(trunk, 0),
            0 if trunk is None else known.trunks.rows.get((way.operator, trunk), 0),
            self._operators[way.operator],
            known.told_of_ways,
        )


@loop
def _hash(data: Any, spans: Any, row: int, secret: Any) -> int:
    operator = hash_bytes(data, spans[OPERATOR, row, 0], spans[OPERATOR, row, 1], 0, secret)
    begin, end = spans[TRUNK, row, 0], spans[TRUNK, row, 1]
    if begin < 0:
        return int(np.int64(operator))
    return int(np.int64(hash_bytes(data, begin, end, np.int64(operator), secret)))


@loop
def _find(numbers: Index, known: Any, data: Any, spans: Any, told: int, way: Any, begin: int) -> int:
    """Fill `way` from a call on; gives the first whose way has no number, or of which too little is known, -1 if there is none."""
    for row in range(begin, way.shape[0]):
        number = get(numbers, _hash(data, spans, row, numbers.secret), 0)
        way[row] = number
        if number < 0 or known[number, _TOLD] != told:
            return row
    return -1
