"""The journal against brute force: what it gives, and that it holds no more than somebody may still ask for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.journal import Journal

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("note"), st.lists(st.integers(0, 3), min_size=1, max_size=5)),
        st.tuples(st.sampled_from(["watch", "leave", "take"]), st.integers(0, 3)),
    ),
    max_size=60,
)


@given(STEPS, st.sampled_from([6, 1_000]))
def test_each_partition_gets_what_touched_it_since_it_was_asked_for_or_is_told_that_it_was_too_much(steps, most):
    journal, wanted, number = Journal(most), {}, 0
    for step, what in steps:
        if step == "note":
            numbers = np.arange(number, number + len(what))
            number += len(what)
            journal.note(np.array(what), numbers, numbers + 1_000)
            for at, partition in zip(numbers.tolist(), what, strict=True):
                if partition in wanted:
                    wanted[partition].append(at)
        elif step == "watch":
            journal.watch(what)
            wanted[what] = []
        elif step == "leave":
            journal.leave(what)
            wanted.pop(what, None)
        elif what not in wanted:
            with pytest.raises(KeyError):
                journal.take(what)
        else:
            touched = journal.take(what)
            if touched is None:
                assert number > most
            else:
                assert touched.call.tolist() == wanted[what]
                assert touched.pair.tolist() == [at + 1_000 for at in wanted[what]]
            wanted[what] = []
        assert journal.held <= most
        assert journal.held <= number
        if not any(wanted.values()):
            assert not journal.held


def batches(journal, partition, times, records=10):
    for _ in range(times):
        columns = [np.full(records, partition) for _ in range(3)]
        journal.note(*columns)


def test_a_partition_without_records_keeps_nothing_of_others():
    journal = Journal()
    journal.watch(0)
    journal.watch(1)
    for _ in range(100):
        batches(journal, 0, 5)
        assert len(journal.take(0).call) == 50
        assert journal.held == 0


def test_whoever_asks_too_seldom_is_told_so_once_and_costs_others_nothing():
    journal = Journal(most=100)
    journal.watch(0)
    journal.watch(1)
    batches(journal, 0, 1)
    for _ in range(20):
        batches(journal, 1, 2)
        assert len(journal.take(1).call) == 20
    assert journal.take(0) is None
    batches(journal, 0, 3)
    assert len(journal.take(0).call) == 30
