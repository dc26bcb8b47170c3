"""What of a poll is due: nothing twice, nothing of partitions that are gone, nothing left out."""

from confluent_kafka import KafkaError, Message
from hypothesis import given
from hypothesis import strategies as st

from streamer.stream.batches import Batch, by_place
from streamer.stream.gaps import Gaps


def record(partition, offset):
    return Message(topic="calls", partition=partition, offset=offset)


def offsets(found):
    return {partition: [one.offset() for one in of] for partition, of in found.get("calls", {}).items()}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20), st.integers(1, 8)), max_size=12))
def test_whatever_is_given_again_is_taken_once_and_in_order(runs):
    """Librdkafka gives runs that may go back, but leaves nothing out: partition, steps back, records."""
    positions, given_to, taken = {("calls", 0): 0, ("calls", 1): 5}, {0: 0, 1: 5, 2: 0}, {0: [], 1: []}
    for partition, back, n in runs:
        first = max(given_to[partition] - back, 0)
        found = by_place([record(partition, first + i) for i in range(n)], positions, lambda _: 1_000, print)
        for number, of in offsets(found).items():
            taken[number] += of
        given_to[partition] = max(given_to[partition], first + n)
    assert taken == {0: [*range(given_to[0])], 1: [*range(5, given_to[1])]}
    assert positions == {("calls", 0): given_to[0], ("calls", 1): given_to[1]}


def test_a_log_that_was_cut_off_is_read_anew():
    positions = {("calls", 0): 100}
    found = by_place([record(0, 7), record(0, 8)], positions, lambda _: 9, print)
    assert offsets(found) == {0: [7, 8]}
    assert positions == {("calls", 0): 9}


def test_an_error_between_records_is_told_and_no_record():
    positions, told = {("calls", 0): 1}, []
    error = KafkaError(KafkaError._ALL_BROKERS_DOWN)
    came = Message(topic="calls", partition=0, offset=4, error=error)
    found = by_place([record(0, 1), record(0, 2), came, record(0, 4)], positions, lambda _: 4, told.append)
    assert offsets(found) == {0: [1, 2, 4]}
    assert told == [error]
    assert positions == {("calls", 0): 5}


def test_a_batch_in_parts_is_finished_by_the_last_of_them():
    batch = Batch("records", "calls", {0: [record(0, 1)]}, 0, 0.0)
    part = batch.in_parts(2)
    part()
    assert not batch.finished
    part()
    assert batch.finished


def test_a_gap_ends_with_the_next_record():
    gaps, place = Gaps(), ("calls", 0)
    gaps.ended(place, 3, 3)
    gaps.ended(place, 5, 3)
    assert gaps.behind(place, 3) == 3
    gaps.ended(place, 3, 4)
    assert [gaps.behind(place, offset) for offset in (2, 3, 4, 5)] == [2, 4, 4, 5]
