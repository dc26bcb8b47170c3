"""A trainer with an empty folder goes on exactly where another stopped, whatever came in whatever order."""

import random
import time

import pytest
from confluent_kafka import TopicPartition

from streamer.calls import codec
from streamer.calls.events import Feedback
from streamer.kafka import clients, tables, topics
from streamer.training.active import ActiveTrainer
from streamer.training.cases import Cases
from streamer.training.log import read
from streamer.training.metrics import TrainerMetrics
from streamer.training.state import FRESH, HOUR_MS
from tests.test_engine import engine
from tests.training.test_cases import AT, PLAN, case

pytestmark = pytest.mark.broker

MATURE_MS = 60_000


class Trained:
    """Trainers of one prefix, one after the other, each with a folder of its own, under a clock set by hand."""

    def __init__(self, settings, folder):
        topics.ensure(settings)
        self.settings, self.folder = settings, folder
        self.topics = topics.Topics(settings)
        self.producer = clients.producer(settings)
        self.sent = dict.fromkeys([self.topics.evidence, self.topics.feedback], 0)
        self.now = AT
        self.turn = 0
        self.active = None
        self.hand_over()

    def hand_over(self, *, finish=True, fresh=True):
        if self.active is not None:
            if finish:
                self.active.finish()
            self.active.close()
        self.turn += fresh
        self.cases = Cases(self.folder / f"{self.turn}.sqlite3", PLAN)
        self.active = ActiveTrainer(
            self.settings, self.cases, TrainerMetrics(), owner="test", now_ms=lambda: self.now, go_on=lambda: True
        )

    def remove(self, *keys):
        for key in keys:
            self.producer.produce(self.topics.trainer, key=key, value=None)
        assert self.producer.flush(20) == 0

    def send(self, topic, values):
        for value in values:
            self.producer.produce(topic, key="+77011234567", value=value)
        assert self.producer.flush(20) == 0
        self.sent[topic] += len(values)
        self.step_until(lambda: self.active._moved.get((topic, 0)) == self.sent[topic] or self.read(topic))

    def read(self, topic):
        return self.cases.positions().get((topic, 0)) == self.sent[topic]

    def pass_time(self, ms):
        self.now += ms
        self.step_until(lambda: self.active.state.matured_to == self.now - MATURE_MS)

    def step_until(self, holds):
        until = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < until
            self.active.step()

    def learn_more(self, number):
        self.send(self.topics.feedback, [said(call_id=f"{number}", at=AT + 1_000)])

    def models(self):
        """What stands on their topic, as one finds it who reads it whole."""
        reader = tables.TableReader(self.settings, [self.topics.models])
        found = {}
        for change in reader.read_to_end():
            found.pop(change.key, None)
            found[change.key] = change.value
        reader.close()
        return {key: value for key, value in found.items() if value is not None}

    def learned(self):
        state = self.active.state.to_json({})
        return {name: state[name] for name in ("learner", "measuring", "matured_to", "measured")}

    def rows(self, table):
        columns = "call_id, at, origin, weight, taught, ripens, measured" if table == "evidence" else "*"
        return sorted(self.cases._db.execute(f"SELECT {columns} FROM {table}").fetchall())


@pytest.fixture
def trained(make_settings, prefix, tmp_path):
    made = []

    def make(name, **more):
        settings = make_settings(
            prefix=f"{prefix}{name}.", trainer_group=f"{prefix}{name}", partitions=1,
            **({"mature_s": MATURE_MS / 1000, "trainer_kept_s": 1_000.0, "publish_every_s": 10**6} | more),
        )  # fmt: skip
        (tmp_path / name).mkdir()
        made.append(Trained(settings, tmp_path / name))
        return made[-1]

    yield make
    for one in made:
        one.active.close()


def said(**given):
    return codec.encode(
        Feedback(**({"caller": "+77011234567", "label": "fraud", "source": "analyst", "by": "a-7"} | given))
    )


SOME_KINDS = (
    {}, {"weight": 20.0}, {"weight": 20.0}, {"action": "block"}, {"action": "label", "control": True, "propensity": 0.01},
    {"action": "block", "revises": True}, {"shadow_action": "block"},
)  # fmt: skip


