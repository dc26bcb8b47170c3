"""Whole batches of numbers at once: ids, partition and classification of caller, called and key number, compiled.

Equal to the reference in `streamer.calls.numbers` for every text. All texts of a batch are laid end to end and read by one compiled loop;
texts that are not ASCII, which no signalling carries, go through the reference one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numba import njit, uint64

from streamer.calls.compiled_hashes import Bytes, Words, partition_of_bytes, siphash_bytes
from streamer.calls.numbers import (
    OTHER,
    SHORT,
    WITHHELD_HOST,
    WITHHELD_PREFIX,
    WITHHELD_USERS,
    HomePlan,
    caller_key,
    is_withheld,
    normalise,
    number_id,
    partition_of,
    utf8,
)
from streamer.calls.plan import NumberTable, PlanTable, classify, number_table

Ints = np.ndarray[Any, np.dtype[np.int64]]
Codes = np.ndarray[Any, np.dtype[np.int32]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

_MARK: Final = "\n"


class PlanRules(NamedTuple):
    """A `HomePlan` as compiled code reads it: texts as one uint8 row each, padded with zeros.

    `prefixes` uint8[n, L] with `prefix_lengths` int64[n] (longest first), `trunk` and `code` uint8, `length` the usual national length,
    `lengths` and `leading` bit masks of full lengths and leading digits; `users` and `host` the words for withheld numbers.
    """

    prefixes: np.ndarray[Any, np.dtype[np.uint8]]
    prefix_lengths: Ints
    trunk: Bytes
    code: Bytes
    length: int
    lengths: int
    leading: int
    users: np.ndarray[Any, np.dtype[np.uint8]]
    user_lengths: Ints
    host: Bytes


class NumberColumns(NamedTuple):
    """What a batch's numbers come to; every array has one entry a record.

    `caller_id` (the shown number), `callee_id` and `key_id` (the caller key) int64; `partition` of the caller key int32; `withheld` bool;
    status, region and kind as `streamer.calls.plan.classify` gives them, int32, for the three numbers.
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

    @property
    def shown_id(self) -> Ints:
        """The ids of the numbers as they are shown: `caller_id`."""
        return self.caller_id

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
        self._rules = _rules(plan)

    @classmethod
    def prepared(cls, plan: HomePlan, secret: tuple[int, int], partitions: int) -> Self:
        """Ready to run: table loaded, loops compiled (or read from numba's cache)."""
        numbers = cls(plan, secret, partitions, number_table(plan.region))
        numbers.resolve(["", "+77011234567"], ["112", "112"], [None, None])
        numbers.ids(["112"])
        return numbers

    def resolve(self, callers: Sequence[str], callees: Sequence[str], asserted: Sequence[str | None]) -> NumberColumns:
        """All columns of a batch; the three sequences have one entry a record."""
        n = len(callers)
        ids = np.empty((3, n), dtype=np.int64)
        codes = np.empty((10, n), dtype=np.int32)
        withheld = np.empty(n, dtype=np.bool_)
        data, ends, odd = _laid_out([*callers, *callees])
        hidden = _resolve(data, ends, n, self._rules, self._words, self.partitions, self.table, ids, codes, withheld)
        if hidden or odd:
            self._finish(callers, callees, asserted, ids, codes, withheld, {at % n for at in odd})
        return NumberColumns(*ids, codes[0], withheld, *codes[1:], callers, callees, asserted, self.plan)

    def ids(self, raw: Sequence[str]) -> Ints:
        """int64 ids of raw numbers, for those that no other column is needed of."""
        ids = np.empty(len(raw), dtype=np.int64)
        data, ends, odd = _laid_out(raw)
        _ids(data, ends, self._rules, self._words, ids)
        for at in odd:
            ids[at] = number_id(normalise(raw[at], self.plan), self.secret)
        return ids

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
            withheld[row] = is_withheld(callers[row])
            key = caller_key(callers[row], asserted[row], callees[row], self.plan)
            texts = (normalise(callers[row], self.plan), normalise(callees[row], self.plan), key)
            codes[0, row] = partition_of(utf8(key), self.partitions)
            for place, text in enumerate(texts):
                ids[place, row] = number_id(text, self.secret)
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


def _padded(texts: Sequence[str]) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], Ints]:
    rows = np.zeros((len(texts), max(map(len, texts), default=0) or 1), dtype=np.uint8)
    for row, text in enumerate(texts):
        rows[row, : len(text)] = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return rows, np.array([len(text) for text in texts], dtype=np.int64)


def _bytes(text: str) -> Bytes:
    return np.frombuffer(text.encode("ascii"), dtype=np.uint8).copy()


