"""What stands for the delivery of a batch: the last message of each run of a partition, and nothing less."""

import asyncio
import math
from functools import partial
from itertools import chain, count, repeat
from types import SimpleNamespace

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from streamer.errors import DeliveryError
from streamer.kafka import topics
from streamer.kafka.clients import admin, consumer_config, producer
from streamer.settings import load
from streamer.stream.deliveries import _SETTINGS as SETTINGS
from streamer.stream.deliveries import Deliveries, Parcel
from tests.stream.live import read, wait_until

SMALL = b"x" * 100
LARGE = bytes(range(256)) * 20


def send_all(settings, batches, wait_s=60):
    """What was finished, in order, and what failed, once everything that can be delivered is."""

    async def run():
        finished, failed = [], []
        deliveries = Deliveries(settings, failed.append)
        try:
            for number, messages in enumerate(batches):
                try:
                    await deliveries.send(messages, partial(finished.append, number))
                except DeliveryError as error:
                    failed.append(error)
            for _ in range(wait_s * 100):
                if failed or len(finished) == len(batches):
                    break
                await asyncio.sleep(0.01)
        finally:
            deliveries.close(5)
        return finished, failed

    return asyncio.run(run())


def run_of(topic, partition, values):
    return [(topic, value, f"{partition}-{n}", partition, None) for n, value in enumerate(values)]


def refuses(settings, topic, value):
    """Whether the broker refuses such a message by now: it takes a changed setting in a moment after it was told."""
    said = []
    probing = producer(settings)
    probing.produce(topic, value, partition=3, on_delivery=lambda error, _: said.append(error))
    probing.flush(5)
    return said[0] is not None


@pytest.mark.broker
def test_batches_are_finished_when_all_their_runs_are_delivered(kafka_settings):
    topic = topics.Topics(kafka_settings).decisions
    batches = [[], *([*run_of(topic, 0, [SMALL] * n), *run_of(topic, 2, [SMALL] * n)] for n in (1, 7, 500))]
    mixed = [
        message for pair in zip(*(run_of(topic, p, [SMALL] * 20) for p in (0, 1)), strict=True) for message in pair
    ]
    finished, failed = send_all(kafka_settings, [*batches, mixed])
    assert sorted(finished) == [0, 1, 2, 3, 4]
    assert not failed
    assert len(read(kafka_settings, topic, 4, wanted=2 * 508 + 40)) == 2 * 508 + 40


def end_of(settings, topic, partition):
    """Where the log of a partition ends; None while its leader is not known yet."""
    looking = Consumer(consumer_config(settings, "looking") | {"log_level": 0})
    try:
        return looking.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
    except KafkaException:
        return None
    finally:
        looking.close()


@pytest.mark.broker
@pytest.mark.parametrize(("until", "sent"), [([3], 3), ([3, 6], 5), ([3, 1_000], 7), ([0], 0)])
def test_what_may_be_sent_no_more_stays_here_in_the_middle_of_a_batch(kafka_settings, monkeypatch, until, sent):
    topic = topics.Topics(kafka_settings).decisions
    done, failed, answers = [], [], iter([*until, 0])
    deliveries = Deliveries(kafka_settings, failed.append)
    monkeypatch.setattr("streamer.stream.deliveries.time", SimpleNamespace(monotonic=partial(next, count())))
    asyncio.run(deliveries.send(run_of(topic, 1, [SMALL] * 7), partial(done.append, 7), lambda: next(answers)))
    assert deliveries.close(20)
    wait_until(lambda: end_of(kafka_settings, topic, 1) is not None)
    assert end_of(kafka_settings, topic, 1) == sent
    assert done == ([7] if sent == 7 else [])
    assert not failed


def test_who_waits_for_room_asks_again_whether_the_rest_may_go(monkeypatch):
    monkeypatch.setitem(SETTINGS, "queue.buffering.max.messages", 3)  # nobody answers there, so that it stays full
    done, failed, answers = [], [], chain([math.inf], repeat(0.0))
    deliveries = Deliveries(load(bootstrap="127.0.0.1:1"), failed.append)
    sending = deliveries.send(run_of("t", 1, [SMALL] * 7), partial(done.append, 7), lambda: next(answers))
    asyncio.run(asyncio.wait_for(sending, 20))
    wait_until(lambda: len(deliveries._producer) == 3)  # what the client says of the brokers is in its queue too
    assert not deliveries.close(0.1)
    assert not done
    assert not failed


