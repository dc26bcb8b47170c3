"""Marks: the places found are those that are marked."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.windows import marks


@given(st.integers(0, 300), st.sets(st.integers(0, 299)))
def test_places_are_where_something_is_marked(rows, wanted):
    marked = marks.none(rows)
    assert rows <= len(marked) < rows + 8
    wanted = sorted(place for place in wanted if place < rows)
    marked[wanted] = True
    assert marks.places(marked).tolist() == wanted


def test_all_may_be_marked():
    marked = marks.none(64)
    marked[:] = True
    assert np.array_equal(marks.places(marked), np.arange(64))
