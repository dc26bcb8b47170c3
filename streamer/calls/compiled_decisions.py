"""The decisions of a batch written as JSON in one compiled loop.

Nearly all of a decision is either a number, one of the call's own texts, or words that thousands of decisions share (the
action, the reasons, the versions). The words come ready as *closings*, the numbers are written as digits, and a text is
copied as it is. A text that JSON would have to escape, that is not ASCII, or is too long to be repeated, leaves its decision to the caller, who
writes that one with orjson: `closing` and `plain` here give the same object either way.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import orjson

from streamer.calls.events import LONGEST_REPEATED
from streamer.calls.numbers import HomePlan, normalise
from streamer.calls.texts import CALL_ID, CALLEE, CALLER, OPERATOR, PADDING, Texts, specials
from streamer.compiled import Straight, loop, lowest_bit, put_word, word_at

MILLIONTHS: Final = 1_000_000
"""A score is said in millionths."""
_MOST_CLOSINGS: Final = 256
_FIXED_BYTES: Final = 256
_UNKNOWN: Final = -1


def _bytes(text: str) -> Any:
    return np.frombuffer(text.encode("ascii"), np.uint8).copy()


_CALL_ID, _AT = map(_bytes, ('{"call_id":"', '","at":'))
_CALLER, _CALLEE, _SCORE = map(_bytes, ('","caller":"', '","callee":"', '","score":'))
_CACHE, _LATE, _NULL = map(_bytes, (',"cache_until":', ',"late":', "null"))
_TRUE, _FALSE = _bytes("true"), _bytes("false")


# columns of `lines`, int64[m, LINE_COLUMNS]: what is said of m calls
ROW, SAID_AT, SCORE, CACHE_UNTIL, LATE, ACTIONS_SAID, REASONS_SAID, VERSIONS_SAID = range(8)
"""The record's place in the batch, `at`, score in millionths (-1: none), `cache_until` (0: none), whether late; and the three
words that together name the closing."""
LINE_COLUMNS: Final = 8


def score_of(millionths: int) -> float | None:
    """A score as it is said: rounded to millionths, None without a model."""
    return None if millionths < 0 else millionths / MILLIONTHS


def repeated(number: str, plan: HomePlan) -> str:
    """A calling or called number as a decision repeats it: as it came; one of more than `LONGEST_REPEATED` characters in its one spelling, cut off
    after so many.

    >>> from streamer.calls.numbers import home_plan
    >>> repeated(f"sip:+77011234567;x={'a' * 300}@evil", home_plan("KZ"))
    '+77011234567'
    """
    if len(number) <= LONGEST_REPEATED:
        return number
    return normalise(number, plan)[:LONGEST_REPEATED] or number[:LONGEST_REPEATED]


def plain(
    call_id: str, at: int, decided_at: int, operator: str, caller: str, callee: str, millionths: int, cache_until: int,
    late: bool, closing: bytes,
) -> bytes:  # fmt: skip
    """One decision, whatever its texts; the numbers as `repeated` gives them."""
    opening = orjson.dumps(
        {
            "call_id": call_id, "at": at, "decided_at": decided_at, "operator": operator, "caller": caller,
            "callee": callee, "score": score_of(millionths), "cache_until": cache_until or None, "late": late,
        }
    )  # fmt: skip
    return opening[:-1] + closing


class Writer:
    """Writes decisions; keeps the closings met, which never change what is written."""

    def __init__(self) -> None:
        self._out = np.empty(
            0, np.uint8
        )  # made seldom: memory that is new to a process has to be cleared by the system
        self._write = Straight(_write)
        self._forget()

    def _forget(self) -> None:
        self.closings: dict[tuple[int, ...], bytes] = {}
        self._keys = np.zeros((0, 3), np.int64)
        self._ends = np.zeros(0, np.int64)
        self._bytes = np.zeros(0, np.uint8)
        self._longest = 0

    def learn(self, key: tuple[int, ...], closing: bytes) -> None:
        """Remember the closing that three words name: the object's last members and its closing brace, after a comma."""
        if len(self.closings) >= _MOST_CLOSINGS:
            self._forget()
        self.closings[key] = closing
        self._keys = np.array(list(self.closings), np.int64).reshape(-1, 3)
        self._ends = np.cumsum(np.array([len(known) for known in self.closings.values()], np.int64))
        self._bytes = np.frombuffer(b"".join(self.closings.values()), np.uint8).copy()  # of the type it began with
        self._longest = max(map(len, self.closings.values()))

    def write(self, texts: Texts, lines: Any, decided_at: int) -> list[bytes]:
        """The decision of each line, empty where it could not be written; `texts` of the batch's records."""
        m = len(lines)
        size = texts.data.size + m * (_FIXED_BYTES + self._longest) + len(PADDING)
        if size > len(self._out):
            self._out = np.empty(2 * size, np.uint8)
        places = np.empty((2, m), np.int64)
        between = np.frombuffer(b',"decided_at":%d,"operator":"' % decided_at, np.uint8)
        seldom = self._keys, self._ends, self._bytes
        length = self._write(seldom, *texts, lines, between, self._out, places)
        written = self._out[:length].tobytes()
        return [written[begin:end] for begin, end in zip(*places.tolist(), strict=True)]


