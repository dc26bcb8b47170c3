"""Reading what may be unreadable."""

from __future__ import annotations

from typing import Any


def headers_of(record: Any) -> list[tuple[str, bytes | None]]:
    """The headers of a record; none where a name is not UTF-8, which Kafka's protocol admits and the client cannot give."""
    try:
        return record.headers() or []
    except (SystemError, UnicodeDecodeError):
        return []
