"""Call events of a batch read from their JSON in one compiled loop, without a Python object for any of them.

The loop reads what nearly all publishers write and what it can be sure of: members of the contract, each once and in any
order, and others with a plain value, texts of ASCII, whole numbers, blanks anywhere. A record with anything else (an escape,
another script, an object within, a value out of range) is left to `streamer.calls.codec`, which alone says what is
refused and why. What the loop does read, the codec reads the same. Members, their limits and words are those of the
structs in `streamer.calls.events`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import inspect
from numba import uint64

from streamer.calls.codec import MAX_BYTES
from streamer.calls.events import Answer, End, Setup
from streamer.calls.texts import NAMES, specials
from streamer.compiled import inlined, loop, lowest_bit, word_at

KIND, AT = 0, 1
INGRESS, ATTESTATION = 2, 3
RING, TALK, CAUSE = 2, 3, 4
NUMBERS: Final = 5
"""Columns of `numbers`: a set-up has the first four, an end all of them (-1: not said), an answer the first three (0: not said)."""
LEFT, SETUP, ANSWER, END = range(4)
"""Kinds; `LEFT`: not read."""
KIND_OF: Final[dict[type[msgspec.Struct], int]] = {Setup: SETUP, Answer: ANSWER, End: END}
CODES: Final[dict[str, dict[str | None, int]]] = {
    "type": {str(kind.__struct_config__.tag): code for kind, code in KIND_OF.items()},
    "ingress": {"subscriber": 0, "national": 1, "international": 2},
    "attestation": {None: 0, "C": 1, "B": 2, "A": 3},
}
"""What is kept of members that say one of a few words."""
_COLUMN: Final = {"type": KIND, "at": AT, "ingress": INGRESS, "attestation": ATTESTATION, "ring_ms": RING, "talk_ms": TALK, "cause": CAUSE}  # fmt: skip

_TEXT, _NUMBER, _WORD, _TRUTH = range(4)
_NOWHERE: Final = -1
_FORM, _LEAST, _MOST, _NULL, _TO_COLUMN, _TO_TEXT, _FIRST_WORD, _LAST_WORD, _LENGTH = range(9)
_DIGITS: Final = 15


class _Named(NamedTuple):
    """Names, each with the quote behind it, as little-endian words: those with their masks uint64[n, 4]."""

    words: list[list[int]]

    def add(self, name: str) -> int:
        """Enter one; gives its bytes."""
        data = name.encode("ascii") + b'"'
        assert len(data) <= 16, "two words hold no longer name"
        mask = b"\xff" * len(data)
        halves = [int.from_bytes(part, "little") for part in (data[:8], data[8:], mask[:8], mask[8:])]
        self.words.append(halves)
        return len(data)

    def table(self) -> Any:
        return np.array(self.words, np.uint64)


def _member(name: str, kind: Any, words: _Named, codes: list[list[int]]) -> list[int]:
    """The row of one member in the table; its words are entered."""
    null = False
    if isinstance(kind, inspect.UnionType):
        assert isinstance(kind.types[-1], inspect.NoneType)
        kind, null = kind.types[0], True
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    form, least, most, first = _TRUTH, 0, 0, len(codes)
    if isinstance(kind, inspect.StrType):
        assert kind.pattern is None
        form, least, most = _TEXT, kind.min_length or 0, MAX_BYTES if kind.max_length is None else kind.max_length
    elif isinstance(kind, inspect.IntType):
        assert (kind.ge, kind.gt, kind.lt, kind.multiple_of) == (0, None, None, None)
        assert kind.le is not None
        form, most = _NUMBER, kind.le
    elif isinstance(kind, inspect.LiteralType):
        form = _WORD
        codes += [[CODES.get(name, {}).get(str(word), 0), words.add(str(word))] for word in kind.values]
    else:
        assert isinstance(kind, inspect.BoolType), "what is no text, number, word or truth has to be read otherwise"
    text = NAMES.index(name) if name in NAMES else _NOWHERE
    return [form, least, most, int(null), _COLUMN.get(name, _NOWHERE), text, first, len(codes)]


def _tables() -> tuple[Any, ...]:
    """Members by number: their names and int64[m, 9]; all words, their codes and lengths, int64[w, 2]; and by kind the members that there
    may be and those that there have to be, as bits, int64[4].
    """
    names, words, codes = _Named([]), _Named([]), list[list[int]]()
    kinds: dict[str, Any] = {"type": inspect.LiteralType(tuple(str(word) for word in CODES["type"]))}
    may, must = [0, 1, 1, 1], [0, 1, 1, 1]
    for struct, code in KIND_OF.items():
        found = inspect.type_info(struct)
        assert isinstance(found, inspect.StructType)
        assert found.tag_field == "type"
        for field in found.fields:
            assert kinds.setdefault(field.encode_name, field.type) == field.type, (
                "a member means the same in every kind"
            )
            bit = 1 << list(kinds).index(field.encode_name)
            may[code] |= bit
            must[code] |= bit if field.required else 0
    rows = [[*_member(name, kind, words, codes), names.add(name)] for name, kind in kinds.items()]
    return names.table(), np.array(rows), words.table(), np.array(codes), np.array(may), np.array(must)


_NAMED, _MEMBERS, _WORDS, _WORD_CODES, _MAY, _MUST = _tables()
_RING_BIT, _CAUSE_BIT = (1 << int(np.flatnonzero(_MEMBERS[:, _TO_COLUMN] == at)[-1]) for at in (RING, CAUSE))
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
def _is(first: int, second: int, named: Any, which: int) -> Any:
    return (first & named[which, 2]) == named[which, 0] and (second & named[which, 3]) == named[which, 1]


@loop
def _named(first: int, second: int, guess: int) -> int:
    """The member of a name, of which these are the first 16 bytes, -1 for none; the guess is looked at first."""
    if _is(first, second, _NAMED, guess):
        return guess
    for which in range(_NAMED.shape[0]):
        if _is(first, second, _NAMED, which):
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
    """Where a whole number ends, -1 for one that begins with a needless 0 or is very long."""
    begin = at
    while at < end and 48 <= data[at] <= 57 and at - begin <= _DIGITS:
        at += 1
    if at - begin > _DIGITS or (data[begin] == 48 and at - begin > 1):
        return -1
    return at


@loop
def _other_value(data: Any, at: int, end: int) -> int:
    """Where the value of a member ends that the contract does not know; -1 for one that is left."""
    if data[at] == 34:
        at = _text_end(data, at + 1, end)
        return at + 1 if at >= 0 else -1
    if 48 <= data[at] <= 57:
        return _digits_end(data, at, end)
    return _word_end(data, at)


@loop
def _value(data: Any, at: int, end: int, which: int, numbers: Any, spans: Any, row: int) -> tuple[int, bool]:
    """Read a member's value: where it ends, -1 for one that is left, and whether it is there, which null is not."""
    member = _MEMBERS[which]
    form = member[_FORM]
    char = data[at]
    if char == 34 and form == _TEXT:
        begin = at + 1
        at = _text_end(data, begin, end)
        if at < 0 or at - begin < member[_LEAST] or at - begin > member[_MOST]:
            return -1, False
        if member[_TO_TEXT] >= 0:
            spans[member[_TO_TEXT], row, 0] = begin
            spans[member[_TO_TEXT], row, 1] = at
        return at + 1, True
    if char == 34 and form == _WORD:
        first, second = word_at(data, at + 1), word_at(data, at + 9)
        for word in range(member[_FIRST_WORD], member[_LAST_WORD]):
            if _is(first, second, _WORDS, word):
                if member[_TO_COLUMN] >= 0:
                    numbers[row, member[_TO_COLUMN]] = _WORD_CODES[word, 0]
                return at + 1 + _WORD_CODES[word, 1], True
        return -1, False
    if 48 <= char <= 57 and form == _NUMBER:
        stop = _digits_end(data, at, end)
        value = np.int64(0)
        for place in range(at, stop):
            value = value * 10 + np.int64(data[place] - 48)
        if stop < 0 or value > member[_MOST]:
            return -1, False
        numbers[row, member[_TO_COLUMN]] = value
        return stop, True
    if char == 110 and member[_NULL]:
        return _word_end(data, at), False
    if char != 110 and form == _TRUTH:
        return _word_end(data, at), True
    return -1, False


