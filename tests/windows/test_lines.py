"""Different lines of the hour: exact while they are few, near enough when they are many, and bounded."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.windows.lines import MOST, Lines
from streamer.windows.sliding import STEPS

START = 2_900_000


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 3) | st.integers(0, 20), st.integers(0, 6), st.integers(0, 9), st.integers(0, 7)))
)
def test_few_lines_are_counted_exactly(moves):
    """Each move lets steps go by, then adds a line in a step that lies somewhere behind in the hour."""
    held, seen, step = Lines(3, START), [], START
    for ahead, behind, line, bits in moves:
        step += ahead
        if ahead:
            held.advance(step)
        held.add(line, step - behind, bits)
        seen.append((step - behind, line, bits))
        for row in range(3):
            wanted = {line for at, line, bits in seen if bits >> row & 1 and at > step - STEPS}
            assert held.count(row) == len(wanted)


def test_what_is_forgotten_of_a_row_leaves_the_others():
    held = Lines(2, START)
    for line in range(10):
        held.add(line, START, 3)
    held.forget(0)
    assert (held.count(0), held.count(1)) == (0, 10)
    held.add(3, START, 1)
    assert (held.count(0), held.count(1)) == (1, 10)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1_000, 5_000, 50_000])
def test_many_lines_are_estimated_within_four_standard_errors(n, seed):
    spread = random.Random(seed)
    known = [spread.getrandbits(64) - 2**63 for _ in range(n)]
    held = Lines(2, START)
    for number, line in enumerate(known):
        for _ in range(1 + number % 3):
            held.add(line, START, 1 + 2 * (number % 4 == 0))
        assert len(held) <= MOST
    assert held.count(0) == pytest.approx(n, rel=0.2)
    assert held.count(1) == pytest.approx(n / 4, rel=0.4)


def test_a_sample_that_was_deep_counts_exactly_again_once_traffic_has_fallen():
    spread, held = random.Random(1), Lines(1, START)
    for _ in range(20_000):
        held.add(spread.getrandbits(63), START, 1)
    few = [spread.getrandbits(63) for _ in range(100)]
    for step in range(START + 1, START + 20):
        held.advance(step)
        for line in few:
            held.add(line, step, 1)
    assert held.count(0) == 100


def test_a_steady_flow_stays_well_estimated_from_hour_to_hour():
    spread, held = random.Random(2), Lines(1, START)
    for step in range(START, START + 21):
        if step > START:
            held.advance(step)
        for _ in range(3_000):
            held.add(spread.getrandbits(63), step, 1)
        if step >= START + STEPS:
            assert held.count(0) == pytest.approx(STEPS * 3_000, rel=0.2)


def test_thinning_halves_what_is_held_and_keeps_the_estimate():
    spread, held = random.Random(3), Lines(1, START)
    for _ in range(700):
        held.add(spread.getrandbits(63), START, 1)
    assert held.count(0) == 700
    held.thin(350)
    assert len(held) <= 350
    assert held.count(0) == pytest.approx(700, rel=0.25)
