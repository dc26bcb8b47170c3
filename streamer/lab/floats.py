"""Numbers of lines, SIMs and devices that became floating point on their way into a file, as data frames and spreadsheets make them."""

from __future__ import annotations

import json
import re
from typing import Final

from streamer.errors import MessageError

_WHOLE: Final = re.compile(r"([+-]?\d+)(?:\.0+|,0)")
_SHORTENED: Final = re.compile(r"[+-]?\d+(?:[.,]\d+[eE][+-]?|[eE][+-])\d+")
"""Only as numbers are written, since a pseudonym may well be figures around an e."""
_EXPONENT: Final = re.compile(rb"\d[eE][+-]?\d")
_NO_SIGN: Final = re.compile(r"[eE](?=\d)")


def whole(text: str) -> str:
    """The figures of a whole number without what floating point adds to them; any other text as it is.

    Raises `MessageError` for figures with an exponent: some of the number may be lost.

    >>> whole("77011234567.0"), whole("+77011234567"), whole("3e12f")
    ('77011234567', '+77011234567', '3e12f')
    """
    if found := _WHOLE.fullmatch(text):
        return found[1]
    if _SHORTENED.fullmatch(text):
        raise MessageError(
            "wrong_type",
            f"{text!r} has an exponent, so that figures of the number may be lost: have the column written as text",
        )
    return text


def has_exponent(line: bytes) -> bool:
    """Whether a number with an exponent may stand in a line of JSON."""
    return _EXPONENT.search(line) is not None


def as_written(line: bytes) -> object:
    """What a line of JSON holds, numbers as text: the figures that stand there, exponents with a sign.

    >>> as_written(b'[7.70113E10, 77011234567.0]')
    ['7.70113E+10', '77011234567.0']
    """
    return json.loads(line, parse_float=lambda text: _NO_SIGN.sub("E+", text), parse_int=str)
