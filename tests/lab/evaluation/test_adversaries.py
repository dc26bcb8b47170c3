"""Adversaries are told by how far they go, beginning with the fraud as it is published."""

import pytest

from streamer.lab.adversaries import checked
from streamer.lab.evaluation import pages, report_adversaries
from streamer.lab.evaluation.adversaries import NAMES, SHARE, rows
from streamer.lab.evaluation.figures import FraudFigure


def figure(fraud, name, recall):
    return FraudFigure(fraud, name, "missed", True, 100, 50, 40, 20, recall, 4, 3)


PUBLISHED = [figure("robocall", "robocall", 0.98), figure("wangiri", "wangiri", None)]
ADAPTING = [
    figure("robocall", "robocall+slower@16", 0.1),
    figure("robocall", "robocall+slower@2", 0.9),
    figure("robocall", "robocall+mixed@0.5", 0.4),
    figure("wangiri", "wangiri+slower@4", 0.5),
    figure("cli_spoofing", "spoofed_bank", 0.7),
    figure("irsf", "irsf", 0.0),
]


def test_steps_rise_from_the_published_fraud():
    found = {row.name: [(far, one.recall) for far, one in row.steps] for row in rows(ADAPTING, PUBLISHED)}
    assert found == {
        "robocall+slower": [("1", 0.98), ("2", 0.9), ("16", 0.1)],
        "robocall+mixed": [("0", 0.98), ("0.5", 0.4)],
        "wangiri+slower": [("4", 0.5)],
        "spoofed_bank": [("", 0.7)],
    }


def test_the_section_shows_every_step_and_draws_what_has_more_than_one():
    parts = list(report_adversaries.parts(rows(ADAPTING, PUBLISHED)))
    (table,) = (part for part in parts if isinstance(part, pages.Table))
    assert len(table.rows) == 7
    (picture,) = (part for part in parts if isinstance(part, pages.Picture))
    assert "robocall+slower" in picture.svg
    assert "wangiri+slower" not in picture.svg


def test_an_adversary_all_of_whose_calls_came_while_windows_filled():
    early = FraudFigure("wangiri", "wangiri+slower@8", "no call counts", True)
    (table,) = (part for part in report_adversaries.parts(rows([early], [])) if isinstance(part, pages.Table))
    assert list(table.rows) == [("`wangiri+slower`", "8", "too few calls", "0", "0", "0 of 0", "0 of 0", "")]


def test_without_adversaries_there_is_no_section():
    assert list(report_adversaries.parts(rows([], PUBLISHED))) == []


def test_all_that_are_measured_can_be_made_up_together():
    assert checked(dict.fromkeys(NAMES, SHARE)).keys() == set(NAMES)
    with pytest.raises(ValueError, match="nosuch"):
        checked({"nosuch": 0.1})
