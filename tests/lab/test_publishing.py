"""Publishing into a real Kafka: pace, order within a partition, control records, what is told when nobody decides."""

import time

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition

from streamer.calls.codec import decode_call
from streamer.calls.numbers import caller_key, home_plan
from streamer.calls.partitioner import partition_of
from streamer.errors import ReplayError, TransportError
from streamer.kafka import clients, topics
from streamer.lab.control import Control, of_traffic
from streamer.lab.ordering import Message
from streamer.lab.publishing import Publisher
from streamer.lab.traffic import Traffic

pytestmark = pytest.mark.broker
PLAN = home_plan("KZ")


def messages(seconds=4.0, rate=100):
    for at, event, _ in Traffic(3, rate, seconds=seconds, subscribers=400):
        key = caller_key(event.caller, event.asserted, event.callee, PLAN)
        call = (event.operator, event.call_id) if type(event).__name__ == "Setup" else None
        yield Message(at, key, orjson.dumps({"at": at, "call_id": event.call_id, "key": key}), call)


def stored(settings, topic, partitions, wanted):
    """Records by partition as the broker has them: value, broker's append time."""
    reader = Consumer(clients.consumer_config(settings, "stored"))
    reader.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    found, end = [[] for _ in range(partitions)], time.monotonic() + 60
    while sum(map(len, found)) < wanted and time.monotonic() < end:
        for record in reader.consume(1_000, 0.1):
            assert record.error() is None
            found[record.partition()].append((record.value(), record.timestamp()[1]))
    reader.close()
    return found


@pytest.mark.parametrize("speed", [20.0, float("inf")])
def test_every_partition_has_its_messages_in_order_at_the_pace_asked_for(kafka_settings, speed):
    sent = [message for message in messages() if message.at < 1_763_953_200_000 + 10_000]
    publisher = Publisher(kafka_settings, speed=speed, read_back=False)
    began_ms = time.time() * 1000
    summary = publisher.run(iter(sent))
    publisher.close()
    assert (summary.published, summary.setups) == (len(sent), sum(message.call is not None for message in sent))
    found = stored(kafka_settings, topics.Topics(kafka_settings).calls, 4, len(sent))
    for number, records in enumerate(found):
        wanted = [message.value for message in sent if partition_of(message.key.encode(), 4) == number]
        assert [value for value, _ in records] == wanted
    if speed < float("inf"):
        for value, appended_ms in (record for records in found for record in records):
            due_ms = began_ms + (orjson.loads(value)["at"] - sent[0].at) / speed
            # Never early; late by what a busy machine makes it, less than at the pace of the calls themselves.
            assert due_ms - 5 < appended_ms < due_ms + 5_000


def test_control_records_reach_their_topics_and_an_unknown_kind_is_told(kafka_settings):
    publisher = Publisher(kafka_settings, read_back=False)
    sent = list(of_traffic(Traffic(1, 1, subscribers=400)))
    began = time.monotonic()
    assert publisher.control(sent, settle_s=0.3) == len(sent)
    assert time.monotonic() - began > 0.3
    operators = [record.value for record in sent if record.kind == "operators"]
    names = topics.Topics(kafka_settings)
    assert [value for value, _ in stored(kafka_settings, names.operators, 1, 3)[0]] == operators
    facts = [record for record in sent if record.kind == "subscribers.location"]
    assert sum(map(len, stored(kafka_settings, names.location, 4, len(facts)))) == len(facts)
    with pytest.raises(ReplayError, match=r"kind .calls. is none of lists, models, operators, policy"):
        publisher.control([Control("calls", "x", b"{}")])


def test_without_a_worker_patience_ends_and_every_set_up_is_undecided(kafka_settings):
    publisher = Publisher(kafka_settings, patience_s=0.5)
    summary = publisher.run(messages(1.0))
    publisher.close()
    assert summary.setups > 50
    assert (summary.decided, summary.undecided) == (0, summary.setups)


def test_only_decisions_on_the_calls_published_are_taken_and_each_once(kafka_settings):
    """A worker played by hand: it answers twice, answers strangers, and keeps `at` near the append time once."""
    names, producer, taken = topics.Topics(kafka_settings), clients.producer(kafka_settings), []

    def answered():
        for message in messages(1.0):
            yield message
            if message.call is None:
                continue
            operator, call_id = message.call
            decision = {"call_id": call_id, "operator": operator, "at": message.at, "action": "allow"}
            if not taken and not shifted:
                decision["at"] += 1_000_000_000
                shifted.append(call_id)
            for value in (decision, decision, decision | {"call_id": "stranger"}):
                producer.produce(names.decisions, value=orjson.dumps(value), partition=0)
            producer.flush(10)

    shifted: list[str] = []
    publisher = Publisher(kafka_settings, decided=lambda _, decision: taken.append(decision["call_id"]))
    summary = publisher.run(answered())
    publisher.close()
    assert summary.undecided == 0
    assert sorted(taken) == sorted({message.call[1] for message in messages(1.0) if message.call})
    assert summary.actions == {"allow": summary.setups}
    assert summary.clamped == 1


def test_topics_that_are_not_there_are_told_with_where(make_settings):
    settings = make_settings()
    with pytest.raises(TransportError, match=r"decisions\.v1 cannot be read at 127\.0\.0\.1:\d+: "):
        Publisher(settings, leaders_s=0.5)


def test_what_is_published_can_be_read_by_the_contract(kafka_settings):
    traffic = Traffic(3, 50, seconds=1)
    sent = [Message(at, caller, value, None) for at, caller, value, _ in traffic.encoded()]
    Publisher(kafka_settings, read_back=False).run(sent)
    found = stored(kafka_settings, topics.Topics(kafka_settings).calls, 4, len(sent))
    assert sum(decode_call(value) is not None for records in found for value, _ in records) == len(sent)
