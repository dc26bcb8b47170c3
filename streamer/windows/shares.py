"""Each operator's part of the records lately taken in, so that a flood of one leaves the others their verdicts.

Counted are the records of about ten seconds, by the clock of whoever takes them in: what is shared out is a worker's
time. Of an operator those count that had any effect, so that one that floods has its share rather than nothing.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer.compiled import loop

STEPS: Final = 10
STEP_MS: Final = 1_000
FEWEST: Final = 1_000
"""Records of which a share tells something: of fewer, an operator may have its share of so many."""


class Shares(NamedTuple):
    """`counts` int64[STEPS + 1, operators + 1]: a row a step, the last one their sum; a column an operator, the last one
    all records. `step` int64[1]: the newest one.
    """

    counts: Any
    step: Any


def shares(operators: int) -> Shares:
    """Nothing was taken in of so many operators."""
    return Shares(np.zeros((STEPS + 1, operators + 1), np.int64), np.zeros(1, np.int64))


@loop
def advance(shares: Shares, now_ms: int) -> None:
    """Let go of what is too old; of everything, when the clock was set back."""
    step = now_ms // STEP_MS
    counts, last = shares.counts, shares.step[0]
    if step < last:
        counts[:] = 0
    for gone in range(last + 1, min(step, last + STEPS) + 1):
        for column in range(counts.shape[1]):
            counts[STEPS, column] -= counts[gone % STEPS, column]
            counts[gone % STEPS, column] = 0
    shares.step[0] = step


@loop
def count(shares: Shares, operator: int, effect: bool) -> None:
    """Count a record of an operator (by its row)."""
    counts, place = shares.counts, shares.step[0] % STEPS
    every = counts.shape[1] - 1
    counts[place, every] += 1
    counts[STEPS, every] += 1
    if effect:
        counts[place, operator] += 1
        counts[STEPS, operator] += 1


@loop
def is_over(shares: Shares, operator: int, most: float) -> bool:
    """One more record of an operator would be more than this part of all."""
    counts = shares.counts
    return bool(counts[STEPS, operator] + 1 > most * max(counts[STEPS, counts.shape[1] - 1] + 1, FEWEST))
