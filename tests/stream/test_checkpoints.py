"""State that survives: what workers hold after joins, leaves, kills and freezes equals one undisturbed engine over the same log."""

import random
import signal
import time

import orjson
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from streamer.kafka import clients
from streamer.kafka.topics import Topics
from tests.stream import undisturbed
from tests.stream.live import Calls, Worker, setup, wait_until
from tests.stream.mixed import EVIL, Mixed, check, control, rules

pytestmark = pytest.mark.broker

SETTINGS = {"STREAMER_CHECKPOINT_S": "0.5"}


def test_an_orderly_hand_over_repeats_nothing_and_keeps_every_window(kafka_settings):
    rules(kafka_settings)
    calls = Calls(kafka_settings)
    with Worker(kafka_settings, **SETTINGS) as first:
        first.says("partitions gained")
        with Mixed(calls, 800, seed=1) as load:
            time.sleep(2)
            with Worker(kafka_settings, **SETTINGS) as second:
                second.says("partitions gained")
                assert not calls.until(set(load.published)), second.log
                assert first.stop() == 0, first.log
                assert not calls.until(set(load.published)), second.log
                assert second.stop() == 0, second.log
        with Worker(kafka_settings, **SETTINGS) as third:
            third.says(" restored at ", times=kafka_settings.partitions)
            assert not calls.until(load.published), third.log
            assert third.stop() == 0, third.log
    calls.rest()
    repeated = [
        found
        for found in calls.decided.values()
        if len({(record.headers()[1], decision["revises"]) for decision, record in found}) < len(found)
    ]
    log = first.log + second.log + third.log
    assert not repeated, f"{repeated[:3]} {log}"
    check(kafka_settings, calls, load.published)


def test_kills_at_any_moment_change_no_window_and_no_verdict_that_was_said(brief_sessions):
    rules(brief_sessions)
    calls, draw = Calls(brief_sessions), random.Random(1)
    entry = {"list": "block", "match": "exact", "number": EVIL, "side": "caller"}
    running = [Worker(brief_sessions, **SETTINGS) for _ in range(2)]
    try:
        for worker in running:
            worker.says("partitions gained")
        with Mixed(calls, 800, seed=1) as load:
            for turn in range(5):
                time.sleep(draw.uniform(0.2, 1.5))
                victim = running.pop(draw.randrange(2))
                if turn == 3:
                    victim.send(signal.SIGSTOP)
                    time.sleep(2 * brief_sessions.session_timeout_ms / 1000)
                    victim.send(signal.SIGCONT)
                    victim.says("partitions gained", times=2)
                    running.append(victim)
                else:
                    victim.kill()
                    running.append(Worker(brief_sessions, **SETTINGS))
                control(brief_sessions, calls.topics.lists, "k", None if turn % 2 else entry)
                running[-1].says("partitions gained")
        assert not calls.until(load.published), running[0].log + running[1].log
        for worker in running:
            assert worker.stop() == 0, worker.log
    finally:
        for worker in running:
            worker.kill()
    check(brief_sessions, calls, load.published)


def test_the_log_of_state_stays_near_what_is_held(kafka_settings):
    """What no pointer needs is deleted, of every partition."""
    rules(kafka_settings)
    calls = Calls(kafka_settings)
    places = [TopicPartition(calls.topics.state, number) for number in range(calls.partitions)]
    with Worker(kafka_settings, STREAMER_CHECKPOINT_S="0.2") as worker:
        worker.says("partitions gained")
        with Mixed(calls, 800, seed=3, callers=300) as load:
            wait_until(lambda: all(calls.reader.get_watermark_offsets(place)[0] for place in places), 120, each_s=0.5)
        assert not calls.until(load.published), worker.log
        assert worker.stop() == 0, worker.log
    check(kafka_settings, calls, load.published)
    whole, _ = undisturbed.saved(kafka_settings)
    committed = undisturbed.pointers(kafka_settings)
    for number, records in undisturbed.log(kafka_settings, calls.topics.state).items():
        pointed = sum(len(record.value()) for record in records if record.offset() in committed[number][1])
        everything = sum(map(len, whole.pieces(whole.whole(number))))
        assert pointed < 4 * everything


def damaged(settings, how):
    """Do something to the state that is committed; gives a text that the refusal has."""
    topic = Topics(settings).state
    if how == "deleted":
        client = clients.admin(settings)
        ends = {number: len(found) for number, found in undisturbed.log(settings, topic).items()}
        for future in client.delete_records([TopicPartition(topic, p, end) for p, end in ends.items()]).values():
            future.result(10)
        return "it was deleted"
    if how == "moved":
        client = Consumer(clients.consumer_config(settings, settings.group))
        places = [TopicPartition(Topics(settings).calls, number) for number in range(settings.partitions)]
        committed = client.committed(places, timeout=10)
        for place in committed:
            place.offset = max(place.offset - 1, 0)
        client.commit(offsets=committed, asynchronous=False)
        client.close()
        return "whoever moved the offset kept its metadata"
    return "exported under another secret"


