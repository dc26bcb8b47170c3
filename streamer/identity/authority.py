"""The TNAuthList of a certificate (RFC 8226, clause 9): over which telephone numbers its holder may speak.

DER, tagged explicitly::

    TNAuthorizationList ::= SEQUENCE SIZE (1..MAX) OF TNEntry
    TNEntry ::= CHOICE {spc [0] IA5String, range [1] SEQUENCE {start IA5String, count INTEGER (2..MAX), ...}, one [2] IA5String}

Which numbers a service provider code stands for is not in the certificate: a list that has one holds any number.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from streamer.errors import IdentityError

OID: Final = "1.3.6.1.5.5.7.1.26"
"""id-pe-TNAuthList."""
MOST_ENTRIES: Final = 10_000

_SEQUENCE, _IA5_STRING, _INTEGER = 0x30, 0x16, 0x02
_SPC, _RANGE, _ONE = 0xA0, 0xA1, 0xA2
_MOST_DIGITS: Final = 15


class Authority(NamedTuple):
    """What a TNAuthList says: `codes` of service providers, and `ranges` (digits, first, last) of numbers of so many digits."""

    codes: tuple[str, ...]
    ranges: tuple[tuple[int, int, int], ...]

    def holds(self, digits: str) -> bool:
        """Whether a number, its digits with the country code and without plus, is in the list or may be.

        >>> Authority((), ((11, 77011234500, 77011234599),)).holds("77011234567")
        True
        """
        if self.codes:
            return True
        if not (len(digits) <= _MOST_DIGITS and digits.isascii() and digits.isdigit()):
            return False  # no list names it
        number = int(digits)
        return any(len(digits) == length and first <= number <= last for length, first, last in self.ranges)

    def __str__(self) -> str:
        """For people."""
        told = [f"SPC {code}" for code in self.codes]
        told += [f"{first:0{n}d}" + (f" to {last:0{n}d}" if last > first else "") for n, first, last in self.ranges]
        return ", ".join(told)


def read(der: bytes) -> Authority:
    """The list in an extension's value. Raises `IdentityError` when it is not sound.

    >>> read(bytes.fromhex("3008a00616043730394a")).codes
    ('709J',)
    """
    tag, at, end = _element(der, 0, len(der))
    if tag != _SEQUENCE or end != len(der) or at == end:
        raise IdentityError("the TNAuthList is no sequence of entries")
    codes: list[str] = []
    ranges: list[tuple[int, int, int]] = []
    while at < end:
        tag, inner, at = _element(der, at, end)
        if len(codes) + len(ranges) >= MOST_ENTRIES:
            raise IdentityError(f"the TNAuthList has more than {MOST_ENTRIES} entries")
        if tag == _SPC:
            codes.append(_text(der, inner, at)[0])
        elif tag == _RANGE:
            ranges.append(_range(der, inner, at))
        elif tag == _ONE:
            number = _number(_text(der, inner, at)[0])
            ranges.append((len(number), int(number), int(number)))
        else:
            raise IdentityError(f"the TNAuthList has an entry of the unknown kind {tag:#x}")
    return Authority(tuple(codes), tuple(ranges))


def _range(der: bytes, at: int, end: int) -> tuple[int, int, int]:
    tag, inner, last = _element(der, at, end)
    if tag != _SEQUENCE or last != end:
        raise IdentityError("a range of the TNAuthList is no sequence")
    start, after = _text(der, inner, end, alone=False)
    number = _number(start)
    tag, inner, last = _element(der, after, end)
    count = int.from_bytes(der[inner:last], signed=True)
    if tag != _INTEGER or not 2 <= count <= 10**_MOST_DIGITS:
        raise IdentityError("a range of the TNAuthList has no count of 2 or more")
    return len(number), int(number), int(number) + count - 1


def _number(text: str) -> str:
    if not 1 <= len(text) <= _MOST_DIGITS or not text.isdigit():
        raise IdentityError(f"the TNAuthList has {text!r} where a number of 1 to {_MOST_DIGITS} digits has to be")
    return text


def _text(der: bytes, at: int, end: int, *, alone: bool = True) -> tuple[str, int]:
    """A string and where it ends; `alone`: nothing may come after it."""
    tag, inner, last = _element(der, at, end)
    if tag != _IA5_STRING or inner == last or (alone and last != end):
        raise IdentityError("the TNAuthList has no string where one has to be")
    try:
        return der[inner:last].decode("ascii"), last
    except UnicodeDecodeError:
        raise IdentityError("the TNAuthList has a string that is not ASCII") from None


def _element(der: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, begin and end of the contents of the element at a place."""
    if end - at < 2:
        raise IdentityError("the TNAuthList ends too early")
    tag, length, begin = der[at], der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4 or begin + octets > end:
            raise IdentityError("the TNAuthList has a length that DER does not have")
        length = int.from_bytes(der[begin : begin + octets])
        if length < 0x80 or der[begin] == 0:
            raise IdentityError("the TNAuthList has a length that DER does not have")
        begin += octets
    if begin + length > end:
        raise IdentityError("the TNAuthList ends too early")
    return tag, begin, begin + length
