"""A record that could not be taken in, as its dead letter: whole if that can be sent, with why it is one and where it lay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from streamer.kafka.clients import MAX_MESSAGE_BYTES
from streamer.kafka.topics import dead_letter

Headers = list[tuple[str, bytes]]
Received = Sequence[tuple[str, bytes | None]] | None
"""The headers that a record came with."""

LONGEST_MESSAGE: Final = 512
"""Characters of an error's text that are kept."""
TRUNCATED: Final = {
    "value": "error.truncated",
    "key": "error.truncated.key",
    "headers": "error.truncated.headers",
}
"""Headers of a letter that is not whole: how many bytes its value, or its key, had, and how many headers were left out."""
_ROOM: Final = MAX_MESSAGE_BYTES - 1_024
"""For key, value and headers. The rest is for what librdkafka and Kafka lay around them, and for `TRUNCATED`."""
_AROUND: Final = 10
"""Bytes at most around a header's name and value, as librdkafka counts."""


class DeadLetter(NamedTuple):
    """One as it is sent, in the order of `Producer.produce`."""

    topic: str
    value: bytes | None
    key: bytes | None
    partition: int
    headers: Headers


def buried(
    reason: str,
    message: str,
    place: tuple[str, int, int],
    key: bytes | None,
    value: bytes | None,
    received: Received = None,
) -> DeadLetter:
    """The letter of a record that lay at `place` (topic, partition, offset): as it came, with the headers of `dead_letter_headers`.

    A client may hand out records that are larger than any that it sends: zipped ones, and those that become so by our
    headers. Of such the headers `received` are left out, and where that is not enough only the beginning of a key that is longer than
    half the room, and of the value, is kept; `TRUNCATED` headers say what is missing.

    >>> letter = buried("too_large", "too much", ("calls.v1", 3, 17), b"k", bytes(9_000_000))
    >>> letter.topic, len(letter.value), letter.headers[-1]
    ('calls.v1.dlq', 8387439, ('error.truncated', b'9000000'))
    """
    topic = dead_letter(place[0])
    headers = dead_letter_headers(reason, message, *place, received)
    if _size(key, value, headers) <= _ROOM:
        return DeadLetter(topic, value, key, 0, headers)
    ours = dead_letter_headers(reason, message, *place)
    left_out = len(headers) - len(ours)
    room = _ROOM - _size(None, None, ours)
    kept_key = None if key is None else key[: max(room // 2, room - len(value or b""))]
    kept = None if value is None else value[: room - len(kept_key or b"")]
    if left_out:
        ours.append((TRUNCATED["headers"], b"%d" % left_out))
    ours += [
        (TRUNCATED[piece], b"%d" % len(whole))
        for piece, whole, part in (("key", key, kept_key), ("value", value, kept))
        if whole is not None and part != whole
    ]
    return DeadLetter(topic, kept, kept_key, 0, ours)


def _size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    named = sum(len(name.encode()) + len(said) + _AROUND for name, said in headers)
    return len(key or b"") + len(value or b"") + named


def dead_letter_headers(
    reason: str,
    message: str,
    topic: str,
    partition: int,
    offset: int,
    received: Received = None,
) -> Headers:
    r"""The contract's headers for a dead letter; key, value and the headers `received` with the record stay as they were.

    Header values are ASCII: anything else in an error's text is escaped. A record that is a dead letter for the second
    time keeps only the newest reason. The contract's come first, since of very many headers only the first are read.

    >>> dead_letter_headers("not_json", "bad byte é", "calls.v1", 3, 17)[1:3]
    [('error.message', b'bad byte \\xe9'), ('source.topic', b'calls.v1')]
    """
    ours: Headers = [
        ("error.reason", _ascii(reason)),
        ("error.message", _ascii(message[:LONGEST_MESSAGE])),
        ("source.topic", _ascii(topic)),
        ("source.partition", b"%d" % partition),
        ("source.offset", b"%d" % offset),
    ]
    names = {name for name, _ in ours} | {*TRUNCATED.values()}
    return [*ours, *((name, value or b"") for name, value in received or () if name not in names)]


def source_headers(partition: int, offset: int) -> Headers:
    """What a decision or a re-keyed record says of the record that it came from.

    >>> source_headers(3, 17)
    [('source.partition', b'3'), ('source.offset', b'17')]
    """
    return [("source.partition", b"%d" % partition), ("source.offset", b"%d" % offset)]


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "backslashreplace")
