"""Joining reports to cases: which calls are labelled, in either order of arrival, and each learned once."""

import itertools
import re
import zlib

import msgspec
import pytest

from streamer.calls import numbers
from streamer.calls.decisions import Decision, Evidence
from streamer.calls.events import Feedback
from streamer.errors import StateError
from streamer.models.labels import claim
from streamer.training.cases import AT_ONCE, NAMED_AT_MOST, Cases
from streamer.training.changes import BLOCK
from streamer.training.tables import LAYOUT

PLAN = numbers.home_plan("KZ")
AT = 1_763_953_123_123


def case(
    call_id="a@1",
    *,
    caller="+77011234567",
    callee="+77272345678",
    origin="interconnect",
    at=AT,
    operator="op-a",
    **given,
):
    words = ("action", "shadow_action", "reasons", "score", "revises")
    decided = {name: given.pop(name) for name in words if name in given}
    decision = Decision(
        call_id=call_id, at=at, decided_at=at + 8, operator=operator, caller=caller, callee=callee,
        **({"action": "allow"} | decided),
    )  # fmt: skip
    return Evidence(
        decision=decision, caller_key=caller, origin=origin, trunk=None, partition=0, offset=0,
        **({"features": {"attempts_1m": 1.0, "attested": None}} | given),
    )  # fmt: skip


def said(**given):
    feedback = Feedback(**({"caller": "+77011234567", "at": AT + 60_000, "label": "fraud", "source": "bank"} | given))
    return feedback.at, claim(feedback, PLAN)


def report_to(cases, report, until=AT + 10**9):
    return list(cases.add_report(*report, until=until) or [])


OFFSETS = itertools.count()


def add(cases, evidence):
    """Evidence as it comes, each record at a place of its own."""
    return cases.add_evidence(evidence, 0, next(OFFSETS))


@pytest.fixture
def cases(tmp_path):
    made = Cases(tmp_path / "cases.sqlite3", PLAN)
    yield made
    made.close()


OWN = case("own@1", origin="own_line")
TRUNK = case("ic@1", at=AT + 1)
OTHER_CALLEE = case("ic@2", callee="+77272000000", at=AT + 2)
EARLIER = case("ic@0", at=AT - 7_200_000)

ALL = (OWN, TRUNK, OTHER_CALLEE, EARLIER)


@pytest.mark.parametrize("reports_first", [False, True])
@pytest.mark.parametrize(
    ("report", "taught", "held"),
    [
        (said(call_id="ic@1"), {"ic@1"}, ALL),
        (said(call_id="own@1"), {"own@1"}, ALL),
        (said(call_id="ic@1", caller="+77019999999"), set(), ALL),
        (said(call_id="none"), set(), ALL),
        (said(), {"ic@1", "ic@2", "ic@0"}, ALL),
        (said(from_=AT - 10, to=AT + 10), {"ic@1", "ic@2"}, ALL),
        (said(callee="8 727 234 56 78", from_=AT - 10), {"ic@1"}, ALL),
        (said(callee="8 727 234 56 78", from_=AT + 5), set(), ALL),
        (said(), set(), (OWN,)),
        (said(from_=AT - 10, to=AT + 10), set(), (OWN,)),
        (said(callee="+77272345678"), {"own@1"}, (OWN,)),
        (said(scope="line", source="police"), {"own@1"}, ALL),
        (said(scope="line", source="police"), {"ic@1"}, (TRUNK,)),
        (said(caller="8 701 123 45 67"), {"ic@1"}, (TRUNK,)),
        (said(caller="+77015555555"), set(), ALL),
    ],
)
def test_joins(cases, report, taught, held, reports_first):
    held = sorted(
        held, key=lambda one: one.origin != report[1].origins[0]
    )  # the preferred class first, as it mostly comes
    lessons = report_to(cases, report) if reports_first else []
    for number, one in enumerate(held):
        marked = msgspec.structs.replace(one, features={"attempts_1m": float(number)})
        lessons += add(cases, marked)
    if not reports_first:
        lessons += report_to(cases, report)
    assert {held[int(lesson.features["attempts_1m"])].decision.call_id for lesson in lessons} == taught
    assert all(lesson.fraud for lesson in lessons)
    assert report_to(cases, report) == [], "the same report again teaches nothing"


SAMPLED = case("sampled@1", origin="own_line", weight=20.0)


