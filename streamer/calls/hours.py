"""What time it is in a country: when its offices are empty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone

_WHEN: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)
"""Rules of time zones change; those of this day are taken."""


def ahead_of_utc_ms(region: str) -> int:
    """By how many ms a country's clocks are ahead of UTC, ms, daylight saving left out: where it has several zones, those of the
    number that its plan gives as an example.

    Sources: the time zones of `phonenumbers`, the IANA time zone database.

    >>> ahead_of_utc_ms("KZ") // 3_600_000, ahead_of_utc_ms("GB")
    (5, 0)
    """
    example = phonenumbers.example_number(region)
    zones = timezone.time_zones_for_number(example) if example is not None else ()
    if not zones or zones[0] == timezone.UNKNOWN_TIMEZONE:
        return 0
    local = _WHEN.astimezone(ZoneInfo(zones[0]))
    return int(((local.utcoffset() or timedelta()) - (local.dst() or timedelta())) / timedelta(milliseconds=1))
