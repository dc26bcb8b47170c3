"""What many values come to in two of them, and how these are read."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf
from statistics import median


def spread(values: Sequence[float]) -> tuple[float, float] | None:
    """Median and ninth decile of sorted values; None of none.

    >>> spread([1.0, 2.0, 3.0, 4.0, 50.0])
    (3.0, 50.0)
    """
    return (median(values), values[min(len(values) - 1, int(0.9 * len(values)))]) if values else None


def pair(values: tuple[float, float] | None) -> str:
    """Median and ninth decile as they are read.

    >>> pair((20.0, float("inf")))
    '20, ∞'
    """
    return "" if values is None else ", ".join("∞" if isinf(value) else f"{value:,.0f}" for value in values)
