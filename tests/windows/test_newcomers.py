"""Which lines are told about as new, and by what their range is found."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import counting, features
from streamer.windows import newcomers

LINE = {"attempts_1h": 4, "age": 3_599, "own_line": 1, "caller_mobile": 1, "caller_valid": 1}


def told(trunk=0, limits=None, **changed):
    x = np.full(features.COUNT, math.nan)
    for name, value in (LINE | changed).items():
        x[features.INDEX[name]] = value
    return bool(newcomers.is_newcomer(x, counting.of_scorers(limits or {}), trunk))


def test_a_new_mobile_line_and_a_new_number_over_a_registered_trunk_are_told_about():
    assert told()
    assert told(7, own_line=0, caller_mobile=0)


@pytest.mark.parametrize(
    "changed",
    [{"attempts_1h": 3}, {"age": 3_600}, {"caller_mobile": 0}, {"caller_valid": 0}, {"caller_valid": math.nan}, {"own_line": 0}],
    ids=str,
)  # fmt: skip
def test_others_are_not(changed):
    assert not told(**changed)


def test_the_policy_says_from_which_call_on_and_for_how_long_a_line_is_new():
    assert not told(limits={"new_line_calls": 5})
    assert told(limits={"new_line_calls": 3}, attempts_1h=3)
    assert not told(limits={"new_line_s": 600}, age=600)
    assert told(limits={"new_line_s": 600}, age=599)


@given(st.integers(0, 10**16), st.booleans(), st.integers(0, 8_191))
def test_ranges_are_told_apart_by_their_digits_and_how_calls_come_in(number, own_line, trunk):
    found = newcomers.range_of(number, own_line, trunk)
    if not 10_000 <= number < 10**15 or (trunk == 0 and not own_line):
        assert found == 0
    else:
        assert divmod(found, 1 << 40) == (0 if own_line else trunk, number // 10_000)
