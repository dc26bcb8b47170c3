"""Whole batches of numbers at once: ids, partition and classification of caller, called and key number, compiled.

Equal to the reference in `streamer.calls.numbers` for every text. All texts of a batch lie in one array and are read by one compiled loop;
texts that are not ASCII, which no signalling carries, go through the reference one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

import numpy as np

from streamer.calls.compiled_addresses import trimmed, user_part
from streamer.calls.compiled_hashes import Bytes, Words, partition_of_bytes
from streamer.calls.compiled_spelling import (
    Ints,
    PlanRules,
    other_id,
    plain_number,
    read_number,
    rules_of,
    says_withheld,
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
    written_bare,
)
from streamer.calls.plan import VALID, NumberTable, PlanTable, classify, number_table
from streamer.calls.texts import ASSERTED, CALLEE, CALLER, Texts, laid_out
from streamer.compiled import Straight, loop

Codes = np.ndarray[Any, np.dtype[np.int32]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


class NumberColumns(NamedTuple):
    """What a batch's numbers come to; every array has one entry a record.

    `caller_id` (the shown number), `callee_id` and `key_id` (the caller key) int64; `partition` of the caller key int32; `withheld` bool;
    status, region and kind as `streamer.calls.plan.classify` gives them, int32, for the three numbers; `ambiguous` 0 or 1, int32: see
    `is_ambiguous`, of a caller who shows his number.
    `texts` is what they were read from.
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
    ambiguous: Codes
    plan: HomePlan
    texts: Texts

    def key_of(self, row: int) -> str:
        """The caller key of one record as text."""
        number = int(self.key_id[row])
        if number < SHORT:
            return f"+{number}"
        return _key_of(self.texts, row, self.plan)

    def place_of(self, row: int) -> tuple[str, int]:
        """The caller key of one record as text, and the partition it belongs to."""
        return self.key_of(row), int(self.partition[row])


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
        self._spelled: Bytes = np.empty(0, dtype=np.uint8)
        self._resolve = Straight(_resolve)

    @classmethod
    def prepared(cls, plan: HomePlan, secret: tuple[int, int], partitions: int) -> Self:
        """Ready to run: table loaded, loops compiled (or read from numba's cache)."""
        numbers = cls(plan, secret, partitions, number_table(plan.region))
        numbers.resolve(laid_out({CALLER: ["", "+77011234567", "é"], CALLEE: ["112", "112", "112"]}))
        numbers.ids(["112"])
        return numbers

    def resolve(self, texts: Texts) -> NumberColumns:
        """All columns of a batch, of its callers, called and asserted numbers."""
        n = texts.spans.shape[1]
        ids = np.empty((3, n), dtype=np.int64)
        codes = np.empty((11, n), dtype=np.int32)
        withheld = np.empty(n, dtype=np.bool_)
        seldom = self._rules, self._words, self.table
        if self._resolve(seldom, *texts, self.partitions, ids, codes, withheld, self._room(texts.data)):
            self._finish(texts, ids, codes, withheld)
        return NumberColumns(*ids, codes[0], withheld, *codes[1:], self.plan, texts)

    def ids(self, raw: Sequence[str]) -> Ints:
        """int64 ids of raw numbers, for those that no other column is needed of."""
        ids = np.empty(len(raw), dtype=np.int64)
        texts = laid_out({CALLER: raw})
        _ids(*texts, self._rules, self._words, ids, self._room(texts.data))
        for at, text in enumerate(raw):
            if not text.isascii():
                ids[at] = self._id_of(normalise(text, self.plan))
        return ids

    def _id_of(self, normalised: str) -> int:
        """`number_id` with the compiled hash: the plain one would make long texts of other scripts a way to stall a worker."""
        found = plain_id(normalised)
        if found is None:
            data = _utf8_bytes(normalised)
            found = int(other_id(data, data.size, self._words))
        return found

    def _finish(self, texts: Texts, ids: Ints, codes: Codes, withheld: Flags) -> None:
        """Rows that the loop left: not ASCII (by the reference), and withheld callers with an asserted number."""
        odd = set(np.flatnonzero(codes[0] == _LEFT).tolist())
        for row in odd:
            caller, callee = texts.required(CALLER, row), texts.required(CALLEE, row)
            key = _key_of(texts, row, self.plan)
            withheld[row] = is_withheld(caller)
            data = _utf8_bytes(key)
            codes[0, row] = partition_of_bytes(data, data.size, self.partitions)
            for place, text in enumerate((normalise(caller, self.plan), normalise(callee, self.plan), key)):
                ids[place, row] = self._id_of(text)
                codes[3 * place + 1 : 3 * place + 4, row] = classify(ids[place, row], self.table)
            codes[10, row] = not withheld[row] and is_ambiguous(written_bare(caller, self.plan), self.table)
        rows = [row for row in np.flatnonzero(withheld).tolist() if row not in odd and texts.text(ASSERTED, row)]
        if not rows:
            return
        given = [texts.text(ASSERTED, row) for row in rows]
        found = self.resolve(laid_out({CALLER: given, CALLEE: ["0"] * len(rows)}))
        for at, row in enumerate(rows):
            if not found.withheld[at]:
                ids[2, row] = found.caller_id[at]
                codes[0, row] = found.partition[at]
                codes[7:10, row] = found.caller_status[at], found.caller_region[at], found.caller_kind[at]

    def _room(self, data: Bytes) -> Bytes:
        """Where a loop spells numbers out: none is longer than all texts together and a prefix."""
        if self._spelled.size < data.size + 64:
            self._spelled = np.empty(2 * data.size + 64, dtype=np.uint8)
        return self._spelled