@pytest.mark.parametrize("reports_first", [False, True])
@pytest.mark.parametrize(
    ("report", "held", "taught"),
    [
        ({}, SAMPLED, False),
        ({"source": "subscriber"}, SAMPLED, False),
        ({"label": "legitimate"}, SAMPLED, False),
        ({"source": "analyst"}, SAMPLED, True),
        ({"source": "police", "scope": "line"}, SAMPLED, True),
        ({"source": "police", "scope": "line", "callee": None}, SAMPLED, True),
        ({"call_id": "sampled@1"}, SAMPLED, True),
        ({}, case(origin="own_line", action="label"), True),
        ({}, case(origin="own_line", action="label", control=True, propensity=0.01), True),
        ({}, case(weight=20.0), True),
    ],
)
def test_a_call_known_by_both_numbers_is_no_own_line_call_of_the_sample(cases, report, held, taught, reports_first):
    """Of calls over trunks most leave no evidence: that none is held does not say that the number was not shown falsely."""
    report = said(**{"callee": "+77272345678"} | report)
    lessons = report_to(cases, report) if reports_first else []
    lessons += add(cases, held)
    lessons += [] if reports_first else report_to(cases, report)
    assert [lesson.fraud for lesson in lessons] == ([report[1].fraud] if taught else [])


def test_a_report_that_the_sample_does_not_answer_waits_for_the_call_that_it_speaks_of(cases):
    add(cases, SAMPLED)
    report = said(callee="+77272345678")
    assert report_to(cases, report) == []
    assert [len(add(cases, one)) for one in (case("ic@1", at=AT + 1), case("ic@2", at=AT + 2, weight=20.0))] == [1, 1]
    assert report_to(cases, report) == []


def test_a_call_seen_again_is_one_case_but_the_id_much_later_is_another(cases):
    add(cases, case())
    add(cases, case(at=AT + 110_000))
    add(cases, case(operator="op-b"))
    add(cases, case(at=AT + 300_000))
    assert len(cases.ripe(AT + 10**9, 100)) == 3


def test_calls_of_other_numbers_are_others_whatever_id_they_bear(cases):
    others = (
        {},
        {"caller": "+77011234568"},
        {"callee": "+77272000000"},
        {"callee": "8 727 200 00 00"},
        {"origin": "own_line"},
    )
    for given in others:
        add(cases, case("one for all", **given))
    assert len(report_to(cases, said(callee="+77272000000"))) == 1
    assert len(cases.ripe(AT + 10**9, 100)) == 2


@pytest.mark.parametrize(
    ("given", "ripens"),
    [
        ({}, True),
        ({"action": "block"}, False),
        ({"action": "label"}, False),
        ({"action": "divert"}, False),
        ({"action": "label", "control": True, "propensity": 0.01}, True),
        ({"reasons": ["input.throttled"]}, False),
        ({"features": {}}, False),
        ({"weight": 0.0}, False),
    ],
)
def test_only_calls_let_through_ripen(cases, given, ripens):
    add(cases, case(**given))
    lessons = cases.ripe(AT + 10**6, 10)
    assert [lesson.fraud for lesson in lessons] == ([False] if ripens else [])
    assert cases.ripe(AT + 10**6, 10) == []


def test_weights_stand_for_calls(cases):
    add(cases, case("a", weight=20.0))
    add(cases, case("b", action="label", control=True, propensity=0.01))
    assert sorted(lesson.weight for lesson in cases.ripe(AT + 10**6, 10)) == [20.0, 100.0]


def test_nothing_ripens_early_and_a_reported_call_never_does(cases):
    add(cases, case("early"))
    assert cases.ripe(AT + 8, 10) == []
    assert len(cases.ripe(AT + 9, 10)) == 1
    add(cases, case("bad", at=AT + 5))
    report_to(cases, said(call_id="bad"))
    assert cases.ripe(AT + 10**6, 10) == []


def test_a_report_after_maturing_is_taught_too_as_a_correction(cases):
    add(cases, case(score=0.25))
    assert [lesson.corrects for lesson in cases.ripe(AT + 10**6, 10)] == [False]
    (lesson,) = report_to(cases, said(call_id="a@1"))
    assert (lesson.fraud, lesson.corrects, lesson.score, lesson.measured) == (True, True, 0.25, True)
    assert report_to(cases, said(call_id="a@1")) == []


