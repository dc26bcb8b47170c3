"""The trainer's process. Its lease is the one partition of `trainer.v1` in the group `trainer_group`.

It is a plain loop and no Faust agent: its positions lie in its own file, together with what was learned, so it needs no group for
what it reads; and what changes hands is the lease alone.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import KafkaException

from streamer.calls import numbers
from streamer.errors import SettingsError, TransportError
from streamer.kafka import clients
from streamer.kafka.clients import GoOn
from streamer.kafka.topics import Topics
from streamer.settings import Settings
from streamer.stream.leased import LeasedProcess
from streamer.training.active import ActiveTrainer
from streamer.training.cases import Cases
from streamer.training.metrics import TrainerMetrics

_ANSWER_S = 10.0


def wall_ms() -> int:
    """The wall clock, ms since 1970."""
    return time.time_ns() // 1_000_000


class TrainerProcess(LeasedProcess):
    """A trainer, active or standing by. Raises, too, `SettingsError` when the folder is in use by another process.

    Whoever takes the lease fences the one before (`streamer.training.publication`), so that it need not rest.
    """

    name = "trainer"
    rests = False

    def __init__(self, settings: Settings, *, now_ms: Callable[[], int] = wall_ms) -> None:
        self._now_ms = now_ms
        self._plan = numbers.home_plan(settings.home)
        self.metrics = TrainerMetrics()
        self.owner = f"{socket.gethostname()}:{os.getpid()}"
        super().__init__(
            settings, group=settings.trainer_group, topic=Topics(settings).trainer, port=settings.trainer_metrics_port,
            registry=self.metrics.registry, active=self.metrics.active,
        )  # fmt: skip

    def run(self) -> None:
        """Serve until `stop`, with the folder for this process alone."""
        with _locked(self.settings.trainer_data):
            super().run()

    def begin(self, go_on: GoOn) -> ActiveTrainer:
        """Go on from the file of this cluster, or from what was published last."""
        file = self.settings.trainer_data / _file_name(self.settings, go_on)
        self.log.info("data in %s", file)
        with ExitStack() as undone:
            cases = Cases(file, self._plan)
            undone.callback(cases.close)
            found = ActiveTrainer(
                self.settings, cases, self.metrics, owner=self.owner, now_ms=self._now_ms, go_on=go_on
            )
            undone.pop_all()
        return found

    def left(self) -> None:
        """See `LeasedProcess`: whoever stands by holds no cases."""
        self.metrics.cases.set(0)


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
        cluster = clients.metadata(clients.asker(settings), _ANSWER_S, go_on).cluster_id
    except KafkaException as error:
        raise TransportError(clients.unanswered(error, _ANSWER_S)) from error
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{cluster}-{settings.prefix}{settings.trainer_group}.sqlite3")
