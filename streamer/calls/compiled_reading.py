"""Call events of a batch read from their JSON in one compiled loop, without a Python object for any of them.

The loop reads what nearly all publishers write and what it can be sure of: members of the contract, each once and in any
order, and others with a plain value, texts of ASCII, whole numbers, blanks anywhere. A record with anything else (an escape,
another script, an object within, a value out of range) is left to `streamer.calls.codec`, which alone says what is
refused and why. What the loop does read, the codec reads the same.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import uint64

from streamer.calls.codec import MAX_BYTES
from streamer.calls.members import (
    FIRST_WORD,
    FORM,
    KIND,
    LAST_WORD,
    LEAST,
    LEFT,
    LENGTH,
    MOST,
    NULL,
    NUMBER,
    TEXT,
    TO_COLUMN,
    TO_TEXT,
    TRUTH,
    WORD,
    tables,
)  # fmt: skip
from streamer.calls.texts import specials
from streamer.compiled import inlined, loop, lowest_bit, word_at

_DIGITS: Final = 15
"""An integer has so many at most: more than any member of the contract, fewer than 64 bits hold."""
_SPELLED, _MEMBERS, _WORDS, _WORD_CODES, _MAY, _MUST = tables()
MEMBERS: Final = len(_MEMBERS)
"""How many members there are, all kinds together."""
_NULL_WORD, _TRUE_WORD, _FALSE_WORD = (int.from_bytes(word, "little") for word in (b"null", b"true", b"fals"))


@inlined
def _skip(data: Any, at: int, end: int) -> int:
    """Where what is no blank begins."""
    while at < end and (data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        at += 1
    return at


@inlined
def _is(first: int, second: int, spelled: Any, which: int) -> Any:
    return (first & spelled[which, 2]) == spelled[which, 0] and (second & spelled[which, 3]) == spelled[which, 1]


@loop
def _member_at(first: int, second: int, guess: int) -> int:
    """The member of a name, of which these are the first 16 bytes, -1 for none; the guess is looked at first."""
    if _is(first, second, _SPELLED, guess):
        return guess
    for which in range(_SPELLED.shape[0]):
        if _is(first, second, _SPELLED, which):
            return which
    return -1


@loop
def _text_end(data: Any, at: int, end: int) -> int:
    """Where a text ends that stands for itself, byte for byte; -1 for one that does not, or does not end."""
    while at < end:
        special = specials(word_at(data, at))
        if special != 0:
            at += lowest_bit(special) >> 3
            return at if at < end and data[at] == 34 else -1
        at += 8
    return -1


@loop
def _word_end(data: Any, at: int) -> int:
    """Where null, true or false ends; -1 for anything else."""
    word = word_at(data, at) & uint64(0xFFFFFFFF)
    if word in (_NULL_WORD, _TRUE_WORD):
        return at + 4
    if word == _FALSE_WORD and data[at + 4] == 101:
        return at + 5
    return -1


@loop
def _digits_end(data: Any, at: int, end: int) -> int:
    """Where some digits end, -1 where there are none."""
    begin = at
    while at < end and 48 <= data[at] <= 57:
        at += 1
    return at if at > begin else -1


@loop
def _whole_end(data: Any, at: int, end: int) -> int:
    """Where a whole number ends, -1 for what is none or begins with a needless 0."""
    stop = _digits_end(data, at, end)
    return -1 if stop > at + 1 and data[at] == 48 else stop


@loop
def _number_end(data: Any, at: int, end: int) -> int:
    """Where a number of any kind ends, -1 for what is none."""
    at = _whole_end(data, at + 1 if data[at] == 45 else at, end)
    if 0 <= at < end and data[at] == 46:
        at = _digits_end(data, at + 1, end)
    if 0 <= at < end and (data[at] == 101 or data[at] == 69):
        at += 1
        if at < end and (data[at] == 43 or data[at] == 45):
            at += 1
        at = _digits_end(data, at, end)
    return at


@loop
def _other_value(data: Any, at: int, end: int) -> int:
    """Where the value of a member ends that the contract does not know; -1 for one that is left."""
    if data[at] == 34:
        at = _text_end(data, at + 1, end)
        return at + 1 if at >= 0 else -1
    if data[at] == 45 or 48 <= data[at] <= 57:
        return _number_end(data, at, end)
    return _word_end(data, at)


@loop
def _value(data: Any, at: int, end: int, which: int, integers: Any, spans: Any, row: int) -> tuple[int, bool]:
    """Read a member's value: where it ends, -1 for one that is left, and whether it is there, which null is not."""
    member = _MEMBERS[which]
    form = member[FORM]
    char = data[at]
    if char == 34 and form == TEXT:
        begin = at + 1
        at = _text_end(data, begin, end)
        if at < 0 or at - begin < member[LEAST] or at - begin > member[MOST]:
            return -1, False
        if member[TO_TEXT] >= 0:
            spans[member[TO_TEXT], row, 0] = begin
            spans[member[TO_TEXT], row, 1] = at
        return at + 1, True
    if char == 34 and form == WORD:
        first, second = word_at(data, at + 1), word_at(data, at + 9)
        for word in range(member[FIRST_WORD], member[LAST_WORD]):
            if _is(first, second, _WORDS, word):
                if member[TO_COLUMN] >= 0:
                    integers[row, member[TO_COLUMN]] = _WORD_CODES[word, 0]
                return at + 1 + _WORD_CODES[word, 1], True
        return -1, False
    if 48 <= char <= 57 and form == NUMBER:
        stop = _whole_end(data, at, end)
        if stop < 0 or stop - at > _DIGITS:
            return -1, False
        value = np.int64(0)
        for place in range(at, stop):
            value = value * 10 + np.int64(data[place] - 48)
        if value > member[MOST]:
            return -1, False
        integers[row, member[TO_COLUMN]] = value
        return stop, True
    if char == 110 and member[NULL]:
        return _word_end(data, at), False
    if char != 110 and form == TRUTH:
        if member[TO_COLUMN] >= 0:
            integers[row, member[TO_COLUMN]] = 1 if char == 116 else 0
        return _word_end(data, at), True
    return -1, False


