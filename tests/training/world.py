"""Trainers as processes of their own on a real broker, what they are fed and what they publish."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamer import features
from streamer.calls import codec
from streamer.calls.decisions import Decision, Evidence, ModelSnapshot
from streamer.calls.events import Feedback
from streamer.kafka import clients, topics
from streamer.kafka.tables import TableReader
from streamer.models.snapshot import verify
from streamer.settings import Settings
from streamer.training import log as trainer_log

WAIT_S = 40.0
FOREIGN = "foreign"
"""Name of a model that no trainer of ours has published."""


def evidence(number: int, *, fraud: bool) -> Evidence:
    """A call: campaigns ring many lines fast, honest callers do not."""
    now = time.time_ns() // 1_000_000
    x: dict[str, float | None] = dict.fromkeys(features.NAMES, 0.0)
    x |= {"attempts_10m": 40.0 if fraud else 2.0, "distinct_10m": 38.0 if fraud else 2.0, "attested": None}
    caller = f"+7701{number:07d}"
    return Evidence(
        decision=Decision(
            call_id=f"call-{number}", at=now, decided_at=now, operator="op-a", caller=caller, callee="+77272345678",
            action="allow", score=0.5,
        ),
        caller_key=caller, origin="interconnect", trunk=None, partition=0, offset=number, features=x,
    )  # fmt: skip


def report(case: Evidence) -> Feedback:
    at = case.decision.at
    return Feedback(
        caller=case.decision.caller, callee="8 727 234 56 78", from_=at - 1_000, to=at + 1_000, at=at,
        label="fraud", source="bank", fraud_type="scam_centre",
    )  # fmt: skip


class World:
    """One prefix on the broker, and trainers as processes of their own."""

    def __init__(self, settings: Settings, folder: Path, mature_s: float = 1.0) -> None:
        self.settings, self.folder, self.mature_s = settings, folder, mature_s
        self.topics = topics.Topics(settings)
        self.producer = clients.producer(settings)
        self.models = TableReader(settings, [self.topics.models])
        self.seen: list[ModelSnapshot] = []
        self.running: list[subprocess.Popen[bytes]] = []
        self.number = 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    def start(self, data: str) -> subprocess.Popen[bytes]:
        s = self.settings
        command = [
            sys.executable, "-c", "import sys; from streamer.commands import main; main(sys.argv[1:])", "trainer",
            "--bootstrap", s.bootstrap, "--prefix", s.prefix, "--partitions", str(s.partitions),
            "--data", str(self.folder / data), "--mature-s", str(self.mature_s), "--publish-every-s", "0.2",
            "--metrics-port", str(self.port if data == "first" else 0),
        ]  # fmt: skip
        env = os.environ | {
            "STREAMER_TRAINER_GROUP": s.trainer_group,
            "STREAMER_SESSION_TIMEOUT_MS": str(s.session_timeout_ms),
        }
        self.running.append(subprocess.Popen(command, env=env))
        return self.running[-1]

    def send(self, honest: int, fraud: int, *, twice: bool = False) -> None:
        """Evidence of so many calls; each fraudulent one is reported, before its evidence or after."""
        for number in range(honest + fraud):
            case = evidence(self.number, fraud=number < fraud)
            self.number += 1
            key = case.caller_key
            records = [(self.topics.evidence, codec.encode(case))] * (2 if twice else 1)
            if number < fraud:
                said = codec.encode(report(case))
                records += [(self.topics.feedback, said)] * (2 if twice else 1)
                if number % 2:
                    records.reverse()
            for topic, value in records:
                self.producer.produce(topic, key=key, value=value)
        assert self.producer.flush(20) == 0

    def model(self, fits: Callable[[ModelSnapshot], bool]) -> ModelSnapshot:
        """The first model from now on that fits, every one checked on the way."""
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            for change in self.models.poll(100, 0.2):
                if change.value is None or change.key.startswith("current/"):
                    continue
                model = codec.decode_model(change.value)
                if model.name == FOREIGN:
                    continue
                verify(model)
                self.seen.append(model)
                if fits(model):
                    return model
        raise AssertionError(f"no such model in {WAIT_S} s; seen {[(m.epoch, m.version, m.cases) for m in self.seen]}")

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < end
            self.producer.poll(0.1)

    def shown(self) -> dict[str, float]:
        """The first trainer's metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def left(self) -> Any:
        return trainer_log.read(self.settings)

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.models.close()
