"""Call records straight through the engine: the verdicts that live traffic would have had, without Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from streamer.calls.partitioner import partition_of
from streamer.engine import Engine
from streamer.lab.ordering import Message
from streamer.records import Batch
from streamer.settings import Settings


@dataclass
class Summary:
    """What became of a replay, whichever way it went."""

    published: int = 0
    """Messages handed over."""
    found: int = 0
    """How many of them a resumed replay found published."""
    setups: int = 0
    """How many of them ask for a verdict."""
    decided: int = 0
    """Set-ups whose verdict came."""
    dead_letters: int = 0
    """Records of ours that were refused."""
    clamped: int = 0
    """Decisions whose `at` is another call's: a worker keeps `at` near the append time, so that windows differ."""
    unconfirmed: int = 0
    """Messages of an interrupted replay that the brokers had not confirmed."""
    moved: int = 0
    """Partitions that went from one worker to another meanwhile, whose windows began empty there."""
    callers_evicted: int = 0
    """Callers that the engine forgot before their time, since `max_callers` were held."""
    calls_evicted: int = 0
    """Calls likewise, since `max_calls` were held."""
    actions: Counter[str] = field(default_factory=Counter)

    @property
    def undecided(self) -> int:
        """Set-ups without a verdict."""
        return self.setups - self.decided


class Judged(msgspec.Struct):
    """How far the engine is, between two batches: the latest time of an event, and the next offset of each partition."""

    latest_ms: int
    offsets: list[int]


def history_engine(settings: Settings, home: str) -> Engine:
    """An engine as the settings ask for it, for records of any age: `at` is taken as it is."""
    engine = Engine.of(settings, home=home, clamp=False)
    for partition in range(settings.partitions):
        engine.adopt(partition)
    return engine


def through_engine(
    messages: Iterable[Message],
    engine: Engine,
    settings: Settings,
    *,
    write: Callable[[bytes], object] = lambda _: None,
    progress: Callable[[Summary], object] = lambda _: None,
    summary: Summary | None = None,
    judged: Judged | None = None,
    rest: Callable[[Judged], object] = lambda _: None,
) -> Summary:
    """Judge every message, in batches and partitions as a worker would; `write` gets each decision as it goes on the wire.

    A batch's `decided_at` is the time of its latest event, so that a second replay gives the same bytes. A `summary` that
    is given is counted in, and is true at any moment. `rest` is called between batches with how far it came; `judged` is
    what an earlier replay came to, whose engine state, messages and summary are given too.
    """
    summary = Summary() if summary is None else summary
    reached = Judged(0, [0] * settings.partitions) if judged is None else judged
    offsets = reached.offsets
    partitions: list[int] = []
    places: list[int] = []
    values: list[bytes | None] = []
    callers_before, calls_before = (
        summary.callers_evicted - engine.evicted,
        summary.calls_evicted - engine.calls_evicted,
    )

    def judge() -> None:
        count = len(values)
        batch = Batch(partitions.copy(), places.copy(), [reached.latest_ms] * count, values.copy(), [False] * count)
        outcomes = engine.process(batch, reached.latest_ms)
        for value in (*(said for _, _, said in outcomes.decisions), *(told.decision for told in outcomes.revisions)):
            if value is not None:
                write(value + b"\n")
        summary.decided += len(outcomes.decisions)
        summary.dead_letters += len(outcomes.rejected)
        summary.actions.update(outcomes.actions)
        summary.callers_evicted = callers_before + engine.evicted
        summary.calls_evicted = calls_before + engine.calls_evicted
        for kept in (partitions, places, values):
            kept.clear()
        progress(summary)
        rest(reached)

    for message in messages:
        partition = partition_of(message.key.encode(), settings.partitions)
        partitions.append(partition)
        places.append(offsets[partition])
        offsets[partition] += 1
        values.append(message.value)
        reached.latest_ms = max(reached.latest_ms, message.at)
        summary.published += 1
        summary.setups += message.call is not None
        if len(values) >= settings.batch_records:
            judge()
    if values:
        judge()
    return summary
