"""What a trainer of layout 3 wrote, in its file and on its topic, is taken up: nothing is learned twice, and what it waited for is known."""

import base64
import json
import sqlite3
from pathlib import Path

import pytest

from streamer.calls import codec
from streamer.training.cases import Cases
from streamer.training.tables import LAYOUT
from tests.training.test_cases import AT, PLAN, add, case, report_to, said

SAMPLES = Path(__file__).parents[1] / "samples" / "trainer"
BOTH = {"callee": "+77272345678"}


def of_file(folder):
    file = folder / "cases.sqlite3"
    with sqlite3.connect(file) as db:
        db.executescript((SAMPLES / "layout-3.sql").read_text("utf-8"))
    db.close()
    return Cases(file, PLAN)


def of_topic(folder):
    left = json.loads((SAMPLES / "layout-3.json").read_text("utf-8"))
    cases = Cases(folder / "cases.sqlite3", PLAN)
    marks = cases.changes.restore({key: base64.b64decode(value) for key, value in left["published"].items()})
    for offset, one in enumerate(left["evidence"]):
        if (mark := marks.of(0, offset)) is not None:
            cases.put(codec.decode_evidence(json.dumps(one).encode()), 0, offset, mark)
    return cases


@pytest.fixture(params=[of_file, of_topic])
def cases(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    made.close()


def taught(cases, number, **given):
    return [lesson.fraud for lesson in report_to(cases, said(caller=f"+770111100{number:02d}", **given))]


def test_its_cases_are_held_and_labelled(cases):
    assert cases.held == 7
    assert [taught(cases, number, **BOTH) for number in (2, 3)] == [[True], [True]]
    assert taught(cases, 1, **BOTH, source="analyst") == [True]
    assert taught(cases, 4, call_id="silent") == [True]
    assert [taught(cases, 5, call_id="accused"), taught(cases, 6), taught(cases, 7, call_id="revised")] == [
        [],
        [],
        [True],
    ]
    assert cases.ripe(AT + 10**9, 10) == []


def test_a_report_of_what_had_ripened_with_it_can_be_taken_back(cases):
    said_of_silent = [
        taught(cases, 4, label=label, call_id="silent") for label in ("legitimate", "fraud", "legitimate")
    ]
    assert said_of_silent == [[], [True], [False]]
    assert [taught(cases, 5, label="legitimate", call_id="accused") for _ in range(2)] == [[False], []]


def test_what_it_waited_for_is_labelled(cases):
    assert [lesson.fraud for lesson in add(cases, case("to come", caller="+77011110010"))] == [True]
    for caller in ("+77011110008", "+77011110009"):
        assert add(cases, case("s", caller=caller, origin="own_line", weight=20.0)) == []
        assert len(add(cases, case("l", caller=caller, origin="own_line", action="label"))) == 1
        assert add(cases, case("i", caller=caller, at=AT + 1)) == [], "it has met a call of the line"


def test_a_call_of_the_sample_is_known_as_one_where_its_evidence_is_read_again(tmp_path):
    cases = of_topic(tmp_path)
    assert [taught(cases, 1, **BOTH), taught(cases, 1, **BOTH, source="analyst")] == [[], [True]]
    cases.close()


def test_the_file_is_of_the_present_layout_from_then_on(tmp_path):
    of_file(tmp_path).close()
    with sqlite3.connect(tmp_path / "cases.sqlite3") as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == LAYOUT
    db.close()
