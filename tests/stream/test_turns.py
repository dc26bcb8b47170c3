"""Partitions that change at one pace are copied at even distances, each hardly later than its time."""

import itertools

import pytest

from streamer.stream.turns import whose


def copies(paces, turns, step=0.002):
    """Who is copied at which turn, where each partition's wait grows by its pace a turn."""
    waited, found = [0.0] * len(paces), []
    for turn in range(turns):
        waited = [done + pace * step for done, pace in zip(waited, paces, strict=True)]
        longest = max(waited)
        assert longest <= 1 + max(paces) * step * len(paces)
        chosen = whose([(wait, False) for wait in waited])
        if chosen is not None:
            assert waited[chosen] == longest
            found.append((turn, chosen))
            waited[chosen] = 0.0
    return found


@pytest.mark.parametrize("n", [1, 2, 4, 24])
def test_copies_of_one_pace_become_evenly_spaced(n):
    found = copies([1.0] * n, 10_000)
    turns = [turn for turn, _ in found if turn > 5_000]
    gaps = [after - before for before, after in itertools.pairwise(turns)]
    even = 500 / n
    assert abs(sum(gaps) / len(gaps) - even) <= 1
    assert max(gaps) < 3 * even
    assert sum(abs(gap - even) <= 0.05 * even + 1 for gap in gaps) >= 0.8 * len(gaps)
    assert {chosen for _, chosen in found} == set(range(n))


def test_each_has_its_own_pace():
    found = copies([4.0, 1.0, 0.0], 10_000)
    times = [sum(1 for _, chosen in found if chosen == n) for n in range(3)]
    assert times[0] / times[1] == pytest.approx(4, rel=0.2)
    assert times[2] == 0


def test_who_is_slow_to_be_written_does_not_make_the_others_come_more_often():
    waiting = [(0.7, False), (0.8, False), (0.9, False)]
    assert whose(waiting) == 2
    assert whose([*waiting, (0.1, True), (0.2, True)]) is None
    assert whose([*waiting, (0.1, True), (5.0, True)]) == 2
    assert whose([(0.5, True), (2.0, True)]) is None
