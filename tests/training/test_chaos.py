"""Trainers killed or frozen at random instants under load: each report and each silence counts once, and versions only rise."""

import random
import signal
import sqlite3
import threading
import time

import pytest

from streamer.calls import codec, numbers
from streamer.kafka import logs
from streamer.training.cases import Cases
from streamer.training.intake import Intake
from tests.training.world import WAIT_S, World

KILLS = 5
"""How many trainers fall, one after the other."""
MATURE_S = 5.0
"""Longer than any pause of a loaded machine between a call's evidence and its report: the test knows what ripens."""


@pytest.fixture
def world(brief_sessions, tmp_path):
    made = World(brief_sessions, tmp_path, mature_s=MATURE_S)
    yield made
    made.close()


def undisturbed(world):
    """Labels that one trainer learns from the same log, by call: all reports first, then what stayed silent."""
    cases = Cases(world.folder / "undisturbed.sqlite3", numbers.home_plan("KZ"))
    intake = Intake(cases, 10**10)
    lessons = 0
    for record in logs.read(world.settings, world.topics.evidence):
        now = codec.decode_evidence(record.value).decision.decided_at
        lessons += len(list(intake.take_evidence(record.value, record.partition, record.offset, now)))
    for record in logs.read(world.settings, world.topics.feedback):
        lessons += len(list(intake.take_feedback(record.value, record.at_ms)[0]))
    lessons += len(cases.ripe(2**60, 10**6))
    cases.commit()
    cases.close()
    return lessons, labels(world.folder / "undisturbed.sqlite3")


def labels(file):
    with sqlite3.connect(file) as db:
        return sorted(db.execute("SELECT call_id, taught FROM evidence").fetchall())


@pytest.mark.broker
@pytest.mark.slow
def test_whoever_falls_whenever_every_label_counts_once(world):
    draw = random.Random(1)
    done = threading.Event()

    def feed():
        pace = random.Random(2)
        while not done.wait(pace.random() * 0.1):
            world.send(pace.randrange(8), pace.randrange(4), twice=pace.random() < 0.3)

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        active = world.start("0")
        world.model(lambda _: True)
        for turn in range(1, KILLS + 1):
            time.sleep(draw.random() * 2)
            frozen = draw.random() < 0.3
            # Half of them take over on another machine, some were standing by; the rest find a file, their own or a stale one.
            folder = f"{turn}" if frozen or draw.random() < 0.5 else f"{draw.randrange(turn)}"
            standby = world.start(folder) if folder == f"{turn}" and draw.random() < 0.5 else None
            time.sleep(draw.random())
            gone, epoch = active, world.seen[-1].epoch
            gone.send_signal(signal.SIGSTOP if frozen else signal.SIGKILL)
            if not frozen:
                gone.wait()
            active = standby or world.start(folder)
            world.model(lambda m, before=epoch: m.epoch > before)
            if frozen:  # it wakes up to a lease that is another's
                gone.send_signal(signal.SIGCONT)
                time.sleep(draw.random() * 2)
                gone.kill()
                gone.wait()
    finally:
        done.set()
        feeding.join()
    lessons, expected = undisturbed(world)
    last = world.model(lambda m: m.cases >= lessons)
    assert last.cases == lessons
    active.send_signal(signal.SIGTERM)
    assert active.wait(WAIT_S) == 0
    state = world.left().state
    assert (state["learner"]["honest"], state["learner"]["fraud"]) == (
        sum(taught == 1 for _, taught in expected), sum(taught == 2 for _, taught in expected),
    )  # fmt: skip
    files = list((world.folder / folder).glob("*.sqlite3"))
    assert [labels(file) for file in files] == [expected]
    versions = [model.version for model in world.seen]
    assert versions == sorted(set(versions)), "no version is given twice, and none goes back"
    assert [model.epoch for model in world.seen] == sorted(model.epoch for model in world.seen)
