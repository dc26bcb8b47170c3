"""Spellings read by compiled code: whether the number is withheld, what its id is; where it stands see `compiled_addresses`.

The same rules as `streamer.calls.numbers`, over ASCII bytes data[begin:end] of a larger buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import uint64

from streamer.calls.compiled_addresses import blank, separator, starts, trimmed
from streamer.calls.compiled_hashes import Bytes, Words, siphash_bytes
from streamer.calls.numbers import OTHER, SHORT, WITHHELD_HOST, WITHHELD_USERS, HomePlan
from streamer.compiled import loop

Ints = np.ndarray[Any, np.dtype[np.int64]]


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


def _padded(texts: Sequence[str]) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], Ints]:
    rows = np.zeros((len(texts), max(map(len, texts), default=0) or 1), dtype=np.uint8)
    for row, text in enumerate(texts):
        rows[row, : len(text)] = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return rows, np.array([len(text) for text in texts], dtype=np.int64)


def _bytes(text: str) -> Bytes:
    return np.frombuffer(text.encode("ascii"), dtype=np.uint8).copy()


def rules_of(plan: HomePlan) -> PlanRules:
    """The plan as arrays and bit masks."""
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


@loop
def _is_word(data: Bytes, begin: int, end: int, word: Bytes, length: int) -> bool:
    return end - begin == length and starts(data, begin, end, word[:length])


@loop
def says_withheld(data: Bytes, begin: int, stop: int, end: int, rules: PlanRules) -> bool:
    """Whether the user part data[begin:stop] of the text that ends at `end` says that the number is withheld."""
    begin, last = trimmed(data, begin, stop)
    while begin < last and data[last - 1] == 62:
        last -= 1
    begin, last = trimmed(data, begin, last)
    for row in range(rules.users.shape[0]):
        if _is_word(data, begin, last, rules.users[row], rules.user_lengths[row]):
            return True
    if stop < end and data[stop] == 64:
        host, end = trimmed(data, stop + 1, end)
        for at in range(host, end):
            char = data[at]
            if char == 59 or char == 58 or char == 62 or char == 63 or blank(char):
                end = at
                break
        return bool(_is_word(data, host, end, rules.host, rules.host.size))
    return begin == last and stop == end


@loop
def read_number(
    data: Bytes, begin: int, end: int, first: int, stop: int, rules: PlanRules, secret: Words, out: Bytes
) -> tuple[int, int, int]:
    """Id and length of the normalised text, which is written to `out`, and `streamer.calls.numbers.written_bare` of it.

    The trimmed text is data[begin:end], its user part data[first:stop].
    """
    count = 0
    written = np.int64(0)
    plus = starts(data, first, stop, b"%2b")
    if plus:
        first += 3
    sound = True
    for at in range(first, stop):
        char = data[at]
        if separator(char):
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
                    home = count == rules.length and rules.leading >> np.int64(out[1] - 48) & 1 == 1
                    if home:
                        for at in range(1, count + 1):
                            written = written * 10 + np.int64(out[at] - 48)
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
            return int(number), count + 1, int(written)
        if not plus and count <= 9:
            number = np.int64(0)
            for at in range(count):
                char = out[1 + at]
                out[at] = char
                number = number * 10 + np.int64(char - 48)
            return int(SHORT | np.int64(count) << 52 | number), count, 0
    for at in range(begin, end):
        out[at - begin] = data[at]
    return other_id(out, end - begin, secret), end - begin, 0


@loop
def other_id(data: Bytes, length: int, secret: Words) -> int:
    """The id of a text that is no number: its keyed hash."""
    return int(np.int64(uint64(OTHER) | (siphash_bytes(data, length, secret) & uint64(OTHER - 1))))


@loop
def plain_number(data: Bytes, begin: int, end: int) -> int:
    """The id of data[begin:end] when it is an E.164 number with its plus and nothing else, as nearly all are; else -1."""
    length = end - begin
    if length < 8 or length > 16 or data[begin] != 43 or data[begin + 1] == 48:
        return -1
    number = np.int64(0)
    for at in range(begin + 1, end):
        digit = np.int64(data[at]) - 48
        if digit < 0 or digit > 9:
            return -1
        number = number * 10 + digit
    return int(number)
