"""What is wrong with a column of numbers, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def outside(name: str, values: Any, low: int, high: int) -> Iterator[str]:
    """What lies outside its bounds, which are allowed themselves."""
    if values.size and not (low <= values.min() and values.max() <= high):
        row = int(np.flatnonzero((values < low) | (values > high))[0])
        yield f"{name} of row {row} is {values[row]}, not within {low} to {high}"


def first_fault(name: str, wrong: Any, what: str) -> Iterator[str]:
    """The first row that is wrong, bool[n], and `what` is the matter with it."""
    if wrong.any():
        yield f"{name} of row {int(np.flatnonzero(wrong)[0])} {what}"