def some_cases(draw, now):
    """Calls of few numbers and ids in both origin classes, some of them twice, some blocked after all, not in order."""
    for _ in range(draw.randrange(1, 12)):
        yield codec.encode(case(
            f"c{draw.randrange(30)}", caller=f"+7701123456{draw.randrange(3)}", callee=f"+7727234567{draw.randrange(2)}",
            origin=draw.choice(["own_line", "interconnect"]), at=now - draw.randrange(100_000), operator="op-a",
            score=draw.random(), features={"attempts_1m": float(draw.randrange(9))},
            **draw.choice(SOME_KINDS),
        ))  # fmt: skip


def some_reports(draw, now):
    for _ in range(draw.randrange(1, 5)):
        named = draw.choice([{}, {"callee": f"+7727234567{draw.randrange(2)}"}, {"call_id": f"c{draw.randrange(30)}"}])
        span = draw.choice([{}, {"from_": now - draw.randrange(100_000), "to": now + draw.randrange(100_000)}])
        yield said(
            caller=f"+7701123456{draw.randrange(3)}", at=now - draw.randrange(10_000),
            label=draw.choice(["fraud", "legitimate"]), scope=draw.choice(["call", "line"]), **named, **span,
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_taken_over_again_and_again_it_learns_what_one_learns_alone(trained, seed):
    draw = random.Random(seed)
    alone, in_turns = trained("alone"), trained("in-turns")
    for _ in range(25):
        topic = draw.choice([alone.topics.evidence, alone.topics.feedback])
        make = some_cases if topic == alone.topics.evidence else some_reports
        values, passed = list(make(draw, alone.now)), draw.choice([1, 5_000, 30_000])
        for one in (alone, in_turns):
            one.send(one.topics.evidence if make is some_cases else one.topics.feedback, values)
            one.pass_time(passed)
        if draw.random() < 0.3:
            in_turns.hand_over()
            in_turns.pass_time(0)
    assert in_turns.turn > 3
    assert in_turns.learned() == alone.learned()
    for table in ("evidence", "waiting", "settled"):
        assert in_turns.rows(table) == alone.rows(table)


def test_what_ripened_while_more_was_waiting_is_not_learned_again(trained):
    """A backlog of silence is taught a handful at a time; the next trainer goes on with the rest of it."""
    one = trained("one")
    one.send(one.topics.evidence, [codec.encode(case(f"{n}", at=AT + n % 7)) for n in range(1_200)])
    one.now += 10 * MATURE_MS
    one.step_until(lambda: one.active.state.learner.honest)
    assert one.active.state.learner.honest < 1_200
    one.hand_over()
    one.pass_time(1)
    assert one.active.state.learner.honest == 1_200


def test_no_window_is_measured_before_its_evidence_was_read(trained):
    """A trainer that finds a topic with days in it, more than one fetch: silence is heard at once, of windows that are yet to be read."""
    one, draw = trained("one"), random.Random(1)
    minutes, calls = 10, 6_000
    for n in range(calls):
        sound = case(
            f"{n}", at=AT + n * minutes * MATURE_MS // calls, score=0.1, action="block" if n % 10 else "allow",
            features={f"{place}": draw.random() for place in range(60)},
        )  # fmt: skip
        one.producer.produce(one.topics.evidence, key="+77011234567", value=codec.encode(sound))
    assert one.producer.flush(20) == 0
    one.now += 15 * MATURE_MS
    one.hand_over(finish=False)
    one.pass_time(0)
    measured = one.active.state.measuring.state()
    assert (one.active.state.learner.honest, measured["open"], measured["late"]) == (calls // 10, {}, 0)
    assert one.active._metrics.windows._value.get() == minutes + 1


def test_started_anew_it_takes_up_nothing_old_and_gives_no_version_twice(trained):
    """The state was removed, as an error's text advises; what else the last trainer left stands there still."""
    one = trained("one")
    one.send(one.topics.evidence, [codec.encode(case(f"{n}", at=AT + n)) for n in range(100)])
    one.send(one.topics.feedback, [said(call_id=f"{n}", at=AT + 1_000) for n in range(40)])
    one.pass_time(2 * MATURE_MS)
    one.step_until(lambda: one.active.state.version == 1)
    one.active.finish()
    one.remove("state/0")
    admin = clients.admin(one.settings)
    for future in admin.delete_records([TopicPartition(one.topics.feedback, 0, 40)]).values():
        future.result()
    one.hand_over(finish=False)
    assert (one.active.state.version, one.active.state.epoch, one.active.state.learner.cases) == (1, 2, 0)
    one.pass_time(0)
    one.step_until(lambda: one.active.state.learner.honest == 100)
    one.hand_over()
    assert (one.rows("waiting"), one.rows("settled")) == ([], [])
    assert {taught for *_, taught, _, _ in one.rows("evidence")} == {1}
    assert one.active.state.learner.fraud == 0


def test_a_trainer_that_keeps_its_file_leaves_all_of_it_where_the_topic_was_emptied(trained):
    one = trained("one")
    one.send(one.topics.evidence, [codec.encode(case(f"{n}", at=AT + n)) for n in range(9)])
    one.send(one.topics.feedback, [said(call_id=f"{n}", at=AT + 1_000) for n in range(6, 12)])
    one.hand_over(fresh=False)
    before = [one.rows(table) for table in ("evidence", "waiting", "settled")]
    assert [len(rows) for rows in before] == [9, 3, 3]
    one.remove("state/0", *read(one.settings).file)
    one.hand_over(finish=False, fresh=False)
    one.hand_over()
    assert [one.rows(table) for table in ("evidence", "waiting", "settled")] == before


def test_its_newest_models_stay_and_one_an_hour_whoever_leads(trained):
    one = trained("one", trainer_kept_s=30 * 86_400.0, publish_every_s=600.0)
    one.send(one.topics.evidence, [codec.encode(case(f"{n}", at=AT + n)) for n in range(200)])
    one.send(one.topics.feedback, [said(call_id=f"{n}", at=AT + 1_000) for n in range(40)])
    one.pass_time(2 * MATURE_MS)
    one.step_until(lambda: one.active.state.version == 1)
    hours = {one.active.state.published_at // HOUR_MS: 1}
    for number in range(40, 80):
        one.now += 600_000
        if number % 15 == 0:
            one.hand_over()
        one.learn_more(number)
        one.step_until(lambda at=number: one.active.state.version == at - 38)
        hours.setdefault(one.now // HOUR_MS, one.active.state.version)
    newest = one.active.state.version
    there = one.models()
    named = {int(key.removeprefix("champion@")) for key in there if key.startswith("champion@")}
    assert named == {*hours.values(), *range(newest - FRESH + 1, newest + 1)}
    scorer = engine()
    for key, value in there.items():
        scorer.apply("models", key, value)
    assert (scorer.model_version, dict(scorer.awaited)) == (f"champion@{newest}", {})


def test_a_clock_that_was_ahead_holds_no_model_up(trained, caplog):
    one = trained("one")
    one.send(one.topics.evidence, [codec.encode(case(f"{n}", at=AT + n)) for n in range(100)])
    one.send(one.topics.feedback, [said(call_id=f"{n}", at=AT + 1_000) for n in range(40)])
    one.pass_time(2 * MATURE_MS)
    one.step_until(lambda: one.active.state.version == 1)
    one.active.state.published_at = one.now + 10**10
    one.hand_over()
    one.send(one.topics.feedback, [said(call_id=f"{n}", at=AT + 1_000) for n in range(40, 50)])
    one.step_until(lambda: one.active.state.version == 2)
    assert one.active.state.published_at == one.now
    assert caplog.text.count("ahead of this clock") == 1


def test_a_model_that_the_brokers_give_up_is_not_tried_again_at_once(trained, monkeypatch):
    one, tried = trained("one"), []
    monkeypatch.setattr(one.active._publisher, "publish", lambda records: tried.append(records) and False)
    one.send(one.topics.evidence, [codec.encode(case(f"{n}", at=AT + n)) for n in range(100)])
    one.send(one.topics.feedback, [said(call_id=f"{n}", at=AT + 1_000) for n in range(40)])
    one.pass_time(2 * MATURE_MS)
    one.step_until(lambda: tried)
    for _ in range(5):
        one.active.step()
    assert (len(tried), one.active.state.version) == (1, 1)
    monkeypatch.undo()
    one.active._next_try = 0.0
    one.step_until(lambda: not one.active.state.learned_since)
    assert one.active.state.version == 2
