"""What operators know of their own lines, compact: 56 bytes a line (88 where holders are told), no Python object a line."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import numpy as np

from streamer.calls.events import SubscriberFact
from streamer.compiled import loop
from streamer.registers.index import Index, get, grown, index, put, remove, widened
from streamer.registers.operators import Operators, owner_by_range
from streamer.windows.hashing import Secret

FRESH_MS: Final = 24 * 3_600_000
_SKEW_MS: Final = 60_000
UNKNOWN: Final = 0
HOME: Final = 1
ROAMING: Final = 2
_HOLDER: Final = 32
ELSEWHERE: Final = -1
"""In place of an operator's row + 1: the number was ported, and nobody says to whom."""
LINE_ACTIVE: Final = 1
LINE_INACTIVE: Final = 2
_LINES: Final = {"active": LINE_ACTIVE, "inactive": LINE_INACTIVE}


class Facts(NamedTuple):
    """Rows by number id; a time of 0 means that the fact is not known. `owner` (by a `network` fact, or `ELSEWHERE`) and `told_by` (who said
    where the line is) are an operator's row + 1; `line_since_ms` is negative where it is only known by when the line was so.
    """

    at: Index
    number: Any
    partition: Any
    location: Any
    location_ms: Any
    line: Any
    line_since_ms: Any
    sim_ms: Any
    owner: Any
    told_by: Any


def empty(secret: Secret) -> Facts:
    """No fact at all."""
    size = 64
    return Facts(
        index(secret),
        np.zeros(size, np.int64),
        np.full(size, -1, np.int16),
        np.zeros(size, np.uint8),
        np.zeros(size, np.int64),
        np.zeros(size, np.uint8),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros(size, np.int32),
        np.zeros(size, np.int32),
    )


@loop
def row_of(facts: Facts, number: int) -> int:
    """The row of a number id, -1 if nothing is known of it."""
    return get(facts.at, number, 0)


@loop
def roaming(facts: Facts, row: int, owner: int, at_ms: int) -> float:
    """1.0 roaming, 0.0 at home, NaN unknown, older than 24 h, or said by another operator than the number's `owner` (-1: not known).

    That someone came home after the call tells nothing of where he was; that he roamed soon after it speaks for him.
    """
    if row < 0 or facts.location[row] == UNKNOWN:
        return np.nan
    if owner >= 0 and facts.told_by[row] != owner + 1:
        return np.nan
    age = at_ms - facts.location_ms[row]
    if facts.location[row] == ROAMING:
        return 1.0 if abs(age) <= FRESH_MS else np.nan
    return 0.0 if -_SKEW_MS <= age <= FRESH_MS else np.nan


@loop
def owner_of(facts: Facts, operators: Operators, fact: int, number: int) -> int:
    """The row of the operator that has a number, `fact` being the row of what is known of its line (-1: nothing); -1: nobody, or one
    that is not registered.
    """
    if fact >= 0 and facts.owner[fact] != 0:
        owner = np.int64(facts.owner[fact]) - 1
        return int(owner) if owner >= 0 and operators.registered[owner] else -1
    return int(owner_by_range(operators, number))