@pytest.mark.parametrize("how", ["deleted", "secret", "moved"])
def test_state_that_cannot_be_restored_stops_the_worker_unless_it_may_begin_empty(kafka_settings, how):
    calls = Calls(kafka_settings)
    with Worker(kafka_settings, **SETTINGS) as worker:
        calls.publish(setup("first", "+77010000001"))
        assert not calls.until({"first"}), worker.log
        assert worker.stop() == 0, worker.log
    text = damaged(kafka_settings, how)
    more = SETTINGS | ({"STREAMER_SECRET": "another"} if how == "secret" else {})
    with Worker(kafka_settings, **more) as worker:
        assert worker.ended(60) != 0, worker.log
        assert text in worker.log
    with Worker(kafka_settings, **more, STREAMER_BEGIN_EMPTY="true") as worker:
        calls.publish(setup("second", "+77010000001"))
        assert not calls.until({"second"}), worker.log
        assert "it begins empty" in worker.log
        assert worker.stop() == 0, worker.log
    with Worker(kafka_settings, **more) as worker:
        wait_until(lambda: worker.log.count(" restored at ") == kafka_settings.partitions, 60, lambda: worker.log)
        assert worker.stop() == 0, worker.log


SELDOM = {"STREAMER_CHECKPOINT_S": "3600"}
"""No checkpoint is written before a worker that is not killed leaves."""


def begun(settings):
    """Wait until a group that had nothing committed has committed where it begins."""

    def is_committed():
        try:
            return all(pointer is not None for _, pointer in undisturbed.pointers(settings).values())
        except KafkaException:  # a group that was just made has no coordinator yet
            return False

    wait_until(is_committed)


def test_what_was_said_before_the_first_checkpoint_stands(kafka_settings):
    calls = Calls(kafka_settings)
    entry = {"list": "block", "match": "exact", "number": EVIL, "side": "caller"}
    control(kafka_settings, calls.topics.lists, "k", entry)
    with Worker(kafka_settings, **SELDOM) as worker:
        begun(kafka_settings)
        calls.publish(setup("first", EVIL))
        assert not calls.until({"first"}), worker.log
        worker.kill()
    control(kafka_settings, calls.topics.lists, "k", None)
    with Worker(kafka_settings, **SELDOM) as worker:
        calls.publish(setup("second", EVIL))
        assert not calls.until({"second"}), worker.log
        assert worker.stop() == 0, worker.log
    calls.rest()
    assert [decision["action"] for decision, _ in calls.decided["first"]] == ["block"]
    assert [decision["action"] for decision, _ in calls.decided["second"]] == ["allow"]


def test_what_others_write_to_the_topic_of_decisions_silences_no_worker(kafka_settings):
    calls = Calls(kafka_settings)
    with Worker(kafka_settings, **SELDOM) as worker:
        begun(kafka_settings)
        calls.publish(setup("first", EVIL))
        assert not calls.until({"first"}), worker.log
        worker.kill()
    ((said, record),) = calls.decided["first"]
    offsets = [b"0", b"1", b"2", b"9" * 18, b"9" * 5_000]
    for offset in offsets:
        for forged in ({**said, "call_id": "second"}, {**said, "call_id": "forged"}):
            calls.producer.produce(
                calls.topics.decisions,
                orjson.dumps(forged),
                partition=record.partition(),
                headers=[("source.offset", offset)],
            )
    assert not calls.producer.flush(10)
    with Worker(kafka_settings, **SELDOM) as worker:
        worker.says(" restored at ", times=kafka_settings.partitions)
        calls.publish(setup("second", EVIL))

        def answered():
            calls.rest()
            return any(dict(record.headers()).get("source.partition") for _, record in calls.decided["second"])

        wait_until(answered, tell=lambda: worker.log)
        assert worker.stop() == 0, worker.log


def test_whoever_comes_too_late_goes_on_with_the_oldest_record_that_is_left(kafka_settings):
    calls, latest = Calls(kafka_settings), {"STREAMER_START_AT": "latest"}
    with Worker(kafka_settings, **latest) as worker:
        begun(kafka_settings)
        calls.publish(setup("first", EVIL))
        assert not calls.until({"first"}), worker.log
        assert worker.stop() == 0, worker.log
    partition = calls.decided["first"][0][1].partition()
    calls.publish(setup("gone", EVIL))
    calls.publish(setup("kept", EVIL))
    assert not calls.producer.flush(10)
    client = clients.admin(kafka_settings)
    for future in client.delete_records([TopicPartition(calls.topics.calls, partition, 2)]).values():
        future.result(10)
    with Worker(kafka_settings, **latest) as worker:
        assert not calls.until({"kept"}), worker.log
        assert f"partition {partition}: records 1 to 1 were deleted" in worker.log
        assert worker.stop() == 0, worker.log
    assert "gone" not in calls.decided
