"""The design's promises 1 to 4 and whether the figures keep them; promise 5 is the chaos suite's (docs/reliability.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Middle = Callable[..., float | None]
"""Median of a figure: (peer, path…)."""
Ratio = Callable[..., float | None]
"""Median over the rounds of the ratio of two peers' figures of one round: (peer, other peer, path…)."""


class Promise(NamedTuple):
    """One line: which promise, its bar in words, what was measured, and whether that keeps it (None: not measured)."""

    number: int
    text: str
    measured: str
    kept: bool | None


def _least(number: int, text: str, value: float | None, bar: float, form: str = "{:.2f}") -> Promise:
    return Promise(number, text, "–" if value is None else form.format(value), None if value is None else value >= bar)


def _most(number: int, text: str, value: float | None, bar: float, form: str = "{:.2f}") -> Promise:
    return Promise(number, text, "–" if value is None else form.format(value), None if value is None else value <= bar)


def judged(results: dict[str, Any], middle: Middle, ratio: Ratio) -> list[Promise]:
    """Every promise with its figure; ratios are medians of those in each round."""
    return [*_alone(results), *_through_kafka(results, middle, ratio), *_waiting(middle, ratio), *_held(results)]


def _alone(results: dict[str, Any]) -> list[Promise]:
    engine = results.get("engine", {})
    us = engine.get("call_us", {})
    rate = 1e6 / us["500"] if us else None
    return [
        _least(1, "engine, batches of 500: ≥ 200,000 set-ups/s a core", rate, 200_000, "{:,.0f}/s"),
        _least(
            1, "and ≥ 0.2 of a loop that only decodes and encodes", engine.get("ratio", {}).get("500"), 0.2, "{:.3f}"
        ),
        _most(1, "a batch of one: ≤ 150 µs", us.get("1"), 150, "{:.0f} µs"),
        _most(1, "batches of ten: ≤ 25 µs a call", us.get("10"), 25, "{:.1f} µs"),
    ]


def _through_kafka(results: dict[str, Any], middle: Middle, ratio: Ratio) -> list[Promise]:
    def rate(peer: str) -> float | None:
        return ratio("worker", peer, "rate")

    def cpu(peer: str) -> float | None:
        return ratio("worker", peer, "cpu_us")

    setups = middle("engine", "rate")
    records = None if setups is None else setups * float(results["records_a_setup"])
    return [
        _least(2, "trivial work: ≥ 0.58 of the raw loop's rate", rate("raw"), 0.58),
        _most(2, "at ≤ 1.65 × its CPU", cpu("raw"), 1.65),
        _least(2, "≥ 1.7 × Bytewax", rate("bytewax"), 1.7),
        _least(2, "≥ 2.5 × Quix Streams", rate("quix"), 2.5),
        _least(2, "ahead of Kafka Streams (no changelog, its faster form)", rate("kafka-streams"), 1.0),
        _most(2, "at ≤ 0.6 of its CPU", cpu("kafka-streams"), 0.6),
        _least(2, "≥ 25 × a per-event Faust agent", rate("faust-per-event"), 25, "{:.1f}"),
        _least(
            2, "full engine with evidence and checkpoints: ≥ 80,000 records/s of the mix", records, 80_000, "{:,.0f}/s"
        ),
    ]


def _waiting(middle: Middle, ratio: Ratio) -> list[Promise]:
    lines = []
    for rate in ("1000", "5000"):

        def against(peer: str, name: str, rate: str = rate) -> float | None:
            return ratio("engine", peer, "paced", rate, name)

        said = f"{int(rate):,}/s: "
        lines += [
            _most(3, said + "p50 ≤ 2 × the raw loop's", against("raw", "p50"), 2.0),
            _most(3, said + "p99 ≤ 2.5 × the raw loop's", against("raw", "p99"), 2.5),
            _most(3, said + "p99 ahead of Kafka Streams", against("kafka-streams", "p99"), 1.0),
            _most(3, said + "p99 ≤ 1.25 × Quix Streams", against("quix", "p99"), 1.25),
            _most(3, said + "p50 ahead of Quix Streams", against("quix", "p50"), 1.0),
        ]
    return [
        *lines,
        _most(3, "5,000/s: p50 ≤ 5 ms (quiet machine)", middle("engine", "paced", "5000", "p50"), 5, "{:.1f} ms"),
        _most(3, "5,000/s: p99 ≤ 12 ms (quiet machine)", middle("engine", "paced", "5000", "p99"), 12, "{:.1f} ms"),
    ]


def _held(results: dict[str, Any]) -> list[Promise]:
    memory = results.get("memory", {})
    enough = memory.get("callers", 0) >= 1_000_000
    above = memory.get("above_mib") if enough else None
    restore = results.get("restore", {})
    restored = restore.get("restored_s") if restore.get("callers", 0) >= 1_000_000 else None
    return [
        _most(4, "1,000,000 callers in ≤ 700 MiB above an idle worker", above, 700, "{:,.0f} MiB"),
        _most(4, "1,000,000 callers restored in ≤ 15 s", restored, 15, "{:.1f} s"),
    ]