class Register:
    """The facts in force. Facts that come out of order do not go back in time; a tombstone forgets one fact."""

    def __init__(self, secret: Secret, number_ids: Any) -> None:
        self.compiled = empty(secret)
        self._number_ids = number_ids
        self._holders: Any = None
        self._used = 0
        self._free: list[int] = []

    def __len__(self) -> int:
        return self._used - len(self._free)

    def put(self, partition: int, fact: SubscriberFact, owner_row: int, teller_row: int, ranges_row: int) -> None:
        """Take in one fact; rows among the operators: `owner_row` of `fact.owner` (with `network`), `teller_row` of who says it,
        `ranges_row` of whose ranges have the number (-1: nobody's). What the number's operator says of where it is others do not replace.

        A value that this version does not know says that nothing is known any more.
        """
        row = self._row(int(self._number_ids([fact.number])[0]), partition)
        facts = self.compiled
        if fact.fact == "location":
            owner = int(facts.owner[row]) or ranges_row + 1
            replaces = fact.at >= facts.location_ms[row]
            if owner and (facts.told_by[row] == owner) != (teller_row + 1 == owner):
                replaces = teller_row + 1 == owner
            if replaces:
                facts.told_by[row] = teller_row + 1
                facts.location[row] = ROAMING if fact.value == "roaming" else HOME if fact.value == "home" else UNKNOWN
                facts.location_ms[row] = fact.at
        elif fact.fact == "line":
            state = _LINES.get(fact.value, UNKNOWN)
            facts.line[row] = state
            facts.line_since_ms[row] = 0 if state == UNKNOWN else -fact.at if fact.since is None else fact.since
        elif fact.fact == "sim":
            facts.sim_ms[row] = max(fact.at, int(facts.sim_ms[row]))
        elif fact.fact == "network":
            facts.owner[row] = ELSEWHERE if fact.value == "ported" and not fact.owner else owner_row + 1
        elif fact.fact == "holder":
            self._hold(row, fact.value)

    def holder_of(self, number: int) -> str | None:
        """The pseudonym of the holder of a number (its id), or a digest of one that is longer than `_HOLDER` bytes."""
        row = int(row_of(self.compiled, number))
        if row < 0 or self._holders is None or row >= len(self._holders):
            return None
        return bytes(self._holders[row]).decode("utf-8", "replace") or None

    def _hold(self, row: int, holder: str) -> None:
        named = holder.encode("utf-8", "surrogatepass")
        if len(named) > _HOLDER:
            named = hashlib.blake2b(named, digest_size=_HOLDER // 2).hexdigest().encode()
        if self._holders is None:
            self._holders = np.zeros(len(self.compiled.number), f"S{_HOLDER}")
        self._holders = widened(self._holders, row + 1)
        self._holders[row] = named

    def forget(self, number: str, fact: str) -> None:
        """A tombstone: this fact of the number is not known any more."""
        row = int(row_of(self.compiled, int(self._number_ids([number])[0])))
        if row < 0:
            return
        facts = self.compiled
        if fact == "location":
            facts.location[row], facts.location_ms[row], facts.told_by[row] = UNKNOWN, 0, 0
        elif fact == "line":
            facts.line[row], facts.line_since_ms[row] = 0, 0
        elif fact == "sim":
            facts.sim_ms[row] = 0
        elif fact == "network":
            facts.owner[row] = 0
        elif fact == "holder" and self._holders is not None and row < len(self._holders):
            self._holders[row] = b""
        held = self._holders is not None and row < len(self._holders) and bool(self._holders[row])
        if not held and not any(column[row] for column in facts[3:]):
            self._leave(row)

    def drop(self, partition: int) -> None:
        """Forget every number of a partition."""
        for row in np.nonzero(self.compiled.partition[: self._used] == partition)[0].tolist():
            self._leave(row)

    def _leave(self, row: int) -> None:
        """Give a row back."""
        remove(self.compiled.at, int(self.compiled.number[row]), 0)
        for column in self.compiled[1:]:
            column[row] = 0
        if self._holders is not None and row < len(self._holders):
            self._holders[row] = b""
        self.compiled.partition[row] = -1
        self._free.append(row)

    def _row(self, number: int, partition: int) -> int:
        row = int(row_of(self.compiled, number))
        if row >= 0:
            return row
        if self._free:
            row = self._free.pop()
        else:
            row = self._used
            self._used += 1
            self.compiled = Facts(
                grown(self.compiled.at, self._used),
                *(widened(column, self._used) for column in self.compiled[1:]),
            )
        put(self.compiled.at, number, 0, row)
        self.compiled.number[row] = number
        self.compiled.partition[row] = partition
        return row
