"""Whole batches of numbers at once: ids, partition and classification of caller, called and key number, compiled.

Equal to the reference in `streamer.calls.numbers` for every text. All texts of a batch are laid end to end and read by one compiled loop;
texts that are not ASCII, which no signalling carries, go through the reference one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from streamer.calls.compiled_hashes import Bytes, Words, partition_of_bytes
from streamer.calls.compiled_spelling import (
    Ints,
    PlanRules,
    other_id,
    plain_number,
    read_number,
    rules_of,
    says_withheld,
    trimmed,
    user_part,
)
from streamer.calls.numbers import (
    SHORT,
    WITHHELD_PREFIX,
    HomePlan,
    caller_key,
    is_withheld,
    normalise,
    plain_id,
    utf8,
)
from streamer.calls.plan import NumberTable, PlanTable, classify, number_table
from streamer.calls.texts import Texts, begin_of, laid_out
from streamer.compiled import loop

Codes = np.ndarray[Any, np.dtype[np.int32]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


class NumberColumns(NamedTuple):
    """What a batch's numbers come to; every array has one entry a record.

    `caller_id` (the shown number), `callee_id` and `key_id` (the caller key) int64; `partition` of the caller key int32; `withheld` bool;
    status, region and kind as `streamer.calls.plan.classify` gives them, int32, for the three numbers.
    `texts` holds all callers and then all called numbers.
    """

    caller_id: Ints
    callee_id: Ints
    key_id: Ints
    partition: Codes
    withheld: Flags
    caller_status: Codes
    caller_region: Codes
    caller_kind: Codes
    callee_status: Codes
    callee_region: Codes
    callee_kind: Codes
    key_status: Codes
    key_region: Codes
    key_kind: Codes
    callers: Sequence[str]
    callees: Sequence[str]
    asserted: Sequence[str | None]
    plan: HomePlan
    texts: Texts

    def key_of(self, row: int) -> str:
        """The caller key of one record as text."""
        number = int(self.key_id[row])
        if number < SHORT:
            return f"+{number}"
        return caller_key(self.callers[row], self.asserted[row], self.callees[row], self.plan)


class Numbers:
    """Resolves the numbers of whole batches for one home plan, secret and partition count."""

    def __init__(self, plan: HomePlan, secret: tuple[int, int], partitions: int, table: NumberTable) -> None:
        self.plan = plan
        self.secret = secret
        self.partitions = partitions
        self.table = table.table
        self.regions = table.regions
        self._words = np.array(secret, dtype=np.uint64)
        self._rules = rules_of(plan)

    @classmethod
    def prepared(cls, plan: HomePlan, secret: tuple[int, int], partitions: int) -> Self:
        """Ready to run: table loaded, loops compiled (or read from numba's cache)."""
        numbers = cls(plan, secret, partitions, number_table(plan.region))
        numbers.resolve(["", "+77011234567", "é"], ["112", "112", "112"], [None, None, None])
        numbers.ids(["112"])
        return numbers

    def resolve(self, callers: Sequence[str], callees: Sequence[str], asserted: Sequence[str | None]) -> NumberColumns:
        """All columns of a batch; the three sequences have one entry a record."""
        n = len(callers)
        ids = np.empty((3, n), dtype=np.int64)
        codes = np.empty((10, n), dtype=np.int32)
        withheld = np.empty(n, dtype=np.bool_)
        both = [*callers, *callees]
        texts = laid_out(both)
        hidden = _resolve(
            *texts, n, self._rules, self._words, self.partitions, self.table, ids, codes, withheld, _room(texts.data)
        )
        odd = {at % n for at in _not_ascii(both)}
        if hidden or odd:
            self._finish(callers, callees, asserted, ids, codes, withheld, odd)
        return NumberColumns(*ids, codes[0], withheld, *codes[1:], callers, callees, asserted, self.plan, texts)

    def ids(self, raw: Sequence[str]) -> Ints:
        """int64 ids of raw numbers, for those that no other column is needed of."""
        ids = np.empty(len(raw), dtype=np.int64)
        texts = laid_out(raw)
        _ids(*texts, self._rules, self._words, ids, _room(texts.data))
        for at in _not_ascii(raw):
            ids[at] = self._id_of(normalise(raw[at], self.plan))
        return ids

    def _id_of(self, normalised: str) -> int:
        """`number_id` with the compiled hash: the plain one would make long texts of other scripts a way to stall a worker."""
        found = plain_id(normalised)
        if found is None:
            data = _utf8_bytes(normalised)
            found = int(other_id(data, data.size, self._words))
        return found

    def _finish(
        self,
        callers: Sequence[str],
        callees: Sequence[str],
        asserted: Sequence[str | None],
        ids: Ints,
        codes: Codes,
        withheld: Flags,
        odd: set[int],
    ) -> None:
        """Rows that the loop left: not ASCII (by the reference), and withheld callers with an asserted number."""
        for row in odd:
            shown = normalise(callers[row], self.plan)
            called = normalise(callees[row], self.plan)
            withheld[row] = is_withheld(callers[row])
            key = caller_key(callers[row], asserted[row], callees[row], self.plan) if withheld[row] else shown
            data = _utf8_bytes(key)
            codes[0, row] = partition_of_bytes(data, data.size, self.partitions)
            for place, text in enumerate((shown, called, key)):
                ids[place, row] = self._id_of(text)
                codes[3 * place + 1 : 3 * place + 4, row] = classify(ids[place, row], self.table)
        rows = [row for row in np.flatnonzero(withheld).tolist() if asserted[row] and row not in odd]
        if not rows:
            return
        given = [asserted[row] or "" for row in rows]
        found = self.resolve(given, ["0"] * len(rows), [None] * len(rows))
        for at, row in enumerate(rows):
            if not found.withheld[at]:
                ids[2, row] = found.caller_id[at]
                codes[0, row] = found.partition[at]
                codes[7:10, row] = found.caller_status[at], found.caller_region[at], found.caller_kind[at]


def _not_ascii(texts: Sequence[str]) -> list[int]:
    """Which texts go through the reference."""
    return [] if all(map(str.isascii, texts)) else [at for at, text in enumerate(texts) if not text.isascii()]


def _room(data: Bytes) -> Bytes:
    """Where a loop spells numbers out: none is longer than all texts together and a prefix."""
    return np.empty(data.size + 64, dtype=np.uint8)


def _utf8_bytes(text: str) -> Bytes:
    return np.frombuffer(utf8(text), dtype=np.uint8)


@loop
def _ids(data: Bytes, ends: Ints, rules: PlanRules, secret: Words, ids: Ints, out: Bytes) -> None:
    for row in range(ids.size):
        begin = begin_of(ends, row)
        ids[row] = plain_number(data, begin, ends[row])
        if ids[row] < 0:
            first, last = trimmed(data, begin, ends[row])
            user, stop = user_part(data, first, last)
            ids[row], _ = read_number(data, first, last, user, stop, rules, secret, out)


_HIDDEN = np.frombuffer(WITHHELD_PREFIX.encode(), dtype=np.uint8).copy()


@loop
def _resolve(
    data: Bytes,
    ends: Ints,
    n: int,
    rules: PlanRules,
    secret: Words,
    partitions: int,
    table: PlanTable,
    ids: Ints,
    codes: Codes,
    withheld: Flags,
    out: Bytes,
) -> int:
    """Fill all columns as if no number were asserted; the number of withheld callers."""
    hidden = 0
    for row in range(n):
        begin = begin_of(ends, row)
        number = plain_number(data, begin, ends[row])
        hides = False
        if number >= 0:
            partition = partition_of_bytes(data[begin:], ends[row] - begin, partitions)
        else:
            first, last = trimmed(data, begin, ends[row])
            user, stop = user_part(data, first, last)
            hides = says_withheld(data, user, stop, last, rules)
            number, length = read_number(data, first, last, user, stop, rules, secret, out)
            partition = partition_of_bytes(out, length, partitions)
        status, region, kind = classify(number, table)
        ids[0, row] = number
        withheld[row] = hides
        codes[1, row], codes[2, row], codes[3, row] = status, region, kind
        begin = begin_of(ends, n + row)
        other = plain_number(data, begin, ends[n + row])
        if other < 0 or hides:
            first, last = trimmed(data, begin, ends[n + row])
            user, stop = user_part(data, first, last)
            other, length = read_number(data, first, last, user, stop, rules, secret, out)
        ids[1, row] = other
        codes[4, row], codes[5, row], codes[6, row] = classify(other, table)
        if hides:
            hidden += 1
            mark = _HIDDEN.size
            for at in range(length - 1, -1, -1):
                out[mark + at] = out[at]
            for at in range(mark):
                out[at] = _HIDDEN[at]
            number = other_id(out, mark + length, secret)
            partition = partition_of_bytes(out, mark + length, partitions)
            status, region, kind = 0, -1, 0
        ids[2, row] = number
        codes[0, row] = partition
        codes[7, row], codes[8, row], codes[9, row] = status, region, kind
    return hidden