def _rules(plan: HomePlan) -> PlanRules:
    prefixes, prefix_lengths = _padded(plan.international)
    users, user_lengths = _padded(sorted(WITHHELD_USERS))
    return PlanRules(
        prefixes,
        prefix_lengths,
        _bytes(plan.trunk),
        _bytes(plan.code),
        plan.length,
        sum(1 << length for length in set(plan.lengths)),
        sum(1 << int(digit) for digit in plan.leading),
        users,
        user_lengths,
        _bytes(WITHHELD_HOST),
    )


def _laid_out(texts: Sequence[str]) -> tuple[Bytes, Ints, list[int]]:
    """The texts end to end with a mark after each, where each ends, and which were left out (as empty) since they are not ASCII."""
    joined = _MARK.join(texts)
    odd: list[int] = []
    if not joined.isascii():
        odd = [at for at, text in enumerate(texts) if not text.isascii()]
        texts = [text if text.isascii() else "" for text in texts]
        joined = _MARK.join(texts)
    data = np.frombuffer((joined + _MARK).encode("ascii"), dtype=np.uint8)
    ends = np.empty(len(texts), dtype=np.int64)
    if _find_ends(data, ends) != len(texts):  # a text holds the mark itself
        ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1) - 1
    return data, ends, odd


@njit(cache=True, nogil=True)
def _find_ends(data: Bytes, ends: Ints) -> int:
    found = 0
    for at in range(data.size):
        if data[at] == 10:
            if found < ends.size:
                ends[found] = at
            found += 1
    return found


@njit(inline="always")
def _blank(char: int) -> bool:
    """What `str.isspace` says of an ASCII character."""
    return char == 32 or 9 <= char <= 13 or 28 <= char <= 31


@njit(inline="always")
def _separator(char: int) -> bool:
    """`-./()[]{}<>` and blanks."""
    return (
        45 <= char <= 47
        or char == 40
        or char == 41
        or char == 91
        or char == 93
        or char == 123
        or char == 125
        or char == 60
        or char == 62
        or _blank(char)
    )


@njit(cache=True, nogil=True)
def _starts(data: Bytes, begin: int, end: int, word: bytes) -> bool:
    """Whether data[begin:end] begins with the (lower-case) word, in any case."""
    if end - begin < len(word):
        return False
    for at in range(len(word)):
        char = data[begin + at]
        if 65 <= char <= 90:
            char += 32
        if char != word[at]:
            return False
    return True


@njit(cache=True, nogil=True)
def _user(data: Bytes, begin: int, end: int) -> tuple[int, int]:
    """Begin and end of the user part of the (trimmed) text."""
    while begin < end and data[begin] == 60:
        begin += 1
    if _starts(data, begin, end, b"sips:"):
        begin += 5
    elif _starts(data, begin, end, b"sip:") or _starts(data, begin, end, b"tel:"):
        begin += 4
    for at in range(begin, end):
        if data[at] == 64 or data[at] == 59:
            return begin, at
    return begin, end


@njit(cache=True, nogil=True)
def _is_word(data: Bytes, begin: int, end: int, word: Bytes, length: int) -> bool:
    if end - begin != length:
        return False
    for at in range(length):
        char = data[begin + at]
        if 65 <= char <= 90:
            char += 32
        if char != word[at]:
            return False
    return True


@njit(cache=True, nogil=True)
def _withheld(data: Bytes, begin: int, stop: int, end: int, rules: PlanRules) -> bool:
    """Whether the user part data[begin:stop] of the text that ends at `end` says that the number is withheld."""
    host = stop + 1
    while begin < stop and _blank(data[begin]):
        begin += 1
    last = stop
    while begin < last and _blank(data[last - 1]):
        last -= 1
    while begin < last and data[last - 1] == 62:
        last -= 1
    while begin < last and _blank(data[last - 1]):
        last -= 1
    for row in range(rules.users.shape[0]):
        if _is_word(data, begin, last, rules.users[row], rules.user_lengths[row]):
            return True
    if stop < end and data[stop] == 64:
        while host < end and _blank(data[host]):
            host += 1
        for at in range(host, end):
            char = data[at]
            if char == 59 or char == 58 or char == 62 or char == 63 or _blank(char):
                end = at
                break
        return _is_word(data, host, end, rules.host, rules.host.size)
    return begin == last and stop == end