@loop
def _record(data: Any, at: int, end: int, guesses: Any, numbers: Any, spans: Any, row: int) -> bool:
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
        which = _named(word_at(data, at + 1), word_at(data, at + 9), guesses[turn])
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
            at = _skip(data, at + 1 + _MEMBERS[which, _LENGTH], end)
        if at >= end or data[at] != 58:
            return False
        at = _skip(data, at + 1, end)
        if at >= end:
            return False
        if which < 0:
            at = _other_value(data, at, end)
        else:
            at, is_there = _value(data, at, end, which, numbers, spans, row)
            if is_there:
                there |= 1 << which
        if at < 0:
            return False
        at = _skip(data, at, end)
        if at >= end:
            return False
        if data[at] == 125:
            kind = numbers[row, KIND]
            if kind == LEFT:
                return False
            if kind == END:
                if there & _RING_BIT == 0:
                    numbers[row, RING] = -1
                if there & _CAUSE_BIT == 0:
                    numbers[row, CAUSE] = -1
            return bool(_skip(data, at + 1, end) == end and seen & ~_MAY[kind] == 0 and _MUST[kind] & ~there == 0)
        if data[at] != 44:
            return False


@loop
def read_records(data: Any, bounds: Any, guesses: Any, numbers: Any, spans: Any) -> int:
    """Read n records, data[bounds[i] : bounds[i + 1]], after which there are `PADDING` bytes more; gives how many are left.

    To fill: `numbers` int64[n, NUMBERS], of zeros, and `spans` int64[7, n, 2], as of `streamer.calls.texts.spans_of`; where `KIND`
    is `LEFT` afterwards they may be of any value. `guesses` int64[MEMBERS]: in which order members came last.
    """
    left = 0
    for row in range(bounds.shape[0] - 1):
        begin, end = bounds[row], bounds[row + 1]
        if end - begin > MAX_BYTES or not _record(data, begin, end, guesses, numbers, spans, row):
            numbers[row, KIND] = LEFT
            left += 1
    return left
