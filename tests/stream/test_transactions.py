"""A publisher that uses transactions: what they leave at the end of a partition is no record that is waited for."""

import itertools

import orjson
import pytest

from streamer.calls.partitioner import partition_of
from streamer.kafka.broker import free_port
from streamer.kafka.clients import producer
from streamer.kafka.topics import Topics
from tests.stream.live import Calls, Worker, get, setup, wait_until
from tests.stream.mixed import control

pytestmark = pytest.mark.broker


def test_the_clock_of_a_partition_goes_on_behind_the_marker_of_a_transaction(kafka_settings):
    of, page = Topics(kafka_settings), free_port()
    for name, prefix in (("op-a", "+7701"), ("op-b", "+7705")):
        table = {"operator": name, "ranges": [prefix], "publishes_originations": True}
        control(kafka_settings, of.operators, name, table)
    enforced = {"unverified_origin": {"mode": "enforce", "thresholds": {"matches": 0}}}
    control(kafka_settings, of.policy, "policy@t", {"version": "t", "control_share": 0.0, "detectors": enforced})
    control(kafka_settings, of.policy, "current", {"version": "t"})
    calls = Calls(kafka_settings)
    client = producer(kafka_settings, **{"transactional.id": kafka_settings.prefix, "delivery.timeout.ms": 30_000})
    client.init_transactions(30)

    def partition(line):
        return partition_of(line.encode(), kafka_settings.partitions)

    def revised():
        calls.rest()
        return any(decision["revises"] for decision, _ in calls.decided["a"])

    with Worker(kafka_settings, STREAMER_METRICS_PORT=str(page)) as worker:
        worker.says("goes on at", times=kafka_settings.partitions)
        client.begin_transaction()
        call = setup("a", "+77011234567", callee="+77051234567", operator="op-b", trunk="transit")
        client.produce(of.calls, orjson.dumps(call), call["caller"])
        lines = (f"+7701{number:07d}" for number in itertools.count())
        beside = next(line for line in lines if partition(line) == partition(call["caller"]))
        client.produce(of.calls, orjson.dumps(setup("own", beside, ingress="subscriber")), beside)
        client.commit_transaction(30)
        assert not calls.until({"a"}), worker.log
        wait_until(revised, 15, tell=lambda: worker.log)
        line = f'streamer_lag_records{{partition="{partition(call["caller"])}"}} 0.0'.encode()
        wait_until(lambda: line in get(page, "/metrics")[1], 10, tell=lambda: get(page, "/metrics"))
        client.begin_transaction()
        client.produce(of.calls, orjson.dumps(setup("b", "+77011234567")), call["caller"])
        client.flush(10)
        client.abort_transaction(30)
        calls.publish(setup("c", "+77011234567"))
        assert not calls.until({"c"}), worker.log
        assert worker.stop() == 0, worker.log
    with Worker(kafka_settings, STREAMER_METRICS_PORT=str(page)) as worker:
        worker.says("goes on at", times=kafka_settings.partitions)
        wait_until(lambda: line in get(page, "/metrics")[1], 10, tell=lambda: get(page, "/metrics"))
        assert worker.stop() == 0, worker.log
    calls.rest()
    assert "b" not in calls.decided
