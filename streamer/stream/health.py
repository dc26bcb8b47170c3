"""/metrics, /livez and /readyz over HTTP, on an address and port of the settings."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from streamer.errors import SettingsError

Reasons = Callable[[], dict[str, str]]

_PATIENCE_S: Final = 10.0
"""With whoever asks and says no more."""
_AT_ONCE: Final = 32


class _Server(ThreadingHTTPServer):
    """Answers so many at a time; for one more the oldest is hung up on, so that whoever says nothing takes no handles from the process."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._asking: dict[socket.socket, None] = {}
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own."""
        if len(self._asking) >= _AT_ONCE and (oldest := next(iter(self._asking), None)) is not None:
            self._asking.pop(oldest, None)
            with suppress(OSError):  # it has just been answered
                oldest.shutdown(socket.SHUT_RDWR)
        self._asking[request] = None
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._asking.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nobody is told of those who have gone, or say no more."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


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
            timeout = _PATIENCE_S

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
            self._server = _Server((host, port), Handler)
        except OSError as error:
            raise SettingsError(
                f"/metrics cannot listen on {host}:{port}: {error.strerror}; set {setting} or metrics_host"
            ) from None
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