@njit(cache=True, nogil=True)
def _number(
    data: Bytes, begin: int, end: int, first: int, stop: int, rules: PlanRules, secret: Words, out: Bytes
) -> tuple[int, int]:
    """Id and length of the normalised text, which is written to `out`.

    The trimmed text is data[begin:end], its user part data[first:stop].
    """
    count = 0
    plus = False
    sound = True
    for at in range(first, stop):
        char = data[at]
        if _separator(char):
            continue
        if char == 43 and count == 0 and not plus:
            plus = True
        elif 48 <= char <= 57:
            count += 1
            out[count] = char
        else:
            sound = False
            break
    if sound and count:
        skip = 0
        e164 = False
        if plus:
            e164 = 7 <= count <= 15 and out[1] != 48
        else:
            foreign = False
            for row in range(rules.prefixes.shape[0]):
                length = rules.prefix_lengths[row]
                same = length <= count
                for at in range(length):
                    if not same:
                        break
                    same = out[1 + at] == rules.prefixes[row, at]
                if same:
                    foreign = True
                    left = count - length
                    if 7 <= left <= 15 and out[1 + length] != 48:
                        skip = length
                        e164 = True
                    break
            if not foreign:
                trunk = rules.trunk.size
                left = count - trunk
                same = trunk > 0 and left > 0
                for at in range(trunk):
                    if not same:
                        break
                    same = out[1 + at] == rules.trunk[at]
                code = rules.code.size
                if same and left <= 62 and rules.lengths >> left & 1 and 7 <= left + code <= 15:
                    skip = trunk
                    home = True
                else:
                    home = count == rules.length and rules.leading >> np.int64(out[1] - 48) & 1
                if home:
                    # The national number moves to behind the calling code.
                    left = count - skip
                    if code <= skip:
                        for at in range(left):
                            out[1 + code + at] = out[1 + skip + at]
                    else:
                        for at in range(left - 1, -1, -1):
                            out[1 + code + at] = out[1 + skip + at]
                    for at in range(code):
                        out[1 + at] = rules.code[at]
                    count = left + code
                    skip = 0
                    e164 = True
                elif 10 <= count <= 15 and out[1] != 48:
                    e164 = True
        if e164:
            number = np.int64(0)
            count -= skip
            out[0] = 43
            for at in range(1, count + 1):
                char = out[skip + at]
                out[at] = char
                number = number * 10 + np.int64(char - 48)
            return number, count + 1
        if not plus and count <= 9:
            number = np.int64(0)
            for at in range(count):
                char = out[1 + at]
                out[at] = char
                number = number * 10 + np.int64(char - 48)
            return SHORT | np.int64(count) << 52 | number, count
    for at in range(begin, end):
        out[at - begin] = data[at]
    return _other(out, end - begin, secret), end - begin


@njit(cache=True, nogil=True)
def _other(data: Bytes, length: int, secret: Words) -> int:
    return np.int64(uint64(OTHER) | (siphash_bytes(data, length, secret) & uint64(OTHER - 1)))


@njit(cache=True, nogil=True)
def _trim(data: Bytes, begin: int, end: int) -> tuple[int, int]:
    while begin < end and _blank(data[begin]):
        begin += 1
    while begin < end and _blank(data[end - 1]):
        end -= 1
    return begin, end


@njit(cache=True, nogil=True)
def _ids(data: Bytes, ends: Ints, rules: PlanRules, secret: Words, ids: Ints) -> None:
    out = np.empty(data.size + 32, dtype=np.uint8)
    begin = 0
    for row in range(ids.size):
        first, last = _trim(data, begin, ends[row])
        user, stop = _user(data, first, last)
        ids[row], _ = _number(data, first, last, user, stop, rules, secret, out)
        begin = ends[row] + 1


_HIDDEN = np.frombuffer(WITHHELD_PREFIX.encode(), dtype=np.uint8).copy()


@njit(cache=True, nogil=True)
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
) -> int:
    """Fill all columns as if no number were asserted; the number of withheld callers."""
    out = np.empty(data.size + 64, dtype=np.uint8)
    hidden = 0
    for row in range(n):
        begin = ends[row - 1] + 1 if row else 0
        first, last = _trim(data, begin, ends[row])
        user, stop = _user(data, first, last)
        hides = _withheld(data, user, stop, last, rules)
        number, length = _number(data, first, last, user, stop, rules, secret, out)
        ids[0, row] = number
        withheld[row] = hides
        codes[1, row], codes[2, row], codes[3, row] = classify(number, table)
        if not hides:
            ids[2, row] = number
            codes[0, row] = partition_of_bytes(out, length, partitions)
            codes[7, row] = codes[1, row]
            codes[8, row] = codes[2, row]
            codes[9, row] = codes[3, row]
        begin = ends[n + row - 1] + 1
        first, last = _trim(data, begin, ends[n + row])
        user, stop = _user(data, first, last)
        number, length = _number(data, first, last, user, stop, rules, secret, out)
        ids[1, row] = number
        codes[4, row], codes[5, row], codes[6, row] = classify(number, table)
        if hides:
            hidden += 1
            mark = _HIDDEN.size
            for at in range(length - 1, -1, -1):
                out[mark + at] = out[at]
            for at in range(mark):
                out[at] = _HIDDEN[at]
            ids[2, row] = _other(out, mark + length, secret)
            codes[0, row] = partition_of_bytes(out, mark + length, partitions)
            codes[7, row], codes[8, row], codes[9, row] = 0, -1, 0
    return hidden
