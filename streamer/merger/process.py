"""The merger's process. Its lease is the one partition of `counts.v1` in the group `signals_group`."""

from __future__ import annotations

from streamer.kafka.clients import GoOn
from streamer.kafka.topics import Topics
from streamer.merger.active import ActiveMerger
from streamer.merger.metrics import MergerMetrics
from streamer.settings import Settings
from streamer.stream.leased import LeasedProcess


class MergerProcess(LeasedProcess):
    """A merger, active or standing by."""

    name = "signals"
    rests = True

    def __init__(self, settings: Settings) -> None:
        self.metrics = MergerMetrics()
        super().__init__(
            settings, group=settings.signals_group, topic=Topics(settings).counts, port=settings.signals_metrics_port,
            registry=self.metrics.registry, active=self.metrics.active,
        )  # fmt: skip

    def begin(self, go_on: GoOn) -> ActiveMerger:
        """Read back what was said and the counts of the last minutes."""
        return ActiveMerger(self.settings, self.metrics, go_on)

    def left(self) -> None:
        """See `LeasedProcess`: whoever stands by is not behind and holds nothing."""
        self.metrics.nothing_held()

    def unready(self) -> dict[str, str]:
        """Whether the counts of before are still being read."""
        reading = isinstance(self.work, ActiveMerger) and not self.work.ready
        return {"counts": "what was counted before is still being read"} if reading else {}
