"""Diallers whose first answers are chance, at their published share of short talks, and honest callers who are as fast."""

import math

import numpy as np
import pytest

from streamer import features
from streamer.detectors.base import MAX_THRESHOLDS
from streamer.detectors.robocall import DETECTOR
from tests.detectors.calling import MONDAY, anyone, paced, played, quiet, recall

DIALLER = "+77272000001"


def hung_up_on(draw):
    """Seven in ten leave within 5.5 s, the others within half a minute."""
    return 1 + (4.5 if draw.random() < 0.7 else 30) * draw.random()


def read_out(draw):
    """One in five hangs up at once, who listens does so for about 24 s."""
    return 1 + 4 * draw.random() if draw.random() < 0.2 else 1 + draw.lognormvariate(math.log(24), 0.2)


def calls(seed, talk_s, gap_s=2.0, count=150):
    return paced(
        DIALLER, MONDAY + 36_000_000, count, gap_s, anyone, answered=0.6, talk_s=talk_s, ring_s=7, seed=seed, ingress="national",
    )  # fmt: skip


def test_diallers_are_blocked_after_their_first_twenty_calls_whatever_chance_makes_of_these():
    caught = [recall(played(quiet(), calls(seed, hung_up_on)), "robocall.short_calls") for seed in range(1, 13)]
    assert sum(caught) / len(caught) >= 0.97
    assert min(caught) >= 0.9


@pytest.mark.parametrize("gap_s", [2.0, 6.0])
def test_who_reads_messages_out_as_fast_is_let_through(gap_s):
    for seed in range(1, 9):
        assert {one.action for one in played(quiet(), calls(seed, read_out, gap_s))} == {"allow"}


FAST = {
    "attempts_1m": 30, "answered_1m": 0, "attempts_10m": 40, "attempts_1h": 40, "answered_1h": 20, "short_1h": 11, "talk_1h": 200,
    "distinct_1h": 38, "age": 600, "own_line": 0, "withheld": 0, "caller_valid": 1,
}  # fmt: skip
"""Short are 11 of 20 answers; with four more, at 0.35, that is 0.517, and of 14 it would be 0.642."""


@pytest.mark.parametrize(("changed", "cause"), [
    ({}, "short_calls_fast"), ({"short_1h": 10}, None), ({"attempts_1m": 14}, None), ({"talk_1h": 240}, None), ({"short_1h": 14}, "short_calls"),
    ({"short_1h": 14, "attempts_1m": 5, "talk_1h": 590}, "short_calls"),
    ({"short_1h": 12, "attempts_1m": 5}, None), ({"short_1h": 14, "talk_1h": 600}, None), ({"answered_1h": 21}, None), ({"answered_1h": 21, "answered_1m": 10}, "short_calls_fast"),
    ({"answered_1h": 22, "answered_1m": 10, "age": 30}, "short_calls_fast"), ({"answered_1h": 7, "short_1h": 7}, None),
    ({"answered_1h": 8, "short_1h": 8, "answered_1m": 8}, None), ({"distinct_1h": 23}, None), ({"own_line": 1}, "short_calls_known_line"),
    ({"own_line": 1, "line_age": 719}, "short_calls_fast"), ({"withheld": 1, "caller_valid": math.nan}, None),
], ids=str)  # fmt: skip
def test_a_fast_caller_needs_every_ground(changed, cause):
    x = np.full(features.COUNT, math.nan)
    for name, value in (FAST | changed).items():
        x[features.INDEX[name]] = value
    p = np.zeros(MAX_THRESHOLDS)
    p[: len(DETECTOR.thresholds)] = [*DETECTOR.thresholds.values()]
    found = int(DETECTOR.judge(x, p)[0])
    assert (DETECTOR.causes[found - 1].name if found else None) == cause


@pytest.mark.parametrize(("a_minute", "expected"), [(30, [5, 7, 11, 21, 201]), (5, [6, 9, 13, 25, 241])])
def test_of_few_answers_more_have_to_be_short(a_minute, expected):
    def least(answered):
        p = np.array([*DETECTOR.thresholds.values()])
        x = np.full(features.COUNT, math.nan)
        for name, value in (FAST | {"attempts_1m": a_minute, "answered_1h": answered, "talk_1h": 0}).items():
            x[features.INDEX[name]] = value
        for short in range(answered + 1):
            x[features.INDEX["short_1h"]] = short
            if DETECTOR.judge(x, p)[0]:
                return short
        return None

    assert [least(answered) for answered in (8, 12, 20, 40, 400)] == expected
