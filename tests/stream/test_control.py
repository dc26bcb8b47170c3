"""Facts of a time that is yet to come, or in a partition that is not their number's, are refused."""

import itertools
import time
import zlib

import orjson
import pytest

from streamer.calls.numbers import home_plan
from streamer.calls.partitioner import partition_of
from streamer.desk import resending
from streamer.errors import MessageError
from streamer.kafka import topics
from streamer.kafka.clients import producer
from streamer.kafka.tables import Change
from streamer.kafka.topics import Topics
from streamer.stream.control import AHEAD_MS, Control, check_place, check_time
from tests.stream.live import Calls, Worker, read, setup, wait_until

NOW = 1_763_953_000_000
NUMBER = "+77011234567"
ENTRY = {"list": "block", "match": "exact", "number": "+77010000001", "side": "caller"}


def change(at, came, kind="subscribers.location", **more):
    fact = {"number": NUMBER, "at": at, "fact": "location", "value": "home", "operator": "op-a"} | more
    return Change(kind, NUMBER, orjson.dumps(fact), "t", 0, 0, NUMBER.encode(), [], came)


@pytest.mark.parametrize(("came", "now", "bound"), [
    (NOW, NOW, NOW), (NOW, NOW + 10**9, NOW), (NOW + 10**9, NOW, NOW), (-1, NOW, NOW), (0, NOW, 0),
])  # fmt: skip
def test_a_fact_is_refused_that_lies_after_its_record_or_the_clock(came, now, bound):
    check_time(change(0, came), now)
    check_time(change(bound + AHEAD_MS, came), now)
    with pytest.raises(MessageError, match=f"lies {AHEAD_MS + 1} ms after") as refused:
        check_time(change(bound + AHEAD_MS + 1, came), now)
    assert refused.value.reason == "out_of_range"


def test_other_records_and_tombstones_have_no_such_time():
    check_time(change(NOW * 2, NOW)._replace(value=None), NOW)
    check_time(change(NOW * 2, NOW, kind="lists"), NOW)
    with pytest.raises(MessageError) as refused:
        check_time(change("x", NOW), NOW)
    assert refused.value.reason == "wrong_type"


KZ = home_plan("KZ")
RIGHT = partition_of(NUMBER.encode(), 4)


@pytest.mark.parametrize("number", [NUMBER, "8 701 123 45 67", "sip:+77011234567@op.kz"])
def test_a_fact_lies_where_its_numbers_calls_do(number):
    for partition in range(4):
        told = change(NOW, NOW, number=number)._replace(partition=partition)
        gone = told._replace(value=None, key=number)
        for one in (told, gone):
            if partition == RIGHT:
                check_place(one, KZ, 4)
                continue
            with pytest.raises(MessageError, match=f"lies in partition {partition}, .* belongs to {RIGHT}") as refused:
                check_place(one, KZ, 4)
            assert refused.value.reason == "misplaced"
        check_place(told._replace(kind="lists"), KZ, 4)


