"""/metrics, /livez and /readyz over HTTP, on an address and port of the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from streamer.errors import SettingsError

Reasons = Callable[[], dict[str, str]]


class Health:
    """The server. `not_alive` and `not_ready` give the reasons why not; none means 200.

    Raises `SettingsError`, which names the `setting` of the port, when host and port cannot be listened on.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        not_alive: Reasons,
        not_ready: Reasons,
        *,
        setting: str = "metrics_port",
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._reply(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path in {"/livez", "/readyz"}:
                    reasons = not_alive() if self.path == "/livez" else not_alive() | not_ready()
                    body = orjson.dumps({"ok": not reasons, "reasons": reasons})
                    self._reply(503 if reasons else 200, "application/json", body)
                else:
                    self._reply(404, "text/plain", b"there are /metrics, /livez and /readyz\n")

            def _reply(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                try:
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:  # whoever asked did not wait for the answer
                    self.close_connection = True

            def log_message(self, *args: Any) -> None:
                """Requests are not logged."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise SettingsError(
                f"/metrics cannot listen on {host}:{port}: {error.strerror}; set {setting} or metrics_host"
            ) from None
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
