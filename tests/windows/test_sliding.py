"""Windows against a brute-force oracle with the same step rule, and within the stated error of exact windows."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.windows import sliding

MOVES = st.lists(
    st.tuples(st.integers(0, 40_000_000), st.integers(0, 90_000_000), st.integers(0, 3)), min_size=1, max_size=60
)


def rows():
    return (
        np.zeros((sliding.BUCKETS, sliding.COUNTERS), np.uint16),
        np.zeros(sliding.BUCKETS, np.uint32),
        np.zeros((sliding.STEPS, 2), np.uint16),
    )


@settings(max_examples=200)
@given(MOVES)
def test_counts_equal_those_of_a_brute_force_oracle(moves):
    """Each move lets the clock go on and adds an event that lies somewhere behind it."""
    counts, talk, ten = rows()
    now, seen = 1_763_953_000_000, []
    for ahead, behind, counter in moves:
        later = now + ahead
        sliding.advance(counts, talk, ten, now, later)
        now = later
        sliding.add(counts, counter, now - behind, now)
        seen.append((now - behind, counter))
        for ring in range(sliding.RINGS):
            width = int(sliding.STEP_MS[ring])
            first = now // width - sliding.STEPS + 1
            for which in range(sliding.COUNTERS):
                expected = sum(1 for at, kind in seen if kind == which and at // width >= first)
                assert sliding.total(counts, ring, which) == expected


@settings(max_examples=100)
@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=80))
def test_a_window_lies_between_the_exact_windows_of_its_length_and_a_sixth_more(gaps):
    """The stated error: a window spans W to W + W/6."""
    counts, talk, ten = rows()
    now, seen = 1_763_953_000_000, []
    for gap in gaps:
        sliding.advance(counts, talk, ten, now, now + gap)
        now += gap
        sliding.add(counts, 0, now, now)
        seen.append(now)
        for ring in range(sliding.RINGS):
            length = 6 * int(sliding.STEP_MS[ring])
            least = sum(1 for at in seen if at > now - length)
            most = sum(1 for at in seen if at > now - length - length // 6)
            assert least <= sliding.total(counts, ring, 0) <= most


def test_counters_stop_and_never_wrap():
    counts, talk, _ = rows()
    now = 1_763_953_000_000
    counts[:] = 65_535
    talk[:] = 4_294_967_290
    sliding.add(counts, 0, now, now)
    sliding.add_talk(talk, 5_000, now, now)
    assert counts.max() == 65_535
    assert talk.max() == 4_294_967_295


def test_talk_is_kept_in_tenths_of_a_second_and_leaves_with_its_step():
    counts, talk, ten = rows()
    now = 1_763_953_000_000
    sliding.add_talk(talk, 12_340, now, now)
    assert talk[: sliding.STEPS].sum() == 123
    sliding.advance(counts, talk, ten, now, now + 80_000)
    assert talk[: sliding.STEPS].sum() == 0
    assert talk[sliding.STEPS : 2 * sliding.STEPS].sum() == 123
