"""Reading what may be unreadable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import Message

MOST: Final = 64
"""Headers of a record that are heeded. Three bytes make one, so that hundreds of thousands fit into a record, each a
hundred bytes as an object.
"""
_DIGITS: Final = 19
"""Kafka's offsets have no more: whoever publishes may claim any number, and a longer one is none."""


def whole_in(value: bytes | None) -> int | None:
    """The whole number that a header says; None where it says none.

    >>> whole_in(b"17"), whole_in(b"-1"), whole_in(b"9" * 5_000), whole_in(None)
    (17, None, None, None)
    """
    return int(value) if value is not None and value.isdigit() and len(value) <= _DIGITS else None


def headers_of(record: Any) -> list[tuple[str, bytes | None]]:
    """The first headers of a record; none where a name is not UTF-8, which Kafka's protocol admits and the client cannot give."""
    try:
        return _first(record, record.headers()) or []
    except (SystemError, UnicodeDecodeError):
        return []


def headers_of_all(records: Sequence[Message]) -> list[Any]:
    """As `headers_of` of each record, at the speed of one call; none is None or an empty list.

    The client raises at the first reading of what it cannot give, and hands out a broken object at the next: read once.
    """
    held: list[Any] = []
    read = map(Message.headers, records)
    while len(held) < len(records):
        try:
            for given in read:
                held.append(given if given is None or len(given) <= MOST else _first(records[len(held)], given))
        except (SystemError, UnicodeDecodeError):
            held.append(None)
    return held


def _first(record: Any, given: Any) -> Any:
    """The headers that are heeded of those `given` with a record, which keeps no others either."""
    if given is None or len(given) <= MOST:
        return given
    record.set_headers(given[:MOST])
    return given[:MOST]