@pytest.mark.broker
def test_what_there_is_no_room_for_at_once_is_sent_when_there_is(kafka_settings, monkeypatch):
    monkeypatch.setitem(SETTINGS, "queue.buffering.max.messages", 3)
    topic = topics.Topics(kafka_settings).decisions
    done, failed = [], []
    deliveries = Deliveries(kafka_settings, failed.append)
    rest = deliveries.begin(run_of(topic, 1, [SMALL] * 40), partial(done.append, 40), lambda: math.inf)
    assert 0 < len(deliveries._producer) < 40
    assert asyncio.run(asyncio.wait_for(deliveries.send_rest(rest), 30))
    assert deliveries.close(20)
    assert end_of(kafka_settings, topic, 1) == 40
    assert done == [40]
    assert not failed


def take_little(settings, topic):
    """Have the broker refuse large messages."""
    smaller = ConfigEntry("max.message.bytes", "1000", incremental_operation=AlterConfigOpType.SET)
    limit = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[smaller])
    client = admin(settings)
    for future in client.incremental_alter_configs([limit]).values():
        future.result(10)
    wait_until(lambda: refuses(settings, topic, LARGE))


@pytest.mark.broker
@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_nothing_behind_a_message_that_the_broker_refuses_is_taken_for_delivered(kafka_settings, place, before):
    topic = topics.Topics(kafka_settings).decisions
    take_little(kafka_settings, topic)
    values = [SMALL] * 7
    values[place] = LARGE
    few = run_of(topic, 1, [SMALL] * 3)
    finished, failed = send_all(kafka_settings, [*before * [few], run_of(topic, 1, values), few])
    assert finished == list(range(before))[: len(finished)]
    assert "Message size too large" in str(failed[0])
    assert all(isinstance(error, DeliveryError) for error in failed)


@pytest.mark.broker
def test_why_nothing_can_be_sent_any_more_is_told_although_the_next_message_meets_it_first(kafka_settings):
    topic = topics.Topics(kafka_settings).decisions
    take_little(kafka_settings, topic)
    failed, done = [], []
    deliveries = Deliveries(kafka_settings, failed.append)

    def send(value):
        asyncio.run(deliveries.send(run_of(topic, 1, [value]), partial(done.append, value)))

    def broken():
        try:
            deliveries._producer.produce(topic, SMALL, partition=1)
        except KafkaException as error:
            return error.args[0].code() == KafkaError._FATAL
        return False

    with deliveries._serving:  # nobody looks what the client has to tell
        send(LARGE)
        wait_until(broken)
        send(SMALL)
        assert not failed
    wait_until(lambda: failed)
    deliveries.close(5)
    assert "Message size too large" in str(failed[0])
    assert not done


def test_offsets_that_are_too_near_show_that_messages_were_lost():
    done, failed, newest = [], [], {}
    parcel = Parcel(2, newest, lambda: done.append(True), failed.append)
    place = {"topic": lambda: "t", "partition": lambda: 1}
    parcel.delivered(5, None, SimpleNamespace(offset=lambda: 104, **place))
    parcel.delivered(5, None, SimpleNamespace(offset=lambda: 108, **place))
    assert not done
    assert [str(error) for error in failed] == ["1 messages to t[1] were lost before offset 108"]


def test_a_delivery_whose_offset_is_not_known_begins_anew():
    done, failed, newest = [], [], {("t", 1): 90}
    parcel = Parcel(3, newest, lambda: done.append(True), failed.append)
    place = {"topic": lambda: "t", "partition": lambda: 1}
    for offset in (-1001, 7, 12):
        parcel.delivered(5, None, SimpleNamespace(offset=lambda offset=offset: offset, **place))
    assert done
    assert not failed
    assert newest == {("t", 1): 12}
