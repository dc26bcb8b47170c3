"""Hostile evidence and feedback: neither stops the trainer, nor stalls it, nor teaches a case twice."""

import math
from pathlib import Path

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls import codec
from streamer.calls.events import LATEST_MS, Feedback
from streamer.errors import MessageError, ModelError
from streamer.models.labels import HEAVIEST
from streamer.models.prequential import Prequential
from streamer.models.snapshot import digest, verify
from streamer.models.trainer import SAMPLE, Trainer
from streamer.training.cases import Cases
from streamer.training.intake import AHEAD_MS, Intake
from streamer.training.reader import Backlog
from streamer.training.state import TrainerState
from tests.training.test_cases import AT, OFFSETS, PLAN, case, steps_of

KEPT_MS = 30 * 86_400_000
NOW = AT + 60_000


@pytest.fixture
def cases():
    made = Cases(Path(":memory:"), PLAN)
    yield made
    made.close()


@pytest.fixture
def intake(cases):
    return Intake(cases, KEPT_MS)


def report(**given):
    return codec.encode(
        Feedback(**({"caller": "+77011234567", "at": NOW, "label": "fraud", "source": "analyst", "by": "a-7"} | given))
    )


def told(intake, value, now=NOW):
    return list(intake.take_feedback(value, now)[0])


def shown(intake, evidence, now=NOW):
    return list(intake.take_evidence(codec.encode(evidence), 0, next(OFFSETS), now))


def test_an_analyst_who_never_stops_teaches_each_case_once_a_label(cases, intake):
    shown(intake, case("before"))
    taught = []
    for n in range(5_000):
        said = report(
            from_=AT - n, to=AT + 10**6 + n, label=("fraud", "legitimate")[n % 2], scope=("call", "line")[n % 3 == 0]
        )
        taught += told(intake, said)
        if n == 50:
            shown(intake, case("first", at=AT + 1))
            few = steps_of(cases, lambda: shown(intake, case("few", at=AT + 2)))
    assert [lesson.fraud for lesson in taught] == [True, False]
    shown(intake, case("settles", at=AT + 3))
    assert steps_of(cases, lambda: shown(intake, case("many", at=AT + 4))) <= 1.2 * few
    assert {lesson.fraud for lesson in shown(intake, case("after", at=AT + 5))} == {True, False}


def test_evidence_repeated_teaches_once_even_when_it_was_forgotten_meanwhile(cases, intake):
    told(intake, report(to=AT + 10**12))
    again = [shown(intake, case(at=AT + n % 1_000)) for n in range(1_000)]
    assert [len(lessons) for lessons in again] == [1] + [0] * 999
    assert cases.ripe(LATEST_MS, 10) == []
    later = NOW + KEPT_MS + 1
    cases.forget_before(later - KEPT_MS)
    assert cases.held == 0
    assert shown(intake, case(), now=later) == []
    assert cases.held == 0


@pytest.mark.parametrize("ahead", [AHEAD_MS + 1, LATEST_MS - NOW])
def test_times_to_come_are_refused_and_leave_no_trace(cases, intake, ahead):
    one = case()
    decision = msgspec.structs.replace(one.decision, decided_at=NOW + ahead)
    with pytest.raises(MessageError, match="ahead") as refused:
        shown(intake, msgspec.structs.replace(one, decision=decision))
    assert refused.value.reason == "out_of_range"
    with pytest.raises(MessageError, match="ahead"):
        told(intake, report(at=NOW + ahead))
    assert cases.held == 0
    assert shown(intake, one) == [], "the report was not kept"


def test_a_report_of_all_time_to_come_ends_with_its_keeping(cases, intake):
    told(intake, report(from_=0, to=LATEST_MS))
    last = NOW + KEPT_MS
    assert [len(shown(intake, case(f"{at}", at=at), now=at)) for at in (last, last + 1)] == [1, 0]
    cases.forget_before(last + 1)
    tables = [cases._db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("waiting", "settled")]
    assert tables == [0, 0]


@pytest.mark.parametrize(
    "change",
    [
        {"label": "spam"}, {"label": None}, {"label": 1}, {"source": "nobody"}, {"fraud_type": "new"}, {"scope": "all"},
        {"at": -1}, {"at": LATEST_MS + 1}, {"at": 1.5}, {"caller": None}, {"caller": "7" * 256}, {"call_id": ""},
        {"from": LATEST_MS + 1}, {"note": "x" * 70_000},
    ],
)  # fmt: skip
def test_reports_that_break_the_contract_are_refused(cases, intake, change):
    shown(intake, case())
    with pytest.raises(MessageError):
        told(intake, orjson.dumps(orjson.loads(report()) | change))
    assert len(told(intake, report())) == 1


