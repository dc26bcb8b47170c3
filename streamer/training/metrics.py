"""What the trainer shows of itself, as Prometheus metrics."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Info

from streamer.models.prequential import Measure
from streamer.versions import told


class TrainerMetrics:
    """The trainer's metrics, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        Info("streamer_build", "This trainer's version and its messages'", registry=registry).info(told())
        self.active = Gauge("streamer_trainer_active", "1 while this process holds the lease", registry=registry)
        self.epoch = Gauge("streamer_trainer_epoch", "Epoch of the lease held last", registry=registry)
        self.evidence = Counter("streamer_trainer_evidence", "Records of evidence read", registry=registry)
        self.feedback = Counter(
            "streamer_trainer_feedback", "Reports read, by what became of them", ["outcome"], registry=registry
        )
        self.learned = Counter(
            "streamer_trainer_cases_learned", "Cases learned, by label", ["label"], registry=registry
        )
        self.corrected = Counter(
            "streamer_trainer_cases_corrected", "Cases learned again with the other label", registry=registry
        )
        self.cases = Gauge("streamer_trainer_cases_held", "Cases held to be joined", registry=registry)
        self.dead_letters = Counter(
            "streamer_trainer_dead_letters", "Records that could not be read", ["reason"], registry=registry
        )
        self.published = Counter("streamer_trainer_models_published", "Model versions published", registry=registry)
        self.version = Gauge("streamer_trainer_model_version", "Model version published last", registry=registry)
        self.windows = Counter("streamer_trainer_windows_measured", "Matured windows measured", registry=registry)
        self.log_loss = Gauge(
            "streamer_trainer_log_loss", "Prequential log loss of the window measured last", registry=registry
        )
        self.roc_auc = Gauge(
            "streamer_trainer_roc_auc", "Prequential ROC AUC of the window measured last", registry=registry
        )
        self.pr_auc = Gauge(
            "streamer_trainer_pr_auc", "Prequential PR AUC of the window measured last", registry=registry
        )
        self.mass = Gauge("streamer_trainer_window_calls", "Calls the window measured last stands for, by label", ["label"],
                          registry=registry)  # fmt: skip
        self.late = Gauge(
            "streamer_trainer_late_labels", "Labels that came after their window was measured", registry=registry
        )

    def measured(self, measure: Measure) -> None:
        """Show one matured window; what it cannot tell (one label alone) stays as it was."""
        self.windows.inc()
        self.mass.labels("honest").set(measure.honest_weight)
        self.mass.labels("fraud").set(measure.fraud_weight)
        for gauge, value in (
            (self.log_loss, measure.log_loss),
            (self.roc_auc, measure.roc_auc),
            (self.pr_auc, measure.pr_auc),
        ):
            if not math.isnan(value):
                gauge.set(value)
