"""The trainer against a real broker: learns, survives being killed, hands over, counts nothing twice."""

import math
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from streamer.calls import codec
from streamer.calls.decisions import ModelSnapshot
from streamer.calls.events import LATEST_MS
from streamer.kafka import topics
from streamer.kafka.broker import LocalBroker, free_port
from streamer.kafka.tables import TableReader
from streamer.kafka.topics import dead_letter
from streamer.models.snapshot import accepts, pointer
from streamer.settings import Settings
from tests.training.world import FOREIGN, WAIT_S, World, evidence, report

pytestmark = pytest.mark.broker


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
        if world is not None:
            world.close()
        broker.stop(delete_data=True)
