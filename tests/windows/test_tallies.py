"""Partial sums against counting by hand, and where their messages end."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls import signals
from streamer.errors import MessageError
from streamer.signals.merger import Merger
from streamer.windows import tallies
from streamer.windows.hashing import secret_words

ROWS = st.lists(
    st.tuples(
        st.integers(0, 4_000),
        st.sampled_from([0, 77272345678, 77272345679, 10**15, 2**62]),
        st.sampled_from([0, 77011234, 44740012]),
        st.integers(0, 3),
        st.integers(1, 511),
    ),
    min_size=1,
    max_size=200,
)


def noted(rows, begin=1_000_000, partition=1):
    held, at = tallies.tallies(3), begin
    for later, callee, block, trunk, bits in rows:
        at += later // 10
        tallies.note(held, partition, at, callee, block, trunk, bits)
    return held, at


@given(ROWS)
def test_sums_are_what_was_noted_and_each_row_is_in_one_message(rows):
    held, at = noted(rows)
    tallies.note(held, 1, at + 10_000, 0, 0, 0, 1)  # a second later all of them are complete
    found, numbers = Counter(), []
    for sums in tallies.take(held, 1):
        numbers.append(sums.number)
        places = list(zip(sums.callee.tolist(), sums.block.tolist(), sums.trunk.tolist(), strict=True))
        again = [counts[tallies.CALLER] == sum(counts) for counts in sums.counts.tolist()]  # rows of `AGAIN` stay apart
        assert len(set(zip(places, again, strict=True))) == len(places)
        for place, counts in zip(places, sums.counts.tolist(), strict=True):
            for which, count in enumerate(counts):
                found[*place, which] += count
    expected = Counter()
    for _, callee, block, trunk, bits in rows:
        for which in range(tallies.COUNTS):
            expected[callee if callee < 10**15 else 0, block, trunk, which] += bits >> which & 1
    assert +found == +expected
    assert numbers == sorted(set(numbers))
    assert tallies.held(held, 1).shape[0] == 1
    assert tallies.complete(held) == []


@pytest.mark.parametrize(
    ("number", "own_line", "block"),
    [(77011234567, True, 0), (77011234567, False, 77011234), (2**62, True, 0), (2**62, False, 1), (112, False, 1)],
)
def test_own_lines_are_told_from_numbers_that_lie_in_no_block(number, own_line, block):
    assert tallies.from_block(number, own_line) == block


def test_a_message_has_so_many_rows_at_most_whatever_comes_in_one_second():
    held = tallies.with_room(tallies.tallies(1), 3 * tallies.PART)
    for number in range(2 * tallies.PART + 5):
        tallies.note(held, 0, 5_000, 77010000000 + number, 0, 0, 1)
    first, second = tallies.take(held, 0)
    assert (len(first.callee), len(second.callee)) == (tallies.PART, tallies.PART)
    assert second.number == first.number + 1
    assert len(tallies.held(held, 0)) == 5


def test_a_broker_clock_that_goes_back_begins_no_message_anew():
    held = tallies.tallies(1)
    for at in (5_000, 4_000, 6_100, 5_900):
        tallies.note(held, 0, at, 77010000000, 0, 0, 1)
    (sums,) = tallies.take(held, 0)
    assert sums.counts[0, tallies.ATTEMPT] == 2
    assert len(tallies.held(held, 0)) == 2


def test_what_is_put_back_goes_on_where_it_was():
    rows = [(700, 77272345678, 0, 0, 1)] * 40
    held, at = noted(rows)
    tallies.take(held, 1)
    other = tallies.tallies(3)
    tallies.put(other, 1, tallies.held(held, 1), held.number[1], held.filled[1])
    for one in (held, other):
        tallies.note(one, 1, at + 5_000, 0, 0, 0, 1)
    (ours,), (theirs,) = tallies.take(held, 1), tallies.take(other, 1)
    assert ours.number == theirs.number
    assert ours.counts.tolist() == theirs.counts.tolist()
    tallies.drop(other, 1)
    assert not len(tallies.held(other, 1))


def message_of(partition, told):
    rows = signals.Rows(np.column_stack([told.callee, told.block]), np.zeros(len(told.callee), np.int64), told.counts)
    return signals.packed(partition, told.number, [], rows)


def test_sums_of_every_partition_that_there_may_be_are_merged_however_many_there_are():
    held, merger, begin = tallies.tallies(1_024, 2 * tallies.PART), Merger(secret_words(b"test")), 1_760_000_000_000
    numbers = set()
    for at in range(begin, begin + 3_000, 100):
        for partition in range(1_024):
            tallies.note(held, partition, at, 77272345678, 0, 0, 1)
        for partition in tallies.complete(held):
            for told in tallies.take(held, partition):
                assert abs(told.number - at) <= 2 * tallies.STEP_MS
                numbers.add(told.number)
                merger.take(0, message_of(partition, told), at)
    assert len(numbers) == 3
    waiting = sum(len(tallies.held(held, partition)) for partition in range(1_024))
    assert merger.total("callee", "+77272345678", "attempts") == 30 * 1_024 - waiting > 20 * 1_024


@pytest.mark.parametrize("partition", [27, 28, 100, 269])
@pytest.mark.parametrize("a_second", [4, 400])
def test_a_partition_whose_number_lies_ahead_loses_and_doubles_nothing(partition, a_second):
    """As a worker hands it over whose partitions were 37 ms apart without an end; rows that it had not told go over too."""
    begin, merger = 1_760_000_000_000, Merger(secret_words(b"test"))
    held = tallies.tallies(partition + 1, 40 * tallies.PART)
    for row in range(3):
        tallies.note(held, partition, begin, 77272345678, 0, 0, 1)
    rows, number = tallies.held(held, partition), (begin + 37 * partition) // 1_000 * 1_000
    rows[:, tallies.NUMBER] = number
    tallies.put(held, partition, rows, number, 3)
    noted, numbers = 3, [number - 1]
    for at in range(begin, begin + 15_000, 1_000 // a_second):
        tallies.note(held, partition, at, 77272345678, 0, 0, 1)
        noted += 1
        for told in tallies.take(held, partition):
            assert told.number > numbers[-1]
            numbers.append(told.number)
            assert merger.take(0, message_of(partition, told), at)
    assert merger.total("callee", "+77272345678", "attempts") == noted - len(tallies.held(held, partition))
    assert numbers[-1] <= begin + 15_000 + tallies.STEP_MS


def rows_of(n=3):
    counts = np.arange(9 * n).reshape(n, 9)
    return signals.Rows(np.array([[77272345678, 0]] * n), np.arange(n) % 2, counts)


def test_a_message_says_what_its_rows_are():
    rows = rows_of()
    message = signals.packed(3, 1_000, [("op-a", "t1")], rows)
    for ours, theirs in zip(signals.unpacked(message), rows, strict=True):
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"places": "?"}, "wrong_type"),
        ({"places": "AAAA"}, "wrong_type"),
        ({"counts": ""}, "out_of_range"),
        ({"trunks": []}, "out_of_range"),
    ],
)
def test_what_is_no_such_message_is_refused(changes, reason):
    sound = signals.packed(3, 1_000, [("op-a", "t1")], rows_of())
    broken = signals.PartialSums(**{name: getattr(sound, name) for name in sound.__struct_fields__} | changes)
    with pytest.raises(MessageError) as refused:
        signals.unpacked(broken)
    assert refused.value.reason == reason