@loop
def _record(data: Any, at: int, end: int, guesses: Any, integers: Any, spans: Any, row: int) -> bool:
    """Read one record, data[at:end]; False for one that is left."""
    seen, there = 0, 0
    at = _skip(data, at, end)
    if at >= end or data[at] != 123:
        return False
    turn = 0
    while True:
        at = _skip(data, at + 1, end)
        if at >= end or data[at] != 34:
            return False
        which = _member_at(word_at(data, at + 1), word_at(data, at + 9), guesses[turn])
        if which < 0:
            at = _text_end(data, at + 1, end)
            if at < 0:
                return False
            at = _skip(data, at + 1, end)
        else:
            if (seen >> which) & 1:
                return False
            guesses[turn] = which
            turn = min(turn + 1, MEMBERS - 1)
            seen |= 1 << which
            at = _skip(data, at + 1 + _MEMBERS[which, LENGTH], end)
        if at >= end or data[at] != 58:
            return False
        at = _skip(data, at + 1, end)
        if at >= end:
            return False
        if which < 0:
            at = _other_value(data, at, end)
        else:
            at, is_there = _value(data, at, end, which, integers, spans, row)
            if is_there:
                there |= 1 << which
        if at < 0:
            return False
        at = _skip(data, at, end)
        if at >= end:
            return False
        if data[at] == 125:
            kind = integers[row, KIND]
            if kind == LEFT or seen & ~_MAY[kind] != 0 or _MUST[kind] & ~there != 0:
                return False
            return bool(_skip(data, at + 1, end) == end)
        if data[at] != 44:
            return False


@loop
def read_records(data: Any, bounds: Any, guesses: Any, integers: Any, spans: Any) -> int:
    """Read n records, data[bounds[i] : bounds[i + 1]], after which there are `PADDING` bytes more; gives how many are left.

    To fill: `integers` int64[n, 5], as of `streamer.calls.members.unsaid`, and `spans` int64[7, n, 2], as of `streamer.calls.texts.spans_of`;
    where `KIND` is `LEFT` afterwards they may be of any value. `guesses` int64[MEMBERS]: in which order members came last.
    """
    left = 0
    for row in range(bounds.shape[0] - 1):
        begin, end = bounds[row], bounds[row + 1]
        if end - begin > MAX_BYTES or not _record(data, begin, end, guesses, integers, spans, row):
            integers[row, KIND] = LEFT
            left += 1
    return left
