"""Real records through the engine: as many verdicts as calls, what is caught for what it is, honest calls left alone."""

import pytest

from tests.lab.real import FTC, complaints, own_calls, sichuan, vast

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FTC.exists(), reason=f"{FTC} is not there: real records stay outside the project"),
]


def test_callers_of_complaints_among_honest_calls(tmp_path):
    found = complaints(tmp_path, hours=18, rate=1.0)
    assert found.actions.total() > 6_000
    caught = {reason.split(".")[0] for reason, action in found.reasons if action == "block"}
    assert "number_invalid" in caught
    assert found.actions["block"] > 0.005 * found.actions.total()
    assert found.honest.total() > 30_000
    assert found.honest["block"] == 0


def test_four_lines_of_sichuan_and_the_honest_ones_are_not_blocked(tmp_path):
    lines = own_calls(sichuan(tmp_path))
    assert {line: counts.total() for line, counts in lines.items()} == {
        "fake_1": 265, "fake_2": 1_266, "white_1": 843, "white_2": 165,
    }  # fmt: skip
    assert not lines["white_1"]["block"]
    assert not lines["white_2"]["block"]


def test_nobody_on_the_island_of_vast_2008_is_blocked(tmp_path):
    found = vast(tmp_path)
    assert len(found.by_caller) == 400
    assert found.actions.total() == 9_830
    assert found.actions["block"] == 0
