"""Dead letters on a real broker, more of them than fit into memory at a time."""

import tracemalloc
from functools import partial

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.desk import resending
from streamer.desk.letters import Letter
from streamer.kafka import clients
from streamer.kafka.dead_letters import dead_letter_headers
from streamer.kafka.logs import LogRecord, read
from streamer.kafka.sending import Outgoing, send
from streamer.kafka.topics import Topics, dead_letter
from tests.stream.live import setup

ASKED = resending.Asked()


def letter(size):
    return Letter(LogRecord("t", 0, 0, 0, None, b"." * size, ()), "", "", "", 0, 0, None, 0, {})


@given(st.lists(st.integers(0, 40).map(letter)), st.integers(1, 5), st.integers(1, 100))
def test_parts_are_all_letters_in_order_none_too_large(found, most, most_bytes):
    parts = list(resending.parted(iter(found), most, most_bytes))
    assert [one for part in parts for one in part] == found
    for part in parts:
        assert 1 <= len(part) <= most
        assert sum(len(one.record.value) for one in part[:-1]) < most_bytes


def bury(settings, topic, values):
    """Dead letters of a topic as workers leave them, of records that this version takes."""
    producer = clients.producer(settings)
    for number, (key, value) in enumerate(values):
        headers = dead_letter_headers("unknown_value", "of a newer version", topic, 0, number)
        producer.produce(dead_letter(topic), key=key, value=value, headers=headers)
        producer.poll(0)
    assert producer.flush(60) == 0


@pytest.mark.broker
def test_as_many_letters_as_there_are_take_no_more_memory_than_a_part(kafka_settings):
    topic, count, padding = Topics(kafka_settings).calls, 40_000, "." * 2_000
    numbers = (f"+7701{number:07}" for number in range(count))
    bury(kafka_settings, topic, ((caller, orjson.dumps(setup("c", caller, padding=padding))) for caller in numbers))
    tracemalloc.start()
    try:
        ready = 0
        for plans in resending.planned(kafka_settings, ASKED, again=False):
            ready += sum(plan.verdict == "ready" for plan in plans)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ready == count
    assert peak < count * len(padding)


@pytest.mark.broker
def test_letters_of_one_key_are_sent_in_their_order_however_they_are_parted(kafka_settings, monkeypatch):
    monkeypatch.setattr(resending, "parted", partial(resending.parted, most=1))
    topic = Topics(kafka_settings).lists
    entry = {"list": "block", "match": "exact", "number": "+77011234567", "side": "caller"}
    came = Outgoing(topic, b"k", orjson.dumps(entry | {"why": "as it came"}))
    send(kafka_settings, [came, *[came._replace(key=b"others")] * 2])
    bury(kafka_settings, topic, ((b"k", orjson.dumps(entry | {"why": f"case {number}"})) for number in range(3)))
    verdicts = []
    for plans in resending.planned(kafka_settings, ASKED, again=False):
        verdicts += [plan.verdict for plan in plans]
        assert [[*part] for part in resending.send_again(kafka_settings, plans, "analyst-7")] == [plans]
    assert verdicts == ["ready"] * 3
    sent = [orjson.loads(record.value) for record in read(kafka_settings, topic, key=b"k")]
    assert [one["why"] for one in sent] == ["as it came", "case 0", "case 1", "case 2"]
    again = [plan for plans in resending.planned(kafka_settings, ASKED, again=False) for plan in plans]
    assert [plan.verdict for plan in again] == ["sent before"] * 3
