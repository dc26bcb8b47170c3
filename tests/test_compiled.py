"""Entering a loop without a look at its arguments' types: as with one, whatever seldom changes."""

from typing import NamedTuple

import numpy as np
import pytest
from numba.core.errors import TypingError

from streamer.compiled import Straight, loop


class Pair(NamedTuple):
    left: np.ndarray
    right: np.ndarray


@loop
def _total(pair, weights):
    return pair.left[0] * weights[0] + pair.right[0] * weights[1]


WHOLE = Pair(np.array([2]), np.array([3]))
BROKEN = Pair(np.array([0.5]), np.array([3]))


def test_tuples_of_other_types_and_back_are_entered_by_their_own():
    enter, weights = Straight(_total), np.array([10, 1])
    for _ in range(2):
        assert [enter((pair,), weights) for pair in (WHOLE, WHOLE, BROKEN, BROKEN, WHOLE)] == [23, 23, 8, 8, 23]
    weights[0] = 100
    assert enter((WHOLE,), weights) == 203


def test_arrays_in_the_same_place_are_read_where_they_are_now():
    enter, weights = Straight(_total), np.array([1, 1])
    for left in range(50):
        pair = Pair(np.array([left]), np.array([1]))
        assert enter((pair,), weights) == enter((pair,), weights) == left + 1


def test_an_error_leaves_it_as_it_was():
    enter = Straight(_total)
    assert enter((WHOLE,), np.array([1, 1])) == 5
    with pytest.raises(TypingError):
        enter((None,), np.array([1, 1]))
    assert enter((WHOLE,), np.array([1, 1])) == 5


def test_where_types_are_checked_an_array_of_another_one_is_refused():
    assert Straight.checked, "all tests run so"
    enter = Straight(_total)
    assert [enter((WHOLE,), np.array([1, 1])) for _ in range(2)] == [5, 5]
    with pytest.raises(TypeError, match="entered with"):
        enter((WHOLE,), np.array([1.0, 1.0]))
