"""Order of time with bounded memory: nothing lost, nothing twice, a call's own order kept, lateness told."""

import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.lab.ordering import ROOM, ROW_BYTES, Held, InOrder, Message


def in_time_order(rows, **more):
    order = InOrder(**more)
    for row in rows:
        yield from order.put(row)
    yield from order.rest()


GAPS = st.lists(st.tuples(st.integers(0, 1_000), st.lists(st.integers(0, 300), max_size=2)), max_size=60)
ROOMS = st.sampled_from([0, 30_000, ROOM])


def rows_of(calls):
    """A set-up at some time, then its answer and end after gaps; the key says which message it is."""
    rows = []
    for number, (at, gaps) in enumerate(calls):
        row = [Message(at, f"{number}.0", bytes(at * 9), ("op", str(number)))]
        for place, gap in enumerate(gaps, 1):
            row.append(Message(row[-1].at + gap, f"{number}.{place}", bytes(gap * 99 * place), None))
        rows.append(row)
    return rows


@given(GAPS, st.integers(0, 5), st.integers(0, 5), ROOMS)
def test_nothing_is_lost_or_doubled_and_a_call_keeps_its_order(calls, hold, pending, room):
    rows = rows_of(calls)
    found = [message.key for message in in_time_order(rows, hold=hold, pending_max=pending, room=room)]
    assert sorted(found) == sorted(message.key for row in rows for message in row)
    for row in rows:
        assert [key for key in found if key.split(".")[0] == row[0].key.split(".")[0]] == [m.key for m in row]


@given(GAPS)
def test_rows_in_any_order_come_out_sorted_when_all_are_held(calls):
    late = []
    found = list(in_time_order(rows_of(calls), hold=1_000, out_of_order=late.append))
    assert [message.at for message in found] == sorted(message.at for message in found)
    assert late == []


@given(GAPS, st.integers(0, 3))
def test_whatever_comes_after_a_later_one_is_told(calls, hold):
    late = []
    found = list(in_time_order(rows_of(calls), hold=hold, out_of_order=late.append))
    reached, wanted = -1, []
    for message in found:
        if message.at < reached:
            wanted.append(message)
        reached = max(reached, message.at)
    assert late == wanted


@given(GAPS, st.integers(0, 5), st.integers(0, 60), ROOMS)
def test_it_goes_on_from_what_another_one_held_back(calls, hold, cut, room):
    rows, first = rows_of(calls), InOrder(hold=hold, room=room)
    found = [message for row in rows[:cut] for message in first.put(row)]
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(first.held), type=Held)
    second = InOrder(hold=hold, held=kept, room=room)
    found += [message for row in rows[cut:] for message in second.put(row)]
    assert [*found, *second.rest()] == list(in_time_order(rows, hold=hold, room=room))


@given(st.lists(st.integers(0, 100), max_size=40))
def test_without_holding_single_messages_keep_the_order_of_the_file(times):
    rows = [[Message(at, str(n), b"", None)] for n, at in enumerate(times)]
    assert [message.key for message in in_time_order(rows, hold=0)] == [str(n) for n in range(len(times))]


def test_an_earlier_calls_end_comes_before_a_set_up_of_the_same_moment():
    rows = [[Message(1, "begins", b"", None), Message(5, "ends", b"", None)], [Message(5, "next", b"", None)]]
    assert [message.key for message in in_time_order(rows)] == ["begins", "ends", "next"]


def test_no_more_rows_are_read_ahead_than_are_held():
    read = []

    def rows():
        for n in range(100):
            read.append(n)
            yield [Message(n, str(n), b"", None)]

    for given_out, _ in enumerate(in_time_order(rows(), hold=10), 1):
        assert len(read) <= given_out + 10


def test_of_large_rows_fewer_are_held_back():
    order, large = InOrder(hold=10, room=0), bytes(ROW_BYTES * 4)
    assert order.put([Message(1, "a", large, None)]) == []
    assert order.put([Message(2, "b", large, None)]) == []
    assert [message.key for message in order.put([Message(0, "c", large, None)])] == ["c"]
    assert [message.key for message in order.rest()] == ["a", "b"]


@pytest.mark.parametrize(("hold", "sizes"), [(20_000, (60_000, 10)), (10, (10, 60_000))], ids=["rows", "later events"])
def test_rows_and_later_events_as_large_as_may_be_take_bounded_memory(hold, sizes):
    order, count, given_out = InOrder(hold=hold, pending_max=20_000), 4_000, 0
    tracemalloc.start()
    try:
        for n in range(count):
            row = [Message(at, "a", bytes(size), None) for at, size in zip((n, 10**9 + n), sizes, strict=True)]
            given_out += len(order.put(row))
        for _ in order.rest():
            given_out += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert given_out == 2 * count
    assert peak < count * sum(sizes) / 2
