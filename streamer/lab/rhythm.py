"""When people and businesses call: by local hour of the day and by day of the week."""

from __future__ import annotations

from typing import Final

# fmt: off
RHYTHM: Final = (3, 1, 1, 1, 1, 2, 8, 45, 135, 184, 195, 182,
                 165, 142, 140, 146, 156, 174, 196, 199, 166, 118, 32, 8)
# fmt: on
"""Calls by local hour of day, in hundredths of the mean: most late in the morning and early in the evening, as the busiest
hours of the Sichuan subscribers are (their hours in use: `docs/lab.md`)."""

WEEK: Final = (105, 104, 104, 104, 107, 93, 83)
"""Calls by day of the week from Monday, in hundredths of the mean (background knowledge, to be calibrated on data)."""

OFFICE: Final = tuple(range(9, 18))
"""Hours of an office."""
DAY: Final = tuple(range(8, 21))
"""Hours in which businesses call people."""
EVENING: Final = tuple(range(17, 20))
"""Hours in which schools call parents."""

_HOUR_MS = 3_600_000
_MONDAY = 4  # 1 January 1970 was a Thursday: day 4 after it the first Monday


def hour_of(local_ms: float) -> int:
    """Hour of the day of a local time in ms since 1970."""
    return int(local_ms / _HOUR_MS) % 24


def busy(local_ms: float) -> float:
    """How much is called at a local time, in units of the mean.

    >>> round(busy(4 * 86_400_000 + 18 * 3_600_000) / busy(4 * 86_400_000 + 3 * 3_600_000))
    196
    """
    hours = local_ms / _HOUR_MS
    hour, into = int(hours) % 24, hours % 1
    here, following = RHYTHM[hour], RHYTHM[(hour + 1) % 24]
    weekday = WEEK[(int(hours) // 24 - _MONDAY) % 7]
    return (here + (following - here) * into) * weekday / 10_000


def factor(hours: tuple[int, ...] | None, hour: int | None) -> float:
    """By how much a part of all calls grows in an hour, if it is only made in `hours` and its daily part stays the same.

    `hour` None stands for days without a rhythm.

    >>> factor(None, 3), factor((9, 10), None), factor((9, 10), 3)
    (1.0, 1.0, 0.0)
    """
    if hours is None or hour is None:
        return 1.0
    return sum(RHYTHM) / sum(RHYTHM[one] for one in hours) if hour in hours else 0.0
