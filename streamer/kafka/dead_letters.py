"""Headers of a record that could not be taken in: why, and where it lay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

Headers = list[tuple[str, bytes]]

LONGEST_MESSAGE: Final = 512
"""Characters of an error's text that are kept."""


def dead_letter_headers(
    reason: str,
    message: str,
    topic: str,
    partition: int,
    offset: int,
    received: Sequence[tuple[str, bytes | None]] | None = None,
) -> Headers:
    r"""The contract's headers for a dead letter; key, value and the headers `received` with the record stay as they were.

    Header values are ASCII: anything else in an error's text is escaped. A record that is a dead letter for the second
    time keeps only the newest reason.

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
    names = {name for name, _ in ours}
    return [*((name, value or b"") for name, value in received or () if name not in names), *ours]


def source_headers(partition: int, offset: int) -> Headers:
    """What a decision or a re-keyed record says of the record that it came from.

    >>> source_headers(3, 17)
    [('source.partition', b'3'), ('source.offset', b'17')]
    """
    return [("source.partition", b"%d" % partition), ("source.offset", b"%d" % offset)]


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "backslashreplace")
