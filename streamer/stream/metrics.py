"""What ops watch: prometheus metrics of one worker, in a registry of its own."""

from __future__ import annotations

from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

BUCKETS_S: Final = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Metrics:
    """All metrics of a scoring worker; names begin with `streamer_`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self.decisions = Counter("streamer_decisions", "Verdicts by action", ["action"], **own)
        self.shadow = Counter(
            "streamer_shadow_decisions", "What would stand if shadow were enforced", ["action"], **own
        )
        self.reasons = Counter("streamer_reasons", "Reasons of verdicts", ["reason"], **own)
        self.latency = Histogram(
            "streamer_decision_latency_seconds", "Append of a set-up to its verdict being handed to the producer",
            buckets=BUCKETS_S, **own,
        )  # fmt: skip
        self.records = Counter("streamer_records", "Records of calls.v1 taken in", **own)
        self.batch = Histogram(
            "streamer_batch_records", "Records a batch", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 2000), **own
        )
        self.lag = Gauge("streamer_lag_seconds", "Age of the newest record judged, by partition", ["partition"], **own)
        self.callers = Gauge("streamer_callers", "Callers held, each origin class counted", **own)
        self.evicted = Gauge("streamer_callers_evicted", "Callers given up since the store was full", **own)
        self.dead = Counter("streamer_dead_letters", "Records that could not be taken in", ["topic", "reason"], **own)
        self.rekeyed = Counter("streamer_rekeyed", "Records produced again into the partition they belong to", **own)
        self.clamped = Counter("streamer_clamped", "Times out of bounds of the append time", ["operator"], **own)
        self.repeated = Counter("streamer_repeated", "Set-ups answered again with the same content", **own)
        self.late = Counter("streamer_late_decisions", "Verdicts after the operator's deadline", **own)
        self.in_flight = Gauge("streamer_batches_in_flight", "Batches whose messages are not all delivered", **own)
        self.partitions = Gauge("streamer_partitions", "Partitions owned", **own)
        self.bad_share = Gauge("streamer_bad_input_share", "Share of bad records among the last looked back on", **own)
        self.evidence = Counter("streamer_evidence", "Evidence records sent", **own)
        self.shed = Counter(
            "streamer_shed_batches", "Batches whose sampled evidence was left out since the input lags", **own
        )
        self.control = Counter("streamer_control_records", "Records of control topics and facts applied", **own)
        self.versions = Info("streamer_versions", "Policy and model in force", **own)

    def observe(self, outcomes: Any) -> None:
        """Count what a batch came to."""
        for action, n in outcomes.actions.items():
            self.decisions.labels(action).inc(n)
        for action, n in outcomes.shadow_actions.items():
            self.shadow.labels(action).inc(n)
        for reason, n in outcomes.reasons.items():
            self.reasons.labels(reason).inc(n)
        for operator, n in outcomes.clamped.items():
            self.clamped.labels(operator[:64]).inc(n)
        if outcomes.repeated:
            self.repeated.inc(outcomes.repeated)
        if outcomes.late:
            self.late.inc(outcomes.late)
