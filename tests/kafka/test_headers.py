"""Headers of records, however many there are of them."""

import tracemalloc

import pytest
from confluent_kafka import Message

from streamer.kafka.headers import MOST, headers_of, headers_of_all

FEW = [("rekeyed", b"1"), ("source.offset", b"7")]


def of(headers):
    return Message(topic="calls.v1", headers=headers)


def test_headers_are_read_as_they_came():
    assert headers_of_all([of(FEW), of(None), of(FEW)]) == [FEW, None, FEW]
    assert (headers_of(of(FEW)), headers_of(of(None))) == (FEW, [])


@pytest.mark.parametrize("read", [headers_of_all, lambda records: [headers_of(record) for record in records]])
def test_of_hundreds_of_thousands_the_first_are_read_and_no_others_kept(read):
    tracemalloc.start()
    try:
        records = [of([*FEW, *((f"{number}", b"") for number in range(100_000))]) for _ in range(5)]
        before, _ = tracemalloc.get_traced_memory()
        found = read(records)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [(given[:2], len(given)) for given in found] == [(FEW, MOST)] * 5
    assert after < before / 100