@pytest.mark.parametrize(
    "number", ["9" * 10**6, "9" * 60_000, "9" * 400, "1e999", "-" + "9" * 5_000, "0." + "1" * 60_000]
)
@pytest.mark.parametrize("field", ['"attempts_1m":1.0', f'"at":{AT}', '"weight":1.0', '"offset":0'])
def test_numbers_of_any_length_are_refused_or_finite(cases, intake, number, field):
    sound = codec.encode(case(score=0.5)).decode()
    assert field in sound
    value = sound.replace(field, f"{field.partition(':')[0]}:{number}").encode()
    told(intake, report())
    try:
        lessons = list(intake.take_evidence(value, 0, next(OFFSETS), NOW))
    except MessageError:
        assert cases.held == 0
        return
    assert all(math.isfinite(x) for lesson in lessons for x in lesson.features.values() if x is not None)
    cases.commit()


def test_cases_of_absurd_weight_or_size_leave_a_model_that_can_be_published(intake):
    learner = Trainer()
    told(intake, report(from_=0, to=LATEST_MS))
    names = list(learner.edges)
    for n in range(4 * SAMPLE):
        features = dict.fromkeys(names, (1e308, 1.7e308, -1.7e308, 5e-324)[n // 2 % 4]) | {"no such feature": 1e300}
        evil = case(f"{n}", control=True, propensity=(1e-300, 5e-324, 1.0)[n % 3], weight=1e6, features=features)
        for lesson in shown(intake, evil):
            assert 0 < lesson.weight <= HEAVIEST
            learner.learn_case(lesson.features, fraud=bool(n % 2), weight=lesson.weight)
    assert learner.edges_version == 2, "bins were split by what came"
    state = TrainerState(learner, Prequential(1_000))
    verify(state.snapshot(NOW))
    TrainerState.from_json(orjson.loads(orjson.dumps(state.to_json({}))), 1_000)


texts = st.sampled_from(
    ["", " ", "+", "\x00", "\x1f", "withheld:", "anonymous", "sip:@;", "sip:+77011234567@x;user=phone", "𝟕" * 10, "7" * 64, "é" * 64,
     "x" * 65, "a@1", "call", "own_line", "+77011234567", '"]', "null"]
)  # fmt: skip
values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.sampled_from([0, AT, NOW, LATEST_MS]),
    st.floats(allow_nan=False), texts, st.lists(texts, max_size=2), st.dictionaries(texts, st.floats(allow_nan=False), max_size=2),
)  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.dictionaries(st.sampled_from(
    ["caller", "callee", "call_id", "at", "from", "to", "scope", "caller_key", "features", "weight", "origin", "decision"]
), values, max_size=3)), max_size=8), st.booleans())  # fmt: skip
def test_whatever_comes_is_taken_in_or_refused(changes, escaped):
    cases = Cases(Path(":memory:"), PLAN)
    intake = Intake(cases, KEPT_MS)
    for is_report, change in changes:
        sound = orjson.loads(report() if is_report else codec.encode(case()))
        if is_report or "decision" in change:
            sound |= change
        else:
            sound |= {name: change[name] for name in change.keys() - {"caller", "callee", "call_id", "at"}}
            sound["decision"] |= {name: change[name] for name in change.keys() & {"caller", "callee", "call_id", "at"}}
        value = orjson.dumps(sound)
        if escaped:
            value = value.replace(b"7", b"\\ud800", 1) if b'"7' in value else value.replace(b'""', b'"\\udc00"')
        try:
            lessons = (
                intake.take_feedback(value, NOW)[0] if is_report else intake.take_evidence(value, 0, next(OFFSETS), NOW)
            )
        except MessageError:
            continue
        for _ in lessons:
            pass
    cases.commit()
    cases.close()


def test_a_snapshot_of_a_wrong_shape_is_refused_however_well_it_is_sealed():
    sound = TrainerState.new(1_000).snapshot(NOW)
    for wrong in ({"weights": []}, {"edges": sound.edges[1:]}, {"features": ["nothing", *sound.features[1:]]},
                  {"weights": [row[1:] for row in sound.weights]}, {"bias": math.inf}):  # fmt: skip
        changed = msgspec.structs.replace(sound, **wrong)
        with pytest.raises(ModelError):
            verify(msgspec.structs.replace(changed, sha256=digest(changed)))


def test_reports_that_never_end_do_not_keep_silence_from_being_heard():
    backlog = Backlog(2, 1_000)
    backlog.ended(1, 7)
    for offset in range(500):  # the end is always 100 ahead
        backlog.read(0, offset + 1, offset + 101)
        backlog.look(2_000 + offset, lambda: [(0, offset + 101), (1, 7)])
        assert backlog.since == (None if offset < 100 else 1_000 if offset < 200 else 2_000 + (offset // 100 - 1) * 100)


def test_silence_is_not_heard_while_reports_that_were_there_are_unread():
    backlog = Backlog(1, 1_000)
    backlog.look(2_000, list)
    assert backlog.since is None
    backlog.read(0, 5, -1)
    backlog.look(2_000, list)
    assert backlog.since is None, "nobody has said where the end is"
    backlog.ended(0, 5)
    backlog.look(3_000, lambda: [(0, 5)])
    backlog.look(4_000, lambda: [(0, 6)])
    assert backlog.since == 3_000
    backlog.look(5_000, list)
    assert backlog.since == 3_000
    backlog.read(0, 6, 6)
    backlog.look(6_000, list)
    assert backlog.since == 4_000