@pytest.mark.parametrize("named", [{"call_id": "a@1"}, {}, {"callee": "+77272345678"}])
def test_a_report_of_a_call_that_ripened_can_be_taken_back(cases, named):
    add(cases, case())
    assert len(cases.ripe(AT + 10**6, 10)) == 1
    labels = ("legitimate", "fraud", "legitimate", "fraud", "legitimate")
    lessons = [report_to(cases, said(label=label, **named)) for label in labels]
    assert [[(lesson.fraud, lesson.corrects) for lesson in some] for some in lessons] == [
        [], [(True, True)], [(False, True)], [], [],
    ], "what silence says already is not learned twice, and no report is more than once"  # fmt: skip
    assert cases.ripe(AT + 10**6, 10) == []


@pytest.mark.parametrize("label", ["legitimate", "fraud"])
@pytest.mark.parametrize(
    ("given", "measured"),
    [
        ({"action": "block"}, False),
        ({"action": "label"}, False),
        ({"action": "divert"}, False),
        ({"action": "label", "control": True, "propensity": 0.01}, True),
        ({}, True),
    ],
)
def test_calls_that_never_ripen_are_taught_when_reported_but_not_measured(cases, given, measured, label):
    """Measured by those that are reported alone, frauds among them would stand against no honest ones."""
    add(cases, case(**given))
    (lesson,) = report_to(cases, said(call_id="a@1", label=label, source="analyst"))
    assert (lesson.fraud, lesson.measured) == (label == "fraud", measured)


def test_a_revision_to_block_keeps_the_call_from_ripening(cases):
    add(cases, case())
    add(cases, case(action="block", revises=True, at=AT))
    assert cases.ripe(AT + 10**6, 10) == []


SETTLED = [{"action": "block", "revises": True}, {"shadow_action": "block"}]


@pytest.mark.parametrize("came", SETTLED)
@pytest.mark.parametrize("origin", ["interconnect", "own_line"])
def test_a_call_that_waited_stands_for_itself_alone_as_the_others_that_came_to_the_same(cases, origin, came):
    """All such calls leave evidence then, the sample's for the second time."""
    add(cases, case("sampled", origin=origin, weight=20.0))
    add(cases, case("of-another-id", origin=origin, weight=20.0))
    for call_id in ("sampled", "unseen"):
        add(cases, case(call_id, origin=origin, **came))
    weights = "SELECT call_id, weight FROM evidence ORDER BY id"
    expected = [("sampled", 1.0), ("of-another-id", 20.0), ("unseen", 1.0)]
    assert cases._db.execute(weights).fetchall() == expected
    lessons = report_to(cases, said(callee="+77272345678"))
    assert sorted(lesson.weight for lesson in lessons) == ([1.0, 1.0] if origin == "own_line" else [1.0, 1.0, 20.0])


@pytest.mark.parametrize("came", SETTLED)
def test_a_call_that_was_learned_before_keeps_its_weight_and_a_control_its_own(cases, came):
    report_to(cases, said(call_id="learned"))
    (first,) = add(cases, case("learned", weight=20.0))
    add(cases, case("learned", **came))
    (taken_back,) = report_to(cases, said(call_id="learned", label="legitimate"))
    assert (first.weight, taken_back.weight) == (20.0, 20.0)
    add(cases, case("control", action="label", control=True, propensity=0.01))
    add(cases, case("control", control=True, propensity=0.01, **came))
    assert [lesson.weight for lesson in cases.ripe(AT + 10**6, 10)] == [100.0]


def test_what_was_not_committed_is_gone_and_the_rest_stays(tmp_path):
    file = tmp_path / "deep" / "cases.sqlite3"
    first = Cases(file, PLAN)
    add(first, case("kept"))
    first.read_to({("evidence.v1", 3): 17})
    first.keep("state", {"seq": 1})
    first.commit()
    add(first, case("lost"))
    first.ripe(AT + 10**6, 10)
    first.read_to({("evidence.v1", 3): 18})
    first.close()
    again = Cases(file, PLAN)
    assert (again.positions(), again.kept("state"), again.held) == ({("evidence.v1", 3): 17}, {"seq": 1}, 1)
    assert len(again.ripe(AT + 10**6, 10)) == 1
    again.forget_all()
    assert (again.positions(), again.kept("state"), again.held) == ({}, None, 0)
    again.close()


