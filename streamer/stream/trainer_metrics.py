"""What the trainer shows: its metrics, and whether it lives and is ready, over HTTP."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from streamer.errors import SettingsError
from streamer.models.prequential import Measure


class TrainerMetrics:
    """The trainer's metrics, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
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


class StatusServer:
    """`/metrics`, `/livez` and `/readyz` of one process, answered by threads of its own.

    `state` gives (alive, ready, one line of text). Raises `SettingsError` when the port is taken.
    """

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, state: Callable[[], tuple[bool, bool, str]]
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.split("?")[0]
                alive, ready, text = state()
                if path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif path in {"/livez", "/readyz"}:
                    good = alive if path == "/livez" else ready
                    self._answer(200 if good else 503, "text/plain; charset=utf-8", f"{text}\n".encode())
                else:
                    self._answer(404, "text/plain; charset=utf-8", b"/metrics, /livez, /readyz\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """A scrape is not worth a line."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise SettingsError(
                f"{host}:{port} cannot be listened on: {error.strerror}; set another port, or 0"
            ) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="status", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
