"""The trainer's process: waits for the lease, trains while it holds it, lets go in order.

The lease is the ownership of the one partition of `trainer.v1` in the group `trainer_group`: Kafka gives it to one
member at a time and to another when that one leaves or falls silent. The trainer is a plain loop and no Faust agent:
its positions lie in its own file, together with what was learned, so it needs no group for what it reads; and what
changes hands is the lease alone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import KafkaException

from streamer import versions
from streamer.calls import numbers
from streamer.errors import SettingsError, StoppedError, TransportError
from streamer.kafka import clients, topics
from streamer.kafka.lease import Lease
from streamer.settings import Settings
from streamer.stream.health import Health
from streamer.training.active import ActiveTrainer
from streamer.training.cases import Cases
from streamer.training.metrics import TrainerMetrics
from streamer.training.publication import LeaseLostError

log = logging.getLogger("streamer.trainer")

_ANSWER_S = 10.0


def wall_ms() -> int:
    """The wall clock, ms since 1970."""
    return time.time_ns() // 1_000_000


class TrainerProcess:
    """A trainer, active or standing by, until told to stop.

    Raises `SettingsError` when the folder is in use by another process, `TopicError` when topics are not what they
    should be.
    """

    def __init__(self, settings: Settings, *, now_ms: Callable[[], int] = wall_ms) -> None:
        self._settings = settings
        self._now_ms = now_ms
        self._stop = threading.Event()
        self._active: ActiveTrainer | None = None
        self._role = "starting"
        self.metrics = TrainerMetrics()
        self.owner = f"{socket.gethostname()}:{os.getpid()}"

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
        plan = numbers.home_plan(settings.home)
        with ExitStack() as open_:
            open_.enter_context(_locked(settings.trainer_data))
            log.info("%s; asking the brokers at %s", versions.line(), settings.bootstrap)
            topics.ensure(settings, go_on=self._going)
            file = settings.trainer_data / _file_name(settings, self._going)
            status = Health(
                settings.metrics_host,
                settings.trainer_metrics_port,
                self.metrics.registry,
                lambda: {"role": self._role} if self._role == "stopped" else {},
                lambda: {} if self._role in {"active", "standby"} else {"role": self._role},
            )
            open_.callback(status.close)
            lease = Lease(settings, settings.trainer_group, topics.Topics(settings).trainer, self._let_go)
            open_.callback(lease.close)
            open_.callback(self._end)
            log.info("metrics on port %d; data in %s", status.port, file)
            self._role = "standby"
            while not self._stop.is_set():
                self._turn(lease, file, plan)
            self._let_go()

    def _turn(self, lease: Lease, file: Path, plan: numbers.HomePlan) -> None:
        """One turn of the loop: serve the group, then take over, learn, or wait."""
        if not lease.heed(0.0 if self._active is not None else 0.2):
            self._drop()
            return
        try:
            if self._active is None:
                self._take_over(lease, file, plan)
            elif lease.held:
                self._active.step()
        except (LeaseLostError, StoppedError) as error:
            log.warning("%s", error)
            self._drop()

    def _going(self) -> bool:
        return not self._stop.is_set()

    def _take_over(self, lease: Lease, file: Path, plan: numbers.HomePlan) -> None:
        with ExitStack() as undone:
            cases = Cases(file, plan)
            undone.callback(cases.close)
            self._active = ActiveTrainer(
                self._settings,
                cases,
                self.metrics,
                owner=self.owner,
                now_ms=self._now_ms,
                go_on=lambda: self._going() and lease.heed(),
            )
            undone.pop_all()
        self._role = "active"
        self.metrics.active.set(1)

    def _let_go(self) -> None:
        """Leave everything to whoever comes next."""
        if self._active is not None:
            try:
                self._active.finish()
            except (LeaseLostError, StoppedError) as error:
                log.warning("left without its last state: %s", error)
            self._drop()

    def _end(self) -> None:
        self._role = "stopped"
        self._drop()

    def _drop(self) -> None:
        if self._active is not None:
            self._active.close()
            self._active = None
            self.metrics.active.set(0)
            if self._role == "active":
                self._role = "standby"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The trainer's folder, for one process at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(f"{folder} is in use by another trainer; set another trainer_data") from None
        yield


def _file_name(settings: Settings, go_on: clients.GoOn) -> str:
    """One file a cluster, prefix and group: positions of one mean nothing in another."""
    try:
        cluster = clients.metadata(clients.admin(settings), _ANSWER_S, go_on).cluster_id
    except KafkaException as error:
        raise TransportError(f"the brokers do not answer within {_ANSWER_S:.0f} s: {error.args[0].str()}") from error
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{cluster}-{settings.prefix}{settings.trainer_group}.sqlite3")