def test_the_old_is_forgotten(cases):
    add(cases, case("old"))
    report_to(cases, said(call_id="later"), until=AT + 10**5)
    cases.forget_before(AT + 10**6)
    assert cases.held == 0
    assert add(cases, case("later", at=AT + 2 * 10**6)) == []


def test_a_report_speaks_of_later_calls_only_up_to_its_end(cases):
    report_to(cases, said(to=AT + 10**12), until=AT + 10**6)
    assert [len(add(cases, case(f"{at}", at=AT + at))) for at in (10**6, 10**6 + 1)] == [1, 0]


def test_both_labels_are_taught_in_the_order_said(cases):
    report_to(cases, said(call_id="a@1", at=AT + 2, label="legitimate"))
    report_to(cases, said(at=AT + 1))
    lessons = add(cases, case())
    assert [(lesson.fraud, lesson.corrects) for lesson in lessons] == [(True, False), (False, True)]


def steps_of(cases, do):
    """How many instructions of SQLite's machine `do` takes."""
    taken = 0

    def count():
        nonlocal taken
        taken += 1

    cases._db.set_progress_handler(count, 1)
    do()
    cases._db.set_progress_handler(None, 0)
    return taken


SPOKEN = {
    "of these calls": lambda n: said(from_=AT - 10**6 - n, to=AT + 10**6 + n),
    "of these calls, in turns": lambda n: said(to=AT + 10**6 + n, label=("fraud", "legitimate")[n % 2]),
    "of later calls": lambda n: said(from_=AT + 10**6 + 10 * n, to=AT + 10**6 + 10 * n + 5),
    "of earlier calls": lambda n: said(from_=AT - 10**6 + 10 * n, to=AT - 10**6 + 10 * n + 5),
    "of calls to others": lambda n: said(callee=f"+7727{n:07d}", from_=AT - 10**6),
    "of these calls to others": lambda n: said(call_id=f"{n}"),
    "of own lines": lambda n: said(scope="line", source="police", from_=AT - n, to=AT + 10**6 + n),
}


@pytest.mark.parametrize("origin", ["interconnect", "own_line"])
@pytest.mark.parametrize("spoken", SPOKEN)
def test_a_case_costs_no_more_when_thousands_of_reports_name_its_number(cases, spoken, origin):
    for n in range(20):
        report_to(cases, SPOKEN[spoken](n))
    add(cases, case("first", origin=origin))
    few = steps_of(cases, lambda: add(cases, case("few", origin=origin)))
    for n in range(20, 3_000):
        report_to(cases, SPOKEN[spoken](n))
    add(cases, case("again", origin=origin))
    many = steps_of(cases, lambda: add(cases, case("many", origin=origin)))
    assert many <= 1.2 * few


@pytest.mark.parametrize("report", [said(), said(callee="+77272345678"), said(from_=AT, to=AT + 10**8)])
def test_a_report_costs_no_more_when_its_number_made_thousands_of_calls(cases, report):
    for n in range(3_000):
        add(cases, case(f"{n}", at=AT + n))
        if n == 20:
            report_to(cases, report)
            few = steps_of(cases, lambda: report_to(cases, report))
    assert report_to(cases, report) == [], "they were taught when they came"
    assert steps_of(cases, lambda: report_to(cases, report)) <= 1.2 * few


def test_a_call_id_that_every_call_bears_does_not_cost_a_look_at_all_of_them(cases):
    for n in range(NAMED_AT_MOST):
        add(cases, case("same", at=AT + n * 10**6))
    few = steps_of(cases, lambda: report_to(cases, said(call_id="same", caller="+77015555555")))
    for n in range(NAMED_AT_MOST, 1_000):
        add(cases, case("same", at=AT + n * 10**6))
    assert steps_of(cases, lambda: report_to(cases, said(call_id="same", caller="+77015555555"))) <= 1.2 * few
    (lesson,) = report_to(cases, said(call_id="same", from_=AT + 999 * 10**6))
    assert lesson.decided_at == AT + 999 * 10**6 + 8


def test_a_case_costs_no_more_when_a_thousand_calls_of_the_minute_bear_its_id(cases):
    for n in range(NAMED_AT_MOST):
        add(cases, case("same", caller=f"+7701{n:07d}", at=AT + n))
    few = steps_of(cases, lambda: add(cases, case("same", at=AT)))
    for n in range(NAMED_AT_MOST, 1_000):
        add(cases, case("same", caller=f"+7701{n:07d}", at=AT + n))
    assert steps_of(cases, lambda: add(cases, case("same", caller="+77015555555", at=AT))) <= 1.2 * few