@pytest.mark.broker
@pytest.mark.parametrize("key", [NUMBER, "87011234567"])
def test_a_fact_in_another_partition_is_a_dead_letter_that_can_be_sent_on(kafka_settings, key):
    """As CRC32, which is librdkafka's and kcat's default, puts it, or murmur2 a raw number: with one worker it was heeded, with two it was not."""
    calls, now = Calls(kafka_settings), int(time.time() * 1000)
    told = {"operator": "op-a", "ranges": ["+7701"], "publishes_locations": True}
    calls.producer.produce(calls.topics.operators, key="op-a", value=orjson.dumps(told))
    wrong = zlib.crc32(NUMBER.encode()) % 4
    assert wrong != RIGHT
    calls.producer.produce(calls.topics.location, key=key, value=change(now, 0).value, partition=wrong)
    calls.producer.flush()
    with Worker(kafka_settings) as worker:
        calls.publish(setup("before", NUMBER, ingress="international"))
        assert not calls.until({"before"}), worker.log
        assert calls.decided["before"][0][0]["reasons"] == ["cli_spoofing.domestic_from_abroad_unverified"]
        (letter,) = read(kafka_settings, topics.dead_letter(calls.topics.location), 1)
        assert dict(letter.headers())["error.reason"] == b"misplaced"
        wait_until(lambda: f"belongs to {RIGHT}" in worker.log)
        asked = resending.Asked(reasons=["misplaced"])
        (plans,) = resending.planned(kafka_settings, asked, again=False)
        assert [(plan.verdict, plan.key) for plan in plans] == [("ready", NUMBER.encode())]
        assert [list(part) for part in resending.send_again(kafka_settings, plans, "analyst-7")] == [plans]

        def blocked():
            calls.publish(setup(call := f"after{time.monotonic()}", NUMBER, ingress="international"))
            return not calls.until({call}) and calls.decided[call][0][0]["action"] == "block"

        wait_until(blocked)
        assert worker.stop() == 0, worker.log
    with Worker(kafka_settings) as worker:  # it reads all of it anew
        calls.publish(setup("anew", NUMBER, ingress="international"))
        assert not calls.until({"anew"}), worker.log
        assert calls.decided["anew"][0][0]["action"] == "block"
        assert worker.stop() == 0, worker.log
    newer = change(now + 1_000, 0, value="roaming", country="TR").value
    calls.producer.produce(calls.topics.location, key=NUMBER, value=newer)
    calls.producer.flush()
    found = [plan for plans in resending.planned(kafka_settings, asked, again=False) for plan in plans]
    assert {plan.verdict for plan in found} <= {"sent before", "superseded"}, "what is newer stays"


@pytest.mark.broker
def test_lists_do_not_wait_for_facts_that_come_by_thousands_nor_do_calls(kafka_settings):
    """A subscribers' base is loaded, or a partition gained: facts are applied for moments at a time, and bounded many wait."""
    held, several = Topics(kafka_settings), 60_000
    client = producer(kafka_settings)
    numbers = (f"+7701{number:07d}" for number in range(10**7))
    numbers = (number for number in numbers if partition_of(number.encode(), kafka_settings.partitions) == 0)
    for number in itertools.islice(numbers, several):
        client.produce(held.location, key=number, value=change(NOW, 0, number=number).value, partition=0)
        client.poll(0)
    client.flush()
    failed, taken, most = [], [], 0
    control = Control(kafka_settings, failed.append, lambda: None)
    control.follow([0])
    wait_until(lambda: control.behind)
    client.produce(held.lists, key="block/exact/caller//+77010000001", value=orjson.dumps(ENTRY))
    client.flush()

    def apply():
        nonlocal most
        most = max(most, control.apply(lambda *record: taken.append(record), lambda *told: failed.append(told)))
        return not failed

    wait_until(lambda: apply() and any(kind == "lists" for kind, *_ in taken))
    assert 0 < len(taken) < several
    assert control.behind
    assert not control.ready
    wait_until(lambda: apply() and control.ready)
    control.close()
    assert len(taken) == several + 1
    assert most < several / 2


@pytest.mark.broker
def test_a_fact_of_a_year_to_come_does_not_stand_against_those_of_now(kafka_settings):
    calls = Calls(kafka_settings)
    now = int(time.time() * 1000)
    told = {"operator": "op-a", "ranges": ["+7701"], "publishes_locations": True}
    calls.producer.produce(calls.topics.operators, key="op-a", value=orjson.dumps(told))
    far, near = change(4_000_000_000_000, 0, value="roaming", country="TR"), change(now, 0)
    for one in (far, near):
        calls.producer.produce(calls.topics.location, key=NUMBER, value=one.value)
    calls.producer.flush()
    with Worker(kafka_settings) as worker:
        calls.publish(setup("c", NUMBER, ingress="international"))
        assert not calls.until({"c"}), worker.log
        assert calls.decided["c"][0][0]["action"] == "block"
        (letter,) = read(kafka_settings, topics.dead_letter(calls.topics.location), 1)
        assert (letter.value(), dict(letter.headers())["error.reason"]) == (far.value, b"out_of_range")
        wait_until(lambda: "refused: `at` lies" in worker.log)
        assert worker.stop() == 0, worker.log
