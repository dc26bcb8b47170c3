"""What ops watch of a worker's state: how far it is saved, and what is being read back."""

from __future__ import annotations

from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge


class Checkpoints(Protocol):
    """What is shown of `streamer.stream.checkpoints.Checkpoints`."""

    restored: int
    taken_in: int
    lost_records: int

    @property
    def written(self) -> int:
        """Checkpoints delivered."""
        ...

    @property
    def bytes(self) -> int:
        """Bytes of them, before compression."""
        ...

    @property
    def restoring(self) -> list[int]:
        """Partitions whose records rest."""
        ...

    def ages(self) -> dict[int, float]:
        """Seconds since what is committed of each partition was copied."""
        ...


class StateMetrics:
    """Part of `streamer.stream.metrics.Metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        own: dict[str, Any] = {"registry": registry}
        self._written = Counter("streamer_checkpoints", "Checkpoints of partitions delivered to state.v1", **own)
        self._bytes = Counter("streamer_checkpoint_bytes", "Bytes of checkpoints, before compression", **own)
        self._age = Gauge(
            "streamer_checkpoint_age_seconds",
            "Age of the state that is committed; 0 while nothing has come since",
            ["partition"],
            **own,
        )
        self._restoring = Gauge(
            "streamer_restoring_partitions", "Partitions owned whose records rest until their state is there", **own
        )
        self._restored = Counter("streamer_restored_partitions", "Partitions whose state was read back", **own)
        self._callers = Counter("streamer_restored_callers", "Rows of callers read back", **own)
        self._lost = Counter("streamer_lost_records", "Records judged that logs of calls lost again", **own)
        self.said_before = Counter(
            "streamer_said_before", "Set-ups judged again of which a decision was in the log, and stands", **own
        )
        self._counted: dict[Counter, int] = {}

    def show(self, checkpoints: Checkpoints) -> None:
        """Show how far state is saved and restored; once a second."""
        for counter, total in (
            (self._written, checkpoints.written),
            (self._bytes, checkpoints.bytes),
            (self._restored, checkpoints.restored),
            (self._callers, checkpoints.taken_in),
            (self._lost, checkpoints.lost_records),
        ):
            counter.inc(total - self._counted.get(counter, 0))
            self._counted[counter] = total
        self._restoring.set(len(checkpoints.restoring))
        for partition, age in checkpoints.ages().items():
            self._age.labels(str(partition)).set(age)

    def forget(self, partition: int) -> None:
        """A partition that is owned no more shows nothing."""
        self._age.remove(str(partition))