def test_all_calls_of_a_number_are_taught_by_one_report_a_handful_at_a_time(cases):
    for n in range(2 * AT_ONCE + 1):
        add(cases, case(f"{n}", at=AT + n))
    lessons = cases.add_report(*said(), until=AT + 10**9)
    next(lessons)
    assert len(cases.ripe(AT + 10**6, 10**6)) == AT_ONCE + 1, "the rest has not been looked at yet"
    assert sum(1 for _ in lessons) == 2 * AT_ONCE


def test_another_layout_is_refused(tmp_path):
    import sqlite3

    file = tmp_path / "cases.sqlite3"
    with sqlite3.connect(file) as db:
        db.execute(f"PRAGMA user_version = {LAYOUT + 1}")
    db.close()
    with pytest.raises(StateError, match="layout"):
        Cases(file, PLAN)


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path):
    file = tmp_path / "cases.sqlite3"
    file.write_bytes(b"not a database " * 100)
    with pytest.raises(StateError, match=f"{file} cannot be used: .*; see who may write"):
        Cases(file, PLAN)
    assert file.read_bytes() == b"not a database " * 100
    (tmp_path / "folder").mkdir()
    with pytest.raises(StateError, match="cannot be used"):
        Cases(tmp_path / "folder", PLAN)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("marks/0/0", b""), ("marks/0/0", zlib.compress(b"\x01" * 9)), ("marks/0", zlib.compress(bytes(BLOCK))), ("marks/x/0", b"{}"),
        ("waiting/[]", b"[1]"), ("waiting/{", b"[1]"), ("waiting/[1,1,1,1,1,1]", b"[1]"), ('settled/["s",0,0,1]', b"[1]"),
        ('settled/["s",0,0,1]', b"{"), ('settled/["s",0,0,1]', b"[1,null]"),
    ],
)  # fmt: skip
def test_what_no_trainer_wrote_is_refused_by_its_key(cases, key, value):
    with pytest.raises(StateError, match=re.escape(key)):
        cases.changes.restore({key: value})


def test_a_topic_made_anew_puts_other_cases_in_the_places_of_the_old(cases):
    cases.add_evidence(case("old"), 0, 7)
    cases.add_evidence(case("new", at=AT + 1), 0, 7)
    (lesson,) = cases.ripe(AT + 10**6, 10)
    assert lesson.decided_at == AT + 9


def test_a_full_disk_ends_it_with_the_file_named_and_nothing_half_done_stays(tmp_path):
    file = tmp_path / "trainer.sqlite3"
    cases = Cases(file, PLAN)
    add(cases, case("a@1"))
    cases.keep("state", "before")
    cases.commit()
    pages = cases._db.execute("PRAGMA page_count").fetchone()[0]
    cases._db.execute(f"PRAGMA max_page_count = {pages + 2}")

    def fill():
        for turn in range(1_000):
            add(cases, case(f"b@{turn}", features={f"attempts_{turn}": turn / 7}))

    with pytest.raises(StateError, match=rf"{re.escape(str(file))} cannot be used: database or disk is full"):
        fill()
    cases._db.set_trace_callback(pytest.fail)
    with pytest.raises(StateError, match="disk is full"):
        cases.keep("state", "after")
    with pytest.raises(StateError, match="disk is full"):
        cases.commit()
    cases._db.set_trace_callback(None)
    cases.close()
    again = Cases(file, PLAN)
    assert (again.kept("state"), again.held) == ("before", 1)
    again.close()


def test_a_damaged_page_met_while_reading_is_told_with_the_file(tmp_path):
    file = tmp_path / "trainer.sqlite3"
    cases = Cases(file, PLAN)
    for turn in range(300):
        add(cases, case(f"a@{turn}", features={f"attempts_{turn}": turn / 7}))
    cases.commit()
    cases._db.execute("COMMIT")
    cases._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cases.close()
    content = bytearray(file.read_bytes())
    content[20 * 4_096 :] = b"\xff" * (len(content) - 20 * 4_096)
    file.write_bytes(content)
    cases = Cases(file, PLAN)
    with pytest.raises(StateError, match=rf"{re.escape(str(file))} cannot be used: database disk image is malformed"):
        cases.ripe(AT + 10**9, 1_000)
    cases.close()
