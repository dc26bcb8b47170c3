"""Who did it and why, said beside a record that has no room for it, and texts as people read and write them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote

from streamer.calls.events import LATEST_MS
from streamer.errors import DeskError

BY: Final = "by"
WHY: Final = "why"
_SAFE: Final = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_NOT_ASCII: Final = re.compile(r"[^\n -~]")
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def signed(by: str, why: str) -> tuple[tuple[str, bytes], ...]:
    """Headers that say who and why: of a tombstone, or a pointer. ASCII; all else, and `%`, is percent-encoded UTF-8.

    >>> signed("analyst-7", "100 % sûr")
    (('by', b'analyst-7'), ('why', b'100 %25 s%C3%BBr'))
    """
    return (BY, quote(by, safe=_SAFE).encode("ascii")), (WHY, quote(why, safe=_SAFE).encode("ascii"))


def signature(headers: Iterable[tuple[str, bytes | None]]) -> tuple[str, str]:
    """Who and why, as the headers say; empty where they do not.

    >>> signature(signed("analyst-7", "100 % sûr"))
    ('analyst-7', '100 % sûr')
    """
    found = {name: unquote((value or b"").decode("ascii", "replace")) for name, value in headers}
    return found.get(BY, ""), found.get(WHY, "")


def answerable(by: str, why: str) -> tuple[str, str]:
    """`by` and `why` without blanks around them. Raises `DeskError` when one says nothing, or is too long."""
    for name, text, most in (("--by", by, 255), ("--why", why, 4096)):
        if not text.strip():
            raise DeskError(f"{name} says nothing; whoever looks at the history has to know")
        if len(text) > most:
            raise DeskError(f"{name} has {len(text)} characters; at most {most} are taken")
    return by.strip(), why.strip()


def plain(text: str) -> str:
    r"""`text` with escapes for what a terminal would obey, or nobody would see.

    >>> print(plain("a\x1b[2J\u202eb"))
    a\x1b[2J\u202eb
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def plain_json(text: str) -> str:
    r"""The same JSON with escapes for what a terminal would obey, or nobody would see; line ends between its parts stay.

    >>> print(plain_json('["\x9b31m\x7f", "ж\u202e\U000e0001"]'))
    ["\u009b31m\u007f", "ж\u202e\udb40\udc01"]
    """
    return _NOT_ASCII.sub(lambda sign: sign[0] if sign[0].isprintable() else json.dumps(sign[0])[1:-1], text)


def time_text(at_ms: int | None) -> str:
    """A time as people read it, in UTC; whoever publishes may give a record any time, also one that no calendar has.

    >>> time_text(1763953123123), time_text(10**17), time_text(None)
    ('2025-11-24T02:58:43.123Z', '100000000000000000 ms', '-')
    """
    if at_ms is None:
        return "-"
    try:
        found = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of(text: str, now_ms: int, *, ahead: bool = False) -> int:
    """A time in ms since 1970 from ``90s``, ``10m``, ``2h``, ``30d`` (before now; after it if `ahead`), ISO 8601, or ms.

    ISO times without a zone are UTC, those before 1970 are 0. Raises `DeskError` for anything else.

    >>> time_of("2h", 10_000_000), time_of("2h", 0, ahead=True), time_of("1970-01-01T00:00:01", 0), time_of("1763953123123", 0)
    (2800000, 7200000, 1000, 1763953123123)
    """
    text = text.strip()
    span = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if span:
        away = int(min(float(span[1]) * _UNITS_MS[span[2]], LATEST_MS))
        return now_ms + away if ahead else max(0, now_ms - away)
    if re.fullmatch(r"\d{12,13}", text):
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise DeskError(f"{text!r} is no time: 90s, 10m, 2h, 30d, or 2026-11-24T20:15:00Z") from None
    return max(0, int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000))
