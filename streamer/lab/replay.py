"""Call records straight through the engine: the verdicts that live traffic would have had, without Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

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
    actions: Counter[str] = field(default_factory=Counter)

    @property
    def undecided(self) -> int:
        """Set-ups without a verdict."""
        return self.setups - self.decided


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
) -> Summary:
    """Judge every message, in batches and partitions as a worker would; `write` gets each decision as it goes on the wire.

    A batch's `decided_at` is the time of its latest event, so that a second replay gives the same bytes. A `summary` that
    is given is counted in, and is true at any moment.
    """
    summary = Summary() if summary is None else summary
    offsets = [0] * settings.partitions
    partitions: list[int] = []
    places: list[int] = []
    values: list[bytes | None] = []
    latest = 0

    def judge() -> None:
        count = len(values)
        batch = Batch(partitions.copy(), places.copy(), [latest] * count, values.copy(), [False] * count)
        outcomes = engine.process(batch, latest)
        for _, _, value in outcomes.decisions:
            write(value + b"\n")
        summary.decided += len(outcomes.decisions)
        summary.dead_letters += len(outcomes.rejected)
        summary.actions.update(outcomes.actions)
        for kept in (partitions, places, values):
            kept.clear()
        progress(summary)

    for message in messages:
        partition = partition_of(message.key.encode(), settings.partitions)
        partitions.append(partition)
        places.append(offsets[partition])
        offsets[partition] += 1
        values.append(message.value)
        latest = max(latest, message.at)
        summary.published += 1
        summary.setups += message.call is not None
        if len(values) >= settings.batch_records:
            judge()
    if values:
        judge()
    return summary
