"""The tables of recent calls and pairs, up to a full table: found again, removed, dropped, and never an endless search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.windows import calls


def put(table, pairs, wanted, partition, at):
    for held in (table, pairs):
        cell = calls.find(held, wanted)
        if cell < 0:
            cell = calls.place(held, wanted)
        held.rows[cell, :3] = wanted, calls.held(partition, 0), at


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2**63 - 1)), max_size=120))
def test_place_and_remove_find_what_a_set_finds(moves):
    table, pairs = calls.calls(256), calls.pairs(256)
    model = set()
    for keep, wanted in moves:
        home = wanted % 8 + (wanted // 8 % 30) * 256  # few homes, so that chains are long
        if keep:
            put(table, pairs, home, 0, 1)
            model.add(home)
        elif model:
            gone = model.pop()
            for held in (table, pairs):
                calls.remove(held, calls.find(held, gone))
        for held in (table, pairs):
            assert all(calls.find(held, known) >= 0 for known in model)
            assert (held.rows[:, calls.HELD] != 0).sum() == len(model)


@pytest.mark.parametrize("spread", [1, 7_919])
def test_a_full_table_can_be_swept_and_dropped(spread):
    table, pairs = calls.calls(1 << 12), calls.pairs(1 << 12)
    draw = np.random.default_rng(spread)
    for number in range(20_000):
        put(table, pairs, int(draw.integers(0, 2**63)) * spread % 2**63, number % 2, number)
    assert (table.rows[:, calls.HELD] != 0).all()
    watermarks = np.array([200_000, 0])
    for _ in range(40):
        calls.sweep(table, pairs, watermarks, 500)
    assert len(calls.copy_out(table, 0)) == 0
    assert len(calls.copy_out(table, 1)) > 0
    for held in (table, pairs):
        calls.drop(held, 1)
        assert not held.rows[:, calls.HELD].any()
