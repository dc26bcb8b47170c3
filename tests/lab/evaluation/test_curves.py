"""Rows of features judged again: what a threshold does is known of rows that were made by hand, and of what was judged before."""

import pytest

from streamer.calls.decisions import DetectorPolicy, Policy
from streamer.lab.evaluation.curves import FACTORS, Curves
from tests.lab.evaluation.made import fraud, honest, verdict

PRESENT = FACTORS.index(1.0)


def probing(run):
    """Features of a line that calls one number after the other, without an answer."""
    return {"run_length": float(run), "attempts_10m": 40.0, "distinct_10m": 40.0, "caller_valid": 1.0}


def curve(curves, detector, threshold):
    return next(one for one in curves.curves() if (one.detector, one.threshold) == (detector, threshold))


def filled(policy=None, lists=()):
    curves = Curves(
        policy or Policy(version="p", detectors={"range_probing": DetectorPolicy(thresholds={"run_length": 10})})
    )
    for run in (3, 9, 11, 30):
        curves.add(fraud("range_probing"), verdict(run, features=probing(run), lists=lists), counts=True)
    for run in (2, 5, 12):
        curves.add(honest(), verdict(run, features=probing(run), lists=lists), counts=False)
    return curves


def test_recall_and_wrong_blocks_by_threshold():
    found = curve(filled(), "range_probing", "run_length")
    assert found.present == 10
    assert [point.value for point in found.points] == pytest.approx([10 * factor for factor in FACTORS])
    recalls = {round(point.value, 3): point.recall for point in found.points}
    wrongs = {round(point.value, 3): point.wrong for point in found.points}
    assert (recalls[2.5], recalls[4], recalls[8], recalls[10], recalls[12.5], recalls[25], recalls[40]) == (
        1,
        0.75,
        0.75,
        0.5,
        0.25,
        0.25,
        0,
    )
    assert (wrongs[2.5], wrongs[4], wrongs[6], wrongs[10], wrongs[12.5]) == (2, 2, 1, 1, 0)
    assert found.moves


def test_other_thresholds_and_detectors_see_what_they_see():
    curves = filled()
    assert {point[1:] for point in curve(curves, "wangiri", "distinct").points} == {(None, 0)}
    assert not curve(curves, "wangiri", "distinct").moves
    assert curve(curves, "range_probing", "unallocated").points[0][1:] == (0.5, 1)


def test_calls_that_do_not_count_and_other_frauds_are_left_out():
    curves = filled()
    curves.add(fraud("range_probing"), verdict(1, features=probing(1)), counts=False)
    curves.add(fraud("irsf"), verdict(1, features=probing(50)), counts=True)
    assert curve(curves, "range_probing", "run_length").points[PRESENT][1:] == (0.5, 1)


def test_allow_lists_exempt():
    assert {point[1:] for point in curve(filled(lists=["caller.allow"]), "range_probing", "run_length").points} == {
        (0.0, 0)
    }


def test_a_cause_that_leads_to_no_block_is_neither_recall_nor_wrong():
    milder = Policy(
        version="p",
        detectors={
            "range_probing": DetectorPolicy(actions={"consecutive_numbers": "label"}, thresholds={"run_length": 10})
        },
    )
    assert {point[1:] for point in curve(filled(milder), "range_probing", "run_length").points} == {(0.0, 0)}


def test_more_rows_than_are_held_at_once_are_all_counted():
    curves = Curves(Policy(version="p"))
    for number in range(5_000):
        curves.add(honest(), verdict(number, features=probing(9 if number % 2 else 1)), counts=False)
    assert curve(curves, "range_probing", "run_length").points[PRESENT].wrong == 2_500
    assert curves.honest == 5_000
