"""A process of which one at a time works and others stand by: it waits for the lease, works while it holds it, lets go in order."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import ClassVar, Final, Literal, Protocol

from prometheus_client import CollectorRegistry, Gauge

from streamer import versions
from streamer.errors import StoppedError
from streamer.kafka import topics
from streamer.kafka.clients import GoOn
from streamer.kafka.lease import Lease, LeaseLostError
from streamer.settings import Settings
from streamer.stream.health import Health

_WAIT_S: Final = 0.2


class Work(Protocol):
    """What is done while the lease is held; all of it by one thread."""

    def step(self) -> None:
        """A little of it, within about a second."""

    def finish(self) -> None:
        """Leave everything to whoever comes next."""

    def close(self) -> None:
        """Let go of clients and files."""


class LeasedProcess(ABC):
    """Active or standing by, until told to stop. Raises `TopicError` when topics are not what they should be.

    `group` and `topic` (of one partition) are the lease; `port` that of /metrics, which `registry` is shown on. Where nothing
    but the lease keeps two from speaking at once, `rests` is true: whoever slept through his session begins anew.
    """

    name: ClassVar[str]
    rests: ClassVar[bool]

    def __init__(
        self, settings: Settings, *, group: str, topic: str, port: int, registry: CollectorRegistry, active: Gauge
    ) -> None:
        self.settings = settings
        self.work: Work | None = None
        self.log = logging.getLogger(f"streamer.{self.name}")
        self._group, self._topic, self._port = group, topic, port
        self._registry, self._shown = registry, active
        self._stop = threading.Event()
        self._role: Literal["starting", "standby", "active", "stopped"] = "starting"
        self._turned = 0.0

    @abstractmethod
    def begin(self, go_on: GoOn) -> Work:
        """Take over: the work, as whoever held the lease before left it. Raises `LeaseLostError`, `StoppedError`."""

    @abstractmethod
    def left(self) -> None:
        """The work is another's now: what was shown of it is shown no more."""

    def unready(self) -> dict[str, str]:
        """Why the work at hand is not ready, by what is missing."""
        return {}

    def stop(self) -> None:
        """Ask for an orderly end; may be called from a signal handler or another thread."""
        self._stop.set()

    def going(self) -> bool:
        """Whether nobody asked to stop."""
        return not self._stop.is_set()

    def run(self) -> None:
        """Serve until `stop`, which is heeded within about a second, brokers away or not."""
        try:
            self._run()
        except StoppedError as error:
            self.log.info("%s", error)

    def _run(self) -> None:
        settings = self.settings
        with ExitStack() as open_:
            self.log.info("%s; asking the brokers at %s", versions.line(), settings.bootstrap)
            topics.ensure(settings, go_on=self.going)
            status = Health(
                settings.metrics_host,
                self._port,
                self._registry,
                lambda: {"role": self._role} if self._role == "stopped" else {},
                lambda: self.unready() if self._role in {"active", "standby"} else {"role": self._role},
                setting=f"{self.name}_metrics_port",
            )
            open_.callback(status.close)
            lease = Lease(settings, self._group, self._topic, self._let_go)
            open_.callback(lease.close)
            open_.callback(self._end)
            self.log.info("metrics on port %d", status.port)
            self._role = "standby"
            while self.going():
                self._turn(lease)
            self._let_go()

    def _turn(self, lease: Lease) -> None:
        """One turn of the loop: serve the group, then take over, work, or wait."""
        if not lease.heed(0.0 if self.work is not None else _WAIT_S):
            self._drop()
            return
        slept, self._turned = time.monotonic() - self._turned, time.monotonic()
        if self.rests and self.work is not None and slept > self.settings.session_timeout_ms / 1000:
            self.log.warning("asleep for %.1f s: another may have had the lease meanwhile", slept)
            self._drop()
        try:
            if self.work is None:
                self.work = self.begin(lambda: self.going() and lease.heed())
                self._turned = time.monotonic()
                self._role = "active"
                self._shown.set(1)
            elif lease.held:
                self.work.step()
        except (LeaseLostError, StoppedError) as error:
            self.log.warning("%s", error)
            self._drop()

    def _let_go(self) -> None:
        """Leave everything to whoever comes next."""
        if self.work is not None:
            try:
                self.work.finish()
            except (LeaseLostError, StoppedError) as error:
                self.log.warning("left without its last state: %s", error)
            self._drop()

    def _end(self) -> None:
        self._role = "stopped"
        self._drop()

    def _drop(self) -> None:
        if self.work is not None:
            self.work.close()
            self.work = None
            self._shown.set(0)
            self.left()
            self.log.info("stands by")
            if self._role == "active":
                self._role = "standby"
