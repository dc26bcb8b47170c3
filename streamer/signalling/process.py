"""The merger's process: waits for the lease, merges while it holds it, lets go in order.

The lease is the one partition of `counts.v1` in the group `signals_group`.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from typing import Final

from streamer import versions
from streamer.errors import StoppedError
from streamer.kafka import topics
from streamer.kafka.lease import Lease
from streamer.settings import Settings
from streamer.signalling.active import ActiveMerger
from streamer.signalling.metrics import MergerMetrics
from streamer.stream.health import Health

log = logging.getLogger("streamer.signals")

_WAIT_S: Final = 0.2


class MergerProcess:
    """A merger, active or standing by, until told to stop. Raises `TopicError` when topics are not what they should be."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._active: ActiveMerger | None = None
        self._role = "starting"
        self._turned = 0.0
        self.metrics = MergerMetrics()

    def stop(self) -> None:
        """Ask for an orderly end; may be called from a signal handler or another thread."""
        self._stop.set()

    def run(self) -> None:
        """Serve until `stop`, which is heeded within about a second, brokers away or not."""
        try:
            self._run()
        except StoppedError as error:
            log.info("%s", error)

    def _run(self) -> None:
        settings = self._settings
        with ExitStack() as open_:
            log.info("%s; asking the brokers at %s", versions.line(), settings.bootstrap)
            topics.ensure(settings, go_on=self._going)
            status = Health(
                settings.metrics_host, settings.signals_metrics_port, self.metrics.registry, dict, self._not_ready
            )
            open_.callback(status.close)
            lease = Lease(settings, settings.signals_group, topics.Topics(settings).counts, self._let_go)
            open_.callback(lease.close)
            open_.callback(self._drop)
            log.info("metrics on port %d", status.port)
            self._role = "standby"
            while not self._stop.is_set():
                self._turn(lease)
            self._let_go()

    def _not_ready(self) -> dict[str, str]:
        if self._role == "starting":
            return {"role": self._role}
        active = self._active
        return {} if active is None or active.ready else {"counts": "what was counted before is still being read"}

    def _turn(self, lease: Lease) -> None:
        """One turn of the loop: serve the group, then take over, merge, or wait."""
        if not lease.heed(0.0 if self._active is not None else _WAIT_S):
            self._drop()
            return
        began, self._turned = self._turned, time.monotonic()
        if self._active is not None and self._turned - began > self._settings.session_timeout_ms / 1000:
            log.warning("asleep for %.1f s: another may have merged meanwhile", self._turned - began)
            self._drop()
        try:
            if self._active is None:
                self._active = ActiveMerger(self._settings, self.metrics, lambda: self._going() and lease.heed())
                self._turned = time.monotonic()
                self._role = "active"
                self.metrics.active.set(1)
            elif lease.held:
                self._active.step()
        except StoppedError as error:
            log.warning("%s", error)
            self._drop()

    def _going(self) -> bool:
        return not self._stop.is_set()

    def _let_go(self) -> None:
        if self._active is not None:
            self._active.finish()
            self._drop()

    def _drop(self) -> None:
        if self._active is not None:
            self._active.close()
            self._active = None
            self._role = "standby"
            log.info("stands by")
            self.metrics.active.set(0)
