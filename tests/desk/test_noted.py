"""Notes of what was sent again, held as bits: the same as a set of places."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.desk.noted import Noted

OFFSETS = st.one_of(st.integers(0, 200), st.integers(65_530, 65_545), st.integers(0, 10**12))
PLACES = st.tuples(st.sampled_from(["calls.v1.dlq", "lists.v1.dlq"]), OFFSETS)


@given(st.lists(PLACES), st.lists(PLACES))
def test_it_holds_what_was_noted_and_nothing_else(noted, asked):
    held = Noted()
    for place in noted:
        held.add(place)
    near = [(topic, max(0, offset + step)) for topic, offset in noted for step in (-1, 0, 1)]
    for place in asked + near:
        assert (place in held) == (place in set(noted))