def _key_of(texts: Texts, row: int, plan: HomePlan) -> str:
    return caller_key(texts.required(CALLER, row), texts.text(ASSERTED, row), texts.required(CALLEE, row), plan)


def _utf8_bytes(text: str) -> Bytes:
    return np.frombuffer(utf8(text), dtype=np.uint8)


@loop
def _ids(data: Bytes, spans: Ints, rules: PlanRules, secret: Words, ids: Ints, out: Bytes) -> None:
    for row in range(ids.size):
        begin, end = spans[CALLER, row, 0], spans[CALLER, row, 1]
        ids[row] = plain_number(data, begin, end)
        if ids[row] < 0:
            first, last = trimmed(data, begin, end)
            user, stop, _ = user_part(data, first, last)
            ids[row], _, _ = read_number(data, first, last, user, stop, rules, secret, out)


_HIDDEN = np.frombuffer(WITHHELD_PREFIX.encode(), dtype=np.uint8).copy()
_LEFT: Final = -1
"""In the place of a partition: the row is left to the reference."""


@loop
def is_ambiguous(written: int, table: PlanTable) -> bool:
    """Whether digits that were read as a bare home number (0: none were) are a valid number of another country too, which has come
    without its plus: nobody knows which it is.
    """
    if written == 0:
        return False
    status, region, _ = classify(written, table)
    return bool(status == VALID and region != table.home)


@loop
def _is_ascii(data: Bytes, begin: int, end: int) -> bool:
    for at in range(begin, end):
        if data[at] >= 128:
            return False
    return True


@loop
def _resolve(
    rules: PlanRules,
    secret: Words,
    table: PlanTable,
    data: Bytes,
    spans: Ints,
    partitions: int,
    ids: Ints,
    codes: Codes,
    withheld: Flags,
    out: Bytes,
) -> int:
    """Fill all columns as if no number were asserted; the number of withheld callers, and of rows that are left."""
    special = 0
    for row in range(spans.shape[1]):
        begin, end = spans[CALLER, row, 0], spans[CALLER, row, 1]
        called, stops = spans[CALLEE, row, 0], spans[CALLEE, row, 1]
        number = plain_number(data, begin, end)
        other = plain_number(data, called, stops)
        hides = False
        written = 0
        if number >= 0:
            partition = partition_of_bytes(data[begin:], end - begin, partitions)
        if number < 0 or other < 0:
            if not (_is_ascii(data, begin, end) and _is_ascii(data, called, stops)):
                codes[0, row] = _LEFT
                withheld[row] = False
                special += 1
                continue
        if number < 0:
            first, last = trimmed(data, begin, end)
            user, stop, close = user_part(data, first, last)
            hides = says_withheld(data, user, stop, close, rules)
            number, length, written = read_number(data, first, last, user, stop, rules, secret, out)
            partition = partition_of_bytes(out, length, partitions)
        status, region, kind = classify(number, table)
        ids[0, row] = number
        withheld[row] = hides
        codes[1, row], codes[2, row], codes[3, row] = status, region, kind
        if other < 0 or hides:
            first, last = trimmed(data, called, stops)
            user, stop, _ = user_part(data, first, last)
            other, length, _ = read_number(data, first, last, user, stop, rules, secret, out)
        ids[1, row] = other
        codes[4, row], codes[5, row], codes[6, row] = classify(other, table)
        if hides:
            special += 1
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
        codes[10, row] = 1 if not hides and is_ambiguous(written, table) else 0
    return special
