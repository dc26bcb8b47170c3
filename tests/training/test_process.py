"""The trainer against a real broker: learns, survives being killed, hands over, counts nothing twice."""

import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamer import features
from streamer.calls import codec
from streamer.calls.decisions import Decision, Evidence, ModelSnapshot
from streamer.calls.events import LATEST_MS, Feedback
from streamer.kafka import clients, topics
from streamer.kafka.broker import LocalBroker, free_port
from streamer.kafka.tables import TableReader
from streamer.kafka.topics import dead_letter
from streamer.models.snapshot import accepts, pointer, verify
from streamer.settings import Settings
from streamer.training import log as trainer_log

pytestmark = pytest.mark.broker

MATURE_S = 1.0
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

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
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
            "--data", str(self.folder / data), "--mature-s", str(MATURE_S), "--publish-every-s", "0.2",
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


@pytest.fixture
def world(make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[World]:
    settings = make_settings()
    topics.ensure(settings)
    made = World(settings, tmp_path)
    try:
        yield made
    finally:
        for process in made.running:
            if process.poll() is None:
                process.kill()
            process.wait()
        made.models.close()


def test_learns_and_survives_a_kill_and_a_takeover_counting_each_case_once(world: World) -> None:
    first = world.start("first")
    world.send(80, 40, twice=True)
    model = world.model(lambda m: m.cases == 120)
    assert (model.epoch, model.name) == (1, "champion")
    shown = world.shown()
    assert shown["streamer_trainer_active"] == 1
    assert shown['streamer_trainer_cases_learned_total{label="fraud"}'] == 40
    assert shown['streamer_trainer_cases_learned_total{label="honest"}'] == 80
    assert (
        sum(shown.get(f'streamer_trainer_feedback_total{{outcome="{name}"}}', 0) for name in ("joined", "kept")) == 80
    )

    # Killed at no particular moment, with evidence and reports on the way; restarted from its own file.
    world.send(10, 10)
    first.kill()
    first.wait()
    world.send(10, 10, twice=True)
    again = world.start("first")
    model = world.model(lambda m: m.cases >= 160)
    assert (model.cases, model.epoch) == (160, 2)

    # A standby with an empty folder, as on another machine, takes over when the active one leaves in order.
    standby = world.start("second")
    again.send_signal(signal.SIGTERM)
    assert again.wait(WAIT_S) == 0
    world.send(5, 5, twice=True)
    model = world.model(lambda m: m.cases >= 170)
    assert (model.cases, model.epoch) == (170, 3)

    # And one whose folder is behind what others did since takes over from a killed one.
    back = world.start("first")
    standby.kill()
    standby.wait()
    world.send(5, 5)
    model = world.model(lambda m: m.cases >= 180)
    assert (model.cases, model.epoch) == (180, 4)
    back.send_signal(signal.SIGTERM)
    assert back.wait(WAIT_S) == 0

    order = [(m.epoch, m.version) for m in world.seen]
    assert order == sorted(set(order)), "versions and epochs only rise"
    assert all(accepts(earlier, later) for earlier, later in pairwise(order))
    left = world.left()
    assert left.epoch == 4
    assert left.state["learner"]["honest"] + left.state["learner"]["fraud"] == 180


def test_measures_what_was_said_at_decision_time_and_buries_what_cannot_be_read(world: World) -> None:
    for topic in (world.topics.evidence, world.topics.feedback):
        world.producer.produce(topic, key="+77010000000", value=b"{")
    refused = msgspec.structs.replace(report(evidence(0, fraud=True)), scope="line")
    world.producer.produce(world.topics.feedback, key=refused.caller, value=codec.encode(refused))
    ahead = msgspec.structs.replace(report(evidence(0, fraud=True)), at=LATEST_MS)
    world.producer.produce(world.topics.feedback, key=ahead.caller, value=codec.encode(ahead))
    shapeless = ModelSnapshot(
        name=FOREIGN, version=9, epoch=2**53, trained_at=0, cases=0, features=["x"], edges=[], weights=[[1.0]], bias=0.0
    )
    for key, value in (
        ("foreign@9", codec.encode(shapeless)),
        ("current/champion", codec.encode(pointer(shapeless))),
        ("current/champion", b"9" * 100_000),
    ):
        world.producer.produce(world.topics.models, key=key, value=value)
    world.send(60, 20)
    trainer = world.start("first")
    world.model(lambda m: m.cases == 80)
    world.until(lambda: world.shown().get("streamer_trainer_roc_auc", 0) > 0)
    world.send(1, 0)  # the next model tells what the windows before it showed
    model = world.model(lambda m: "roc_auc" in m.metrics)
    assert model.metrics["roc_auc"] == 0.5, "every score in this evidence was 0.5"
    assert model.metrics["log_loss"] == pytest.approx(math.log(2))
    shown = world.shown()
    assert shown['streamer_trainer_dead_letters_total{reason="not_json"}'] == 2
    assert shown['streamer_trainer_dead_letters_total{reason="out_of_range"}'] == 1
    assert shown['streamer_trainer_feedback_total{outcome="untrusted_line"}'] == 1
    assert shown["streamer_trainer_windows_measured_total"] >= 1
    letters = TableReader(world.settings, [dead_letter(world.topics.evidence), dead_letter(world.topics.feedback)])
    assert sorted(change.value for change in letters.read_to_end()) == [b"{", b"{", codec.encode(ahead)]
    letters.close()
    trainer.send_signal(signal.SIGTERM)
    assert trainer.wait(WAIT_S) == 0


def stopped(process: subprocess.Popen[bytes], name: signal.Signals) -> int:
    """The exit code. Waiting for brokers would take half a minute and longer."""
    process.send_signal(name)
    return process.wait(20)


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_stops_at_once_where_no_broker_listens(tmp_path: Path, name: signal.Signals) -> None:
    command = "import sys; from streamer.commands import main; main(sys.argv[1:])"
    where = ["--bootstrap", f"127.0.0.1:{free_port()}", "--data", str(tmp_path), "--metrics-port", "0"]
    process = subprocess.Popen([sys.executable, "-c", command, "trainer", *where], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        assert "asking the brokers" in process.stderr.readline()
        assert stopped(process, name) == 0
        assert "stopped while waiting" in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_stops_at_once_when_the_brokers_have_gone_and_loses_nothing(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    broker = LocalBroker(tmp_path / "broker", port=free_port())
    settings = make_settings(bootstrap=broker.start(dies_with_parent=True).address)
    world = None
    try:
        topics.ensure(settings)
        world = World(settings, tmp_path)
        trainer = world.start("first")
        world.producer.produce(world.topics.feedback, key="+77010000000", value=b"{")
        world.send(80, 40)
        world.model(lambda m: m.cases == 120)
        world.send(5, 5)
        broker.stop()
        assert stopped(trainer, signal.SIGTERM) == 0
        broker.start(dies_with_parent=True)
        again = world.start("first")
        model = world.model(lambda m: m.cases >= 130)
        assert (model.cases, model.epoch) == (130, 2)
        assert stopped(again, signal.SIGTERM) == 0
    finally:
        for process in world.running if world else ():
            process.kill()
            process.wait()
        if world is not None:
            world.models.close()
        broker.stop(delete_data=True)
