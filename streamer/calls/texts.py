"""The texts of many calls as one array of bytes, for loops that read them without a Python object a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numba import uint64

from streamer.calls.numbers import utf8
from streamer.compiled import inlined

CALL_ID, OPERATOR, CALLER, CALLEE, TRUNK, ASSERTED, DIVERTED = range(7)
"""Which texts of a call there are."""
NAMES: Final = ("call_id", "operator", "caller", "callee", "trunk", "asserted", "diverted_from")
"""The members of events that they are."""


PADDING: Final = bytes(16)
"""Stands behind all texts, so that eight or sixteen bytes from any place on can be looked at."""
_ONES: Final = 0x0101010101010101
_TOPS: Final = uint64(0x80 * _ONES)
_QUOTES, _SLASHES, _SPACES, _DELETES = (uint64(char * _ONES) for char in b'"\\ \x7f')


class Texts(NamedTuple):
    """`data` uint8, texts in UTF-8 with other bytes between and `PADDING` behind them; `spans` int64[7, n, 2], where each one of n
    calls begins and ends in it, -1 and -1 for one that there is not.
    """

    data: Any
    spans: Any

    def text(self, which: int, row: int) -> str | None:
        """One text, None where there is none."""
        begin, end = self.spans[which, row].tolist()
        return None if begin < 0 else self.data[begin:end].tobytes().decode("utf-8", "surrogatepass")

    def required(self, which: int, row: int) -> str:
        """One text of a kind that every call has."""
        found = self.text(which, row)
        assert found is not None
        return found

    def of(self, which: int) -> list[str]:
        """All texts of a kind that every call has."""
        begins, ends = self.spans[which].T.tolist()
        whole = self.data.tobytes()
        if whole.isascii():
            text = whole.decode("ascii")
            return [text[begin:end] for begin, end in zip(begins, ends, strict=True)]
        return [whole[begin:end].decode("utf-8", "surrogatepass") for begin, end in zip(begins, ends, strict=True)]


def spans_of(n: int) -> Any:
    """int64[7, n, 2] that name no text at all."""
    found: Any = np.empty((len(NAMES), n, 2), np.int64)
    found.fill(-1)  # np.full takes four times as long
    return found


def laid_out(texts: Mapping[int, Sequence[str | None]]) -> Texts:
    r"""Some texts of n calls end to end, each kind a sequence of n.

    >>> found = laid_out({CALLER: ["ab", "é"], ASSERTED: [None, ""]})
    >>> found.data.tobytes()[:6], found.spans[CALLER].tolist(), found.spans[ASSERTED].tolist()
    (b'ab\xc3\xa9\x00\x00', [[0, 2], [2, 4]], [[-1, -1], [4, 4]])
    """
    spans = spans_of(max(map(len, texts.values()), default=0))
    pieces: list[bytes] = []
    at = 0
    for which, column in texts.items():
        found = [None if text is None else utf8(text) for text in column]
        pieces += filter(None, found)
        places = []
        for piece in found:
            places.append((-1, -1) if piece is None else (at, at + len(piece)))
            at += len(piece or b"")
        if places:
            spans[which, : len(places)] = places
    pieces.append(PADDING)
    return Texts(np.frombuffer(b"".join(pieces), np.uint8), spans)


@inlined
def _zeros(word: Any) -> Any:
    """The top bit of bytes of a word that are 0; the lowest such bit is right."""
    return (word - uint64(_ONES)) & ~word & _TOPS


@inlined
def specials(word: Any) -> Any:
    """Of eight bytes, as a uint64, those that do not stand for themselves in JSON, or are no ASCII: the lowest bit that is set lies in the
    first of them, and is its top bit.
    """
    found = _zeros(word ^ _QUOTES) | _zeros(word ^ _SLASHES) | _zeros(word ^ _DELETES)
    return found | ((word - _SPACES) & ~word & _TOPS) | (word & _TOPS)
