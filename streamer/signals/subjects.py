"""Counts by subject over sliding windows, for all subjects of one kind: compiled.

A window moves in steps of a sixth of its length, as those of callers do (`streamer.windows.sliding`). The clock is the
latest number of any message; what is older than the window is not counted. A subject that was silent for a whole window
is forgotten; where there is no room for another one, it is not counted until one is (`meta[REFUSED]`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer.compiled import loop
from streamer.registers.index import Index, get, index, put, remove
from streamer.windows.hashing import Secret
from streamer.windows.sliding import STEPS
from streamer.windows.tallies import COUNTS

VICTIMS, BURST, OWN = COUNTS, COUNTS + 1, COUNTS + 2
"""Beside the counts of `streamer.windows.tallies`: called numbers that a burst came to, set-ups in bursts, and those of the callers of
a called number that are own lines."""
COLUMNS: Final = COUNTS + 3

USED, FREE, HAND, REFUSED, SINCE = range(5)
"""Words of `meta`: the last is the step from which on it was counted."""
_USUAL_MS: Final = 1_800_000
_LEARNED_LEAST_MS: Final = 600_000
"""What was learned for less time than this says little of what is usual: it counts as if it had been learned for so long."""


class Subjects(NamedTuple):
    """Rows by subject: `key` int64 (0: not in use), `step` int64 (the last one counted in), `sums` [rows, STEPS, COLUMNS],
    `usual` float32 (callers a minute, smoothed over half an hour, from 0 on: see `usual_of`), `known` uint8 (1: it began with what
    was known before). `step_ms` int64[1], `meta` int64[5], `free` int64[rows].
    """

    at: Index
    key: Any
    step: Any
    sums: Any
    usual: Any
    known: Any
    step_ms: Any
    meta: Any
    free: Any


def subjects(capacity: int, window_ms: int, secret: Secret, dtype: Any) -> Subjects:
    """Nobody counted; room for so many."""
    size = 64
    while size < 2 * capacity:
        size *= 2
    return Subjects(
        index(secret, size),
        np.zeros(capacity, np.int64),
        np.zeros(capacity, np.int64),
        np.zeros((capacity, STEPS, COLUMNS), dtype),
        np.zeros(capacity, np.float32),
        np.zeros(capacity, np.uint8),
        np.array([window_ms // (STEPS - 1)]),
        np.zeros(5, np.int64),
        np.zeros(capacity, np.int64),
    )


def held(subjects: Subjects) -> int:
    """Subjects in the table."""
    return int(subjects.meta[USED] - subjects.meta[FREE])


@loop
def find(subjects: Subjects, key: int) -> int:
    """The row of a subject, -1 if there is none."""
    return int(get(subjects.at, key, 0))


def begin(subjects: Subjects, at_ms: int) -> None:
    """Counting begins; what was known before of what is usual holds, however long ago that was."""
    step = at_ms // int(subjects.step_ms[0])
    subjects.meta[SINCE] = step
    known = subjects.known != 0
    subjects.step[known] = np.maximum(subjects.step[known], step)


def know(subjects: Subjects, key: int, at_ms: int, usual: float) -> None:
    """What was usual of a subject, before anything is counted."""
    row = int(open_row(subjects, key, at_ms // int(subjects.step_ms[0])))
    if row >= 0:
        subjects.usual[row], subjects.known[row] = usual, 1


@loop
def usual_of(subjects: Subjects, row: int, clock_ms: int) -> float:
    """Callers a minute that a subject usually has: an average that began with 0 is set right for how long it was learned."""
    if subjects.known[row] != 0:
        return float(subjects.usual[row])
    step = subjects.step_ms[0]
    learned_ms = max(_LEARNED_LEAST_MS, (clock_ms // step - subjects.meta[SINCE]) * step)
    return float(subjects.usual[row] / (1.0 - np.exp(-learned_ms / _USUAL_MS)))


@loop
def _learn_usual(subjects: Subjects, row: int, callers: float, steps: int) -> None:
    """Let `usual` follow what a step came to and the empty ones after it; what is far above it is hardly learned."""
    a_minute = 60_000.0 / subjects.step_ms[0]
    weight = subjects.step_ms[0] / _USUAL_MS
    seen = callers * a_minute
    usual = np.float64(subjects.usual[row])
    if seen > 5.0 * max(usual, 10.0):
        usual += weight * 0.02 * (seen - usual)
    else:
        usual += weight * (seen - usual)
    subjects.usual[row] = usual * max(0.0, 1.0 - weight * (steps - 1))


@loop
def advance(subjects: Subjects, row: int, step: int) -> None:
    """Bring a row to a step: what lies more than a window back is emptied."""
    last = subjects.step[row]
    if step <= last:
        return
    _learn_usual(subjects, row, np.float64(subjects.sums[row, last % STEPS, 1]), step - last)
    for empty in range(max(last + 1, step - STEPS + 1), step + 1):
        for column in range(COLUMNS):
            subjects.sums[row, empty % STEPS, column] = 0
    subjects.step[row] = step


@loop
def open_row(subjects: Subjects, key: int, step: int) -> int:
    """The row of a subject brought to a step, made if there is none; -1 where there is no room."""
    row = np.int64(find(subjects, key))
    if row >= 0:
        advance(subjects, row, step)
        return int(row)
    meta = subjects.meta
    if meta[FREE] > 0:
        meta[FREE] -= 1
        row = subjects.free[meta[FREE]]
    elif meta[USED] < subjects.key.shape[0]:
        row = meta[USED]
        meta[USED] += 1
    else:
        meta[REFUSED] += 1
        return -1
    subjects.key[row] = key
    subjects.step[row] = step
    subjects.sums[row] = 0
    subjects.usual[row] = 0.0
    subjects.known[row] = 0
    put(subjects.at, key, 0, row)
    return int(row)


@loop
def add(subjects: Subjects, row: int, step: int, column: int, amount: int, most: int) -> None:
    """Count in a step of a row that was brought to the clock; a counter stops at `most`."""
    if subjects.step[row] - step < STEPS:
        place = step % STEPS
        subjects.sums[row, place, column] = min(most, np.int64(subjects.sums[row, place, column]) + amount)


@loop
def sweep(subjects: Subjects, step: int, look: int) -> None:
    """Look at so many rows and give back those that were silent for a window."""
    meta = subjects.meta
    for _ in range(min(look, meta[USED])):
        row = meta[HAND] % meta[USED]
        meta[HAND] = row + 1
        if subjects.key[row] != 0 and step - subjects.step[row] >= STEPS:
            remove(subjects.at, subjects.key[row], 0)
            subjects.key[row] = 0
            subjects.free[meta[FREE]] = row
            meta[FREE] += 1
