"""Where the number stands in a text, read by compiled code: name-addr, scheme, user part.

The same rules as `streamer.calls.numbers`, over ASCII bytes data[begin:end] of a larger buffer.
"""

from __future__ import annotations

from streamer.calls.compiled_hashes import Bytes
from streamer.compiled import inlined, loop


@inlined
def blank(char: int) -> bool:
    """What `str.isspace` says of an ASCII character."""
    return char == 32 or 9 <= char <= 13 or 28 <= char <= 31


@inlined
def separator(char: int) -> bool:
    """Whether a character stands for nothing in a number: `-./()[]{}<>` and blanks."""
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
        or blank(char)
    )


@loop
def starts(data: Bytes, begin: int, end: int, word: bytes) -> bool:
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


@loop
def trimmed(data: Bytes, begin: int, end: int) -> tuple[int, int]:
    """Begin and end of the text without the blanks around it."""
    while begin < end and blank(data[begin]):
        begin += 1
    while begin < end and blank(data[end - 1]):
        end -= 1
    return begin, end


@loop
def addressed(data: Bytes, begin: int, end: int) -> tuple[int, int]:
    """Begin and end of the address in the (trimmed) text: what stands in the `<…>` of a name-addr, else all of it."""
    at = begin
    if at < end and data[at] == 34:
        at += 1
        while at < end and data[at] != 34:
            at += 2 if data[at] == 92 else 1
        at = at + 1 if at < end else begin
    while at < end and data[at] != 60:
        at += 1
    for close in range(at + 1, end):
        if data[close] == 62:
            begin, end = trimmed(data, at + 1, close)
            break
    return begin, end


@loop
def user_part(data: Bytes, begin: int, end: int) -> tuple[int, int, int]:
    """Begin and end of the user part of the (trimmed) text, and where the address ends that it belongs to."""
    begin, end = addressed(data, begin, end)
    while begin < end and data[begin] == 60:
        begin += 1
    if starts(data, begin, end, b"sips:"):
        begin += 5
    elif starts(data, begin, end, b"sip:") or starts(data, begin, end, b"tel:"):
        begin += 4
    for at in range(begin, end):
        if data[at] == 64 or data[at] == 59:
            return begin, at, end
    return begin, end, end
