"""What of calls and pairs is kept, what is given back, and what goes first when a table may not grow any more."""

import numpy as np
import pytest

from streamer.windows import calls, table
from tests.windows.test_table import entries, hashes, put

KINDS = [calls.calls, calls.pairs]
TOUCHED = np.array([1])


def full(kind):
    """A table that may not grow any more, entries of two partitions in it, touched one after another."""
    held = kind(table.SEGMENT)
    for number, one in enumerate(hashes(1, 20_000).tolist()):
        put(held, one, number % 2, number, np.array([number, number]))
    assert entries(held) == len(held.rows) == 2 * table.SEGMENT
    return held


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_table_counts_what_it_gives_up_and_can_be_swept_and_dropped(kind):
    held = full(kind)
    assert calls.evicted(held) == 20_000 - len(held.rows)
    watermarks = np.array([calls.KEEP_MS + 20_000, 0])
    for _ in range(40):
        calls.sweep(held, watermarks, 500)
    assert len(table.all_of(held, 0)) == 0
    assert len(table.all_of(held, 1)) > 0
    table.drop(held, 1)
    assert entries(held) == 0


def test_the_longest_silent_go_first():
    held = full(calls.calls)
    assert np.median(held.rows[:, table.TOUCHED_MS]) > 15_000


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_over_goes_before_what_counts_however_long_that_was_silent(kind):
    held = full(kind)
    kept, before = held.rows[table.all_of(held, 1), table.HASH].tolist(), calls.evicted(held)
    watermarks = np.array([calls.KEEP_MS + 20_000, 20_000])
    for one in hashes(2, 300).tolist():
        put(held, one, 0, int(watermarks[0]), watermarks)
    assert calls.evicted(held) == before
    assert all(table.find(held, one) >= 0 for one in kept)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_counts_is_given_up_however_much_that_is_over_lies_about(kind):
    """Nobody sweeps, so that segments are crowded by what is over when they have to grow: by then none had an empty row."""
    held, draw, recent = kind(1_000_000), np.random.default_rng(3), []
    keep_s = (calls.KEEP_MS if kind is calls.calls else calls.PAIR_KEEP_MS) // 1_000
    for second in range(3 * keep_s):
        fresh = np.zeros((min(300 + second, 1_000), held.rows.shape[1]), np.int64)
        fresh[:, table.HASH] = draw.integers(-(2**63), 2**63, len(fresh))
        fresh[:, table.HELD] = table.held(second % 2, calls.SETUP)
        fresh[:, table.TOUCHED_MS] = 1_000 * second
        calls.put(held, fresh, np.array([1_000 * second, 1_000 * second]))
        recent = [*recent[1 - keep_s :], fresh]
    counts = np.concatenate(recent)[:, table.HASH]
    assert calls.evicted(held) == 0
    assert sum(table.find(held, one) < 0 for one in counts.tolist()) == 0
    assert held.meta[table.USED] < 4 * len(counts)


def test_a_call_under_way_is_kept_until_its_end_at_most_six_hours():
    held = calls.calls(1_000)
    for wanted, flags in ((1, calls.SETUP), (2, calls.SETUP | calls.ANSWERED), (3, calls.ANSWERED | calls.ENDED)):
        put(held, wanted)
        held.rows[table.find(held, wanted), table.HELD] = table.held(0, flags)

    def kept(after):
        calls.sweep(held, TOUCHED + after, len(held.rows))
        return [wanted for wanted in (1, 2, 3) if table.find(held, wanted) >= 0]

    assert kept(calls.KEEP_MS) == [1, 2, 3]
    assert kept(calls.KEEP_MS + 1) == [2]
    assert kept(calls.OPEN_MS) == [2]
    assert kept(calls.OPEN_MS + 1) == []
