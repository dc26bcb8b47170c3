"""How much a run measures: the full run, and the quick one that only shows that everything works."""

from __future__ import annotations

from typing import Final, NamedTuple


class Sizes(NamedTuple):
    """Numbers of set-ups, seconds and repeats.

    `warm` set-ups are judged before `measured` ones are timed; `slow_warm` and `slow_measured` stand for peers that are
    too slow for those. `rates` are set-ups a second, each paced for `warm_s` and then `paced_s` seconds.
    """

    repeats: int
    warm: int
    measured: int
    slow_warm: int
    slow_measured: int
    rates: tuple[int, ...]
    warm_s: float
    paced_s: float
    traffic_s: int
    engine_s: float
    engine_repeats: int
    callers: int


FULL: Final = Sizes(
    repeats=3,
    warm=300_000,
    measured=400_000,
    slow_warm=4_000,
    slow_measured=16_000,
    rates=(1_000, 5_000),
    warm_s=2.0,
    paced_s=7.0,
    traffic_s=60,
    engine_s=1.0,
    engine_repeats=5,
    callers=1_000_000,
)

QUICK: Final = Sizes(
    repeats=1,
    warm=60_000,
    measured=100_000,
    slow_warm=1_000,
    slow_measured=5_000,
    rates=(1_000, 5_000),
    warm_s=1.0,
    paced_s=2.0,
    traffic_s=20,
    engine_s=0.3,
    engine_repeats=2,
    callers=100_000,
)

TRAFFIC_RATE: Final = 5_000
"""Set-ups a second of simulated traffic, which also fixes how many subscribers there are."""

SPARE: Final = 1.05
"""A backlog is this much larger than what is measured of it, so that partitions that end early do not slow the rest."""

BATCHES: Final = (1, 10, 100, 500, 2_000)
"""Batch sizes for the engine alone."""
