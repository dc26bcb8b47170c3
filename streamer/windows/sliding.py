"""Sliding windows that move in steps of a sixth of their length.

Rule (the oracle in the tests uses the same): time is cut into steps of W/6; a window holds the step that the clock is in
and the six before it, so it spans between W and W + W/6. `STEPS` buckets a window form a ring: step s lies in bucket
s mod 7. The clock is the watermark of the partition, the latest `at` seen in it, and never goes back. An event counts in
each window that still holds the step of its own `at`, else not.

A counter stops at the largest value its type holds; it never wraps.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer.compiled import inlined, loop
from streamer.features import WINDOWS

RINGS: Final = len(WINDOWS)
STEPS: Final = 7
BUCKETS: Final = RINGS * STEPS
STEP_MS: Final = np.array([seconds * 1000 // 6 for _, seconds in WINDOWS], dtype=np.int64)
SPAN_MS: Final = int(STEP_MS[-1]) * STEPS
"""After so much silence every window is empty and the caller may be forgotten."""

ATTEMPTS: Final = 0
BLOCKED: Final = 1
ANSWERED: Final = 2
SHORT: Final = 3
COUNTERS: Final = 4

SHORT_RING: Final = 0
UNALLOCATED: Final = 1
TEN_MINUTES: Final = 1
"""The ring that the 10-minute-only counters share their steps with."""

_U16: Final = 65_535
_U32: Final = 4_294_967_295
_STEP0, _STEP1, _STEP2, _STEP3 = (int(step) for step in STEP_MS)


@inlined
def step_ms(ring: int) -> int:
    """Step length of a ring, ms."""
    if ring == 0:
        return _STEP0
    if ring == 1:
        return _STEP1
    if ring == 2:
        return _STEP2
    return _STEP3


@loop
def advance(counts: Any, talk: Any, ten: Any, clock_ms: int, now_ms: int) -> None:
    """Empty the buckets of the steps between the two clocks.

    One caller's rows: counts uint16[BUCKETS, COUNTERS], talk uint32[BUCKETS] in tenths of a second, ten uint16[STEPS, 2].
    """
    for ring in range(RINGS):
        width = step_ms(ring)
        old = clock_ms // width
        new = now_ms // width
        if new == old:
            continue
        first = max(old + 1, new - STEPS + 1)
        for step in range(first, new + 1):
            bucket = ring * STEPS + step % STEPS
            for counter in range(COUNTERS):
                counts[bucket, counter] = 0
            talk[bucket] = 0
            if ring == TEN_MINUTES:
                ten[step % STEPS, 0] = 0
                ten[step % STEPS, 1] = 0


@loop
def add(counts: Any, counter: int, at_ms: int, now_ms: int) -> None:
    """Count one event at `at_ms` in every window that still holds it."""
    for ring in range(RINGS):
        width = step_ms(ring)
        step = at_ms // width
        if now_ms // width - step < STEPS:
            bucket = ring * STEPS + step % STEPS
            if counts[bucket, counter] < _U16:
                counts[bucket, counter] += 1


@loop
def add_talk(talk: Any, talk_ms: int, at_ms: int, now_ms: int) -> None:
    """Add talk time (kept in tenths of a second, rounded) to every window that still holds `at_ms`."""
    tenths = (talk_ms + 50) // 100
    for ring in range(RINGS):
        width = step_ms(ring)
        step = at_ms // width
        if now_ms // width - step < STEPS:
            bucket = ring * STEPS + step % STEPS
            talk[bucket] = min(_U32, np.int64(talk[bucket]) + tenths)


@loop
def add_ten(ten: Any, counter: int, at_ms: int, now_ms: int) -> None:
    """Count one event in the 10-minute-only counters."""
    step = at_ms // _STEP1
    if now_ms // _STEP1 - step < STEPS and ten[step % STEPS, counter] < _U16:
        ten[step % STEPS, counter] += 1


@loop
def total(counts: Any, ring: int, counter: int) -> int:
    """Sum of a counter over a ring that has been advanced to the present."""
    found = 0
    for bucket in range(ring * STEPS, (ring + 1) * STEPS):
        found += counts[bucket, counter]
    return found


@loop
def oldest_attempt_ms(counts: Any, ring: int, now_ms: int) -> int:
    """Start of the oldest step of the ring that holds an attempt, ms; -1 when there is none."""
    width = step_ms(ring)
    now = now_ms // width
    for step in range(now - STEPS + 1, now + 1):
        if step >= 0 and counts[ring * STEPS + step % STEPS, ATTEMPTS] > 0:
            return step * width
    return -1
