"""The growing table: found again whatever was removed and split, nothing lost by growing, never an endless search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.windows import calls, table

ALIVE = np.array([1, 1])


def put(held, wanted, partition=0, at=1, watermarks=ALIVE):
    cell = table.find(held, wanted)
    if cell < 0:
        cell = calls.place(held, wanted, watermarks)
    held.rows[cell, :3] = wanted, table.held(partition, 0), at


def entries(held):
    return int((held.rows[:, table.HELD] != 0).sum())


def hashes(seed, n):
    return np.unique(np.random.default_rng(seed).integers(-(2**63), 2**63, n))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1_023)), max_size=300))
def test_place_and_remove_find_what_a_set_finds(moves):
    held = calls.calls(8 * table.SEGMENT, 1)
    model = set()
    for keep, number in moves:
        # Few homes about a segment's end, so that chains are long and go round, and the directory's bits split them.
        home = (table.SEGMENT - 4 + number % 8) % table.SEGMENT
        wanted = number // 64 << 32 | number // 8 % 8 << 11 | home
        if keep:
            put(held, wanted)
            model.add(wanted)
        elif model:
            gone = model.pop()
            table.remove(held, table.find(held, gone))
        assert all(table.find(held, known) >= 0 for known in model)
        assert entries(held) == len(model)


@pytest.mark.parametrize("kind", [calls.calls, calls.pairs])
def test_a_table_grows_by_one_segment_at_a_time_and_loses_nothing(kind):
    held, wanted = kind(100_000, 1), hashes(1, 100_000)
    used = [int(held.meta[table.USED])]
    for one in wanted.tolist():
        put(held, one)
        used.append(int(held.meta[table.USED]))
    assert all(table.find(held, one) >= 0 for one in wanted.tolist())
    assert (entries(held), calls.evicted(held)) == (len(wanted), 0)
    assert used[0] == table.SEGMENT
    assert set(np.diff(used).tolist()) == {0, table.SEGMENT}
    assert not held.rows[used[-1] :].any()
    assert used[30_000] < 4 * 30_000  # what it takes is in proportion to what it holds


def test_what_is_removed_while_it_grows_stays_removed():
    held, draw, model = calls.calls(100_000, 1), np.random.default_rng(2), set()
    for one in hashes(3, 40_000).tolist():
        put(held, one)
        model.add(one)
        if draw.random() < 0.3:
            gone = model.pop()
            table.remove(held, table.find(held, gone))
    assert entries(held) == len(model)
    assert all(table.find(held, one) >= 0 for one in model)


def test_a_partition_is_copied_into_a_table_that_grew_otherwise():
    theirs, ours = calls.calls(50_000, 1), calls.calls(50_000, 9_000)
    for number, one in enumerate(hashes(4, 30_000).tolist()):
        put(theirs, one, number % 2, number)
    for one in hashes(5, 5_000).tolist():
        put(ours, one)
    moved = theirs.rows[table.all_of(theirs, 1)]
    calls.put(ours, moved, ALIVE)
    assert sorted(map(tuple, ours.rows[table.all_of(ours, 1)].tolist())) == sorted(map(tuple, moved.tolist()))
    table.drop(ours, 1)
    assert entries(ours) == 5_000


@pytest.mark.parametrize("kind", [calls.calls, calls.pairs])
def test_partitions_that_come_and_go_take_the_room_of_those_before_them(kind):
    held, n, used = kind(200_000, 1), 20_000, []
    for turn in range(40):
        come = np.zeros((n, held.rows.shape[1]), np.int64)
        come[:, table.HASH] = np.random.default_rng(turn).integers(-(2**63), 2**63, n)
        come[:, table.HELD] = table.held(1, calls.SETUP)
        calls.put(held, come, ALIVE)
        assert len(table.all_of(held, 1)) == n
        used.append(int(held.meta[table.USED]))
        table.drop(held, 1)
        assert entries(held) == 0
    assert used[-1] <= 1.25 * used[0] < 4 * n
