"""What time it is in a country: when its offices are empty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone

_WHEN: Final = datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC)
"""Rules of time zones change; those of these days are taken, one of which is out of daylight saving wherever there is any."""

_CAPITALS: Final = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "CD": "Africa/Kinshasa",
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "EC": "America/Guayaquil",
    "EH": "Africa/El_Aaiun",
    "ES": "Europe/Madrid",
    "FM": "Pacific/Pohnpei",
    "GL": "America/Nuuk",
    "ID": "Asia/Jakarta",
    "KI": "Pacific/Tarawa",
    "KZ": "Asia/Almaty",
    "MA": "Africa/Casablanca",
    "MN": "Asia/Ulaanbaatar",
    "MX": "America/Mexico_City",
    "NZ": "Pacific/Auckland",
    "PF": "Pacific/Tahiti",
    "PG": "Pacific/Port_Moresby",
    "PT": "Europe/Lisbon",
    "RU": "Europe/Moscow",
    "SS": "Africa/Juba",
    "UA": "Europe/Kyiv",
    "US": "America/New_York",
}
"""The zone of the capital, for countries with several, and for those whose zone the library has wrong."""


def ahead_of_utc_ms(region: str, zone: str | None = None) -> int:
    """By how many ms a country's clocks are ahead of UTC, ms, daylight saving left out: those of an IANA `zone`, else of the capital.

    Sources: the time zones of `phonenumbers` for countries with one, the IANA time zone database.

    >>> [ahead_of_utc_ms(region) / 3_600_000 for region in ("KZ", "GB", "RU", "IN")], ahead_of_utc_ms("RU", "Asia/Vladivostok") // 3_600_000
    ([5.0, 0.0, 3.0, 5.5], 10)
    """
    zone = zone or _CAPITALS.get(region) or _of_the_only_one(region)
    offsets = (day.astimezone(ZoneInfo(zone)).utcoffset() or timedelta() for day in _WHEN)
    return int(min(offsets) / timedelta(milliseconds=1))


def _of_the_only_one(region: str) -> str:
    """The zone of the number that a country's plan gives as an example."""
    example = phonenumbers.example_number(region)
    zones = timezone.time_zones_for_number(example) if example is not None else ()
    return "UTC" if not zones or zones[0] == timezone.UNKNOWN_TIMEZONE else str(zones[0])
