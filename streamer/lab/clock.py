"""Times as files of call records write them, turned into milliseconds since 1970-01-01 UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from streamer.errors import MessageError, ReplayError
from streamer.lab import floats

Instant = Callable[[str], int]


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name or as an offset.

    Raises `ValueError` when there is no such zone.

    >>> zone_of("+05:00").utcoffset(None)
    datetime.timedelta(seconds=18000)
    """
    if name == "UTC":
        return UTC
    if name[:1] in {"+", "-"}:
        zone = datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo
        if zone is None:
            raise ValueError(name)
        return zone
    try:
        return ZoneInfo(name)
    except (OSError, KeyError, ValueError):
        raise ValueError(f"no time zone {name}") from None


def instant(form: str, zone: str, name: str) -> Instant:
    """A reader of times written in `form`: ``iso`` (ISO 8601), ``s`` or ``ms`` since 1970, else a pattern of strptime.

    A time that says its own zone is taken at its word; one in figures with an exponent was shortened, and is none. Mapping `name` is named when the zone is unknown (`ReplayError`);
    the reader raises `MessageError` for what is no time.

    >>> instant("iso", "+05:00", "x")("2025-11-24 08:00:00")
    1763953200000
    """
    if form in {"s", "ms"}:
        factor = 1000 if form == "s" else 1

        def count(text: str) -> int:
            try:
                return round(float(floats.whole(text)) * factor)
            except (ValueError, OverflowError):
                raise MessageError("wrong_type", f"no time in {form}: {text!r}") from None

        return count
    try:
        local = zone_of(zone)
    except ValueError:
        raise ReplayError(f"mapping {name}: no time zone {zone}") from None

    def parse(text: str) -> int:
        try:
            found = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007
            if found.tzinfo is None:
                found = found.replace(tzinfo=local)
            return round(found.timestamp() * 1000)
        except (ValueError, OverflowError):
            raise MessageError("wrong_type", f"no time of the form {form}: {text!r}") from None

    return parse