@loop
def _put(out: Any, at: int, text: Any) -> int:
    for place in range(text.shape[0]):
        out[at + place] = text[place]
    return int(at + text.shape[0])


@loop
def _copy(out: Any, at: int, data: Any, spans: Any, which: int, row: int) -> int:
    """Where the copy of a text ends; `_UNKNOWN` for one that JSON would not take as it is, or that is too long to be repeated."""
    begin, end = spans[which, row, 0], spans[which, row, 1]
    if end - begin > LONGEST_REPEATED:
        return _UNKNOWN
    for place in range(begin, end, 8):
        word = word_at(data, place)
        special = specials(word)
        if special != 0 and place + (lowest_bit(special) >> 3) < end:
            return _UNKNOWN
        put_word(out, at + place - begin, word)  # what is behind the end is written over
    return int(at + end - begin)


@loop
def _digits(out: Any, at: int, value: int) -> int:
    length = 1
    rest = value // 10
    while rest > 0:
        rest //= 10
        length += 1
    for place in range(at + length - 1, at - 1, -1):
        out[place] = 48 + value % 10
        value //= 10
    return at + length


@loop
def _share(out: Any, at: int, millionths: int) -> int:
    """A score from 0 to 1 as a decimal fraction without needless zeros."""
    at = _digits(out, at, millionths // MILLIONTHS)
    out[at] = 46
    at += 1
    rest = millionths % MILLIONTHS
    unit = MILLIONTHS // 10
    while True:
        out[at] = 48 + rest // unit
        at += 1
        rest %= unit
        unit //= 10
        if rest == 0:
            return at


@loop
def _closing(keys: Any, line: Any) -> int:
    for place in range(keys.shape[0]):
        if (
            keys[place, 0] == line[ACTIONS_SAID]
            and keys[place, 1] == line[REASONS_SAID]
            and keys[place, 2] == line[VERSIONS_SAID]
        ):
            return place
    return _UNKNOWN


@loop
def _one(data: Any, spans: Any, line: Any, between: Any, keys: Any, ends: Any, closings: Any, out: Any, at: int) -> int:
    """Where the decision ends; `_UNKNOWN` when it cannot be written."""
    closing = _closing(keys, line)
    if closing < 0:
        return _UNKNOWN
    record = line[ROW]
    at = _copy(out, _put(out, at, _CALL_ID), data, spans, CALL_ID, record)
    if at < 0:
        return _UNKNOWN
    at = _digits(out, _put(out, at, _AT), line[SAID_AT])
    at = _copy(out, _put(out, at, between), data, spans, OPERATOR, record)
    if at < 0:
        return _UNKNOWN
    at = _copy(out, _put(out, at, _CALLER), data, spans, CALLER, record)
    if at < 0:
        return _UNKNOWN
    at = _copy(out, _put(out, at, _CALLEE), data, spans, CALLEE, record)
    if at < 0:
        return _UNKNOWN
    at = _put(out, at, _SCORE)
    at = _share(out, at, line[SCORE]) if line[SCORE] >= 0 else _put(out, at, _NULL)
    at = _put(out, at, _CACHE)
    at = _digits(out, at, line[CACHE_UNTIL]) if line[CACHE_UNTIL] > 0 else _put(out, at, _NULL)
    at = _put(out, at, _LATE)
    at = _put(out, at, _TRUE) if line[LATE] else _put(out, at, _FALSE)
    first = ends[closing - 1] if closing > 0 else 0
    return int(_put(out, at, closings[first : ends[closing]]))


@loop
def _write(
    keys: Any, ends: Any, closings: Any, data: Any, spans: Any, lines: Any, between: Any, out: Any, places: Any
) -> int:
    """Fill `out` and `places` int64[2, m], where each decision begins and ends; returns the length."""
    at = 0
    for row in range(lines.shape[0]):
        places[0, row] = at
        end = _one(data, spans, lines[row], between, keys, ends, closings, out, at)
        if end >= 0:
            at = end
        places[1, row] = at
    return at
