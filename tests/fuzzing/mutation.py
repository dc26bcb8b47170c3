"""Inputs made from other inputs: bytes changed, doubled, left out or swapped, and JSON changed as JSON."""

import json
import re

ODD_JSON = (
    None, True, 0, -1, 1.5, 1e308, 2**31, 2**53, 2**63, 2**64, 2**70, 10**30, "", "x", "\ud800", "é", "<i8", "|O", "\0",
    "x" * 300, "+77010000001", [], {}, [0], [1, 2], [[]], {"a": 1},
)  # fmt: skip
_ODD_NUMBERS = (
    b"0", b"-1", b"-0", b"1e5", b"1e999", b"-1e-999", b"0.5", b"01", b"NaN", b"Infinity", b"127", b"128", b"255", b"65536",
    b"2147483648", b"4294967296", b"9007199254740993", b"9223372036854775807", b"9223372036854775808",
    b"18446744073709551616", b"9" * 40, b"9" * 5_000,
)  # fmt: skip
_ODD_BYTES = (
    b"\0", b"\n", b"\r\n", b'"', b"'", b"\\", b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\x85", b"{", b"}", b"[", b"]", b",", b":", b"=", b"null", b"true", b"[" * 2_000,
    b'{"a":' * 2_000, b"%", b"/", b"+", b"\t", b"\x1f",
)  # fmt: skip
_DIGITS = re.compile(rb"\d+")


def dented(draw, found):
    """A JSON value with something in it replaced or left out."""
    if isinstance(found, dict) and found and draw.random() < 0.9:
        name = draw.choice(sorted(found))
        kept = dict(found)
        if draw.random() < 0.1:
            del kept[name]
        else:
            kept[name] = dented(draw, found[name])
        return kept
    if isinstance(found, list) and found and draw.random() < 0.9:
        place = draw.randrange(len(found))
        kept = list(found)
        choice = draw.random()
        if choice < 0.1:
            del kept[place]
        elif choice < 0.2:
            kept.insert(place, found[place])
        else:
            kept[place] = dented(draw, found[place])
        return kept
    if isinstance(found, int) and draw.random() < 0.5:
        return found + draw.choice((-1, 1, 2, 7, 1_000, -(10**12), 10**14))
    return draw.choice(ODD_JSON)


def mutated(draw, data, pool, tokens=()):
    """Another input near to `data`; `pool` has inputs to take pieces of, `tokens` words of the format."""
    if data[:1] == b"{" and len(data) < 4_000 and draw.random() < 0.4:
        try:
            return json.dumps(dented(draw, json.loads(data))).encode()
        except (ValueError, RecursionError):
            pass
    for _ in range(draw.randrange(1, 4)):
        data = draw.choice(_STEPS)(draw, data, pool, tokens)
    return data


def _span(draw, data):
    begin = draw.randrange(len(data) + 1)
    return begin, min(len(data), begin + draw.choice((0, 1, 1, 2, 4, 8, 16, 64)))


def _flip(draw, data, pool, tokens):
    if not data:
        return b"\0"
    at = draw.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << draw.randrange(8),)) + data[at + 1 :]


def _put(draw, data, pool, tokens):
    begin, end = _span(draw, data)
    word = draw.choice(tokens) if tokens and draw.random() < 0.6 else draw.choice(_ODD_BYTES)
    return data[:begin] + word + data[end if draw.random() < 0.5 else begin :]


def _cut(draw, data, pool, tokens):
    begin, end = _span(draw, data)
    return data[:begin] if draw.random() < 0.1 else data[:begin] + data[end:]


def _double(draw, data, pool, tokens):
    begin, end = _span(draw, data)
    times = draw.choice((2, 2, 3, 10, 300 if draw.random() < 0.1 else 2))
    return data[:begin] + data[begin:end] * times + data[end:]


def _number(draw, data, pool, tokens):
    found = [place.span() for place in _DIGITS.finditer(data[:4_000])]
    if not found:
        return _put(draw, data, pool, tokens)
    begin, end = draw.choice(found)
    return data[:begin] + draw.choice(_ODD_NUMBERS) + data[end:]


def _splice(draw, data, pool, tokens):
    other = draw.choice(pool)
    return data[: _span(draw, data)[0]] + other[_span(draw, other)[0] :]


def _graft(draw, data, pool, tokens):
    other = draw.choice(pool)
    begin, end = _span(draw, other)
    at, after = _span(draw, data)
    return data[:at] + other[begin:end] + data[after:]


_STEPS = (_flip, _flip, _put, _put, _cut, _double, _number, _splice, _graft)
