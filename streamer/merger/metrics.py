"""What the merger shows of itself, as Prometheus metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Info

from streamer.signals.casebook import Casebook
from streamer.signals.merger import Merger
from streamer.versions import told


class MergerMetrics:
    """The merger's metrics, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        Info("streamer_build", "This merger's version and its messages'", registry=registry).info(told())
        self.active = Gauge("streamer_signals_active", "1 while this process holds the lease", registry=registry)
        self.merged = Counter("streamer_signals_sums_merged", "Messages of partial sums merged", registry=registry)
        self.repeated = Counter(
            "streamer_signals_sums_repeated", "Messages of partial sums that came again and were not", registry=registry
        )
        self.published = Counter(
            "streamer_signals_published", "Signals published, by kind; ends among them", ["kind"], registry=registry
        )
        self.cases = Counter(
            "streamer_signals_cases",
            "Cases published, each time that one is opened or changed",
            ["kind", "measure"],
            registry=registry,
        )
        self.held = Gauge("streamer_signals_subjects", "Subjects held, by kind", ["kind"], registry=registry)
        self.refused = Gauge(
            "streamer_signals_refused",
            "Times that a subject was not counted, or a case not opened, for want of room",
            registry=registry,
        )
        self.lag = Gauge("streamer_signals_lag", "Messages of counts that are not merged yet", registry=registry)
        self.dead_letters = Counter(
            "streamer_signals_dead_letters", "Messages that could not be read", ["reason"], registry=registry
        )

    def nothing_held(self) -> None:
        """Show neither lag nor subjects, as before any work."""
        self.lag.set(0)
        self.held.clear()

    def show(self, merger: Merger, casebook: Casebook) -> None:
        """What is held now."""
        for kind, count in merger.held.items():
            self.held.labels(kind).set(count)
        self.refused.set(merger.refused + casebook.refused)
