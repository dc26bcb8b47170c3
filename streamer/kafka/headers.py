"""Reading what may be unreadable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import Message


def headers_of(record: Any) -> list[tuple[str, bytes | None]]:
    """The headers of a record; none where a name is not UTF-8, which Kafka's protocol admits and the client cannot give."""
    try:
        return record.headers() or []
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
            held.extend(read)
        except (SystemError, UnicodeDecodeError):
            held.append(None)
    return held
