"""What ends a worker ends it with an error and leaves the offset where it was; brokers that are away are waited for."""

import socket

import orjson
import pytest

from streamer.calls.partitioner import partition_of
from streamer.kafka import topics
from streamer.kafka.broker import LocalBroker, free_port
from streamer.settings import load
from tests.stream.judges import EVIL
from tests.stream.live import Calls, Worker, get, read, setup, wait_until

pytestmark = pytest.mark.broker


@pytest.mark.parametrize(
    ("judge", "why"),
    [
        ("large", "nothing can be sent any more: ProduceRequest for"),
        ("huge", "cannot be sent"),
        ("wrong", "ZeroDivisionError"),
        ("stuck", "was not finished within 2 s"),
        ("unread", "no stream reads elsewhere.v1"),
    ],
)
def test_what_cannot_be_done_ends_the_worker_and_moves_no_offset(kafka_settings, judge, why):
    calls = Calls(kafka_settings)
    for number in range(40):
        calls.publish(setup(f"c{number}", "+77010000001"))
    calls.publish(setup("evil", EVIL), partition=1)
    for number in range(40, 80):
        calls.publish(setup(f"c{number}", "+77010000001"), partition=1)
    calls.producer.flush()
    with Worker(kafka_settings, judge=judge, STREAMER_BATCH_TIMEOUT_S="2", STREAMER_BATCH_RECORDS="10") as worker:
        assert worker.ended() != 0
        assert why in worker.log
    assert calls.committed()[1] == 0
    with Worker(kafka_settings, judge="plain") as healed:
        assert not calls.until({"evil", *(f"c{number}" for number in range(80))}), healed.log
        assert healed.stop() == 0


def test_brokers_that_are_away_are_waited_for(tmp_path, prefix):
    port, page = free_port(), free_port()
    broker = LocalBroker(tmp_path / "broker", port=port)
    broker.start(dies_with_parent=True)
    try:
        settings = load(
            bootstrap=f"127.0.0.1:{port}", prefix=prefix, partitions=4, group=prefix, session_timeout_ms=1_500
        )
        topics.ensure(settings)
        calls = Calls(settings)
        more = {"STREAMER_METRICS_PORT": str(page), "STREAMER_BATCH_TIMEOUT_S": "2", "STREAMER_LOG_FORMAT": "json"}
        with Worker(settings, judge="plain", **more) as worker:
            calls.publish(setup("before", "+77010000001"))
            assert not calls.until({"before"}), worker.log
            wait_until(lambda: get(page, "/readyz")[0] == 200, tell=lambda: get(page, "/readyz"))
            broker.stop()
            wait_until(lambda: get(page, "/readyz")[0] == 503)
            assert "broker" in orjson.loads(get(page, "/readyz")[1])["reasons"]
            assert get(page, "/livez")[0] == 200
            broker.start(dies_with_parent=True)
            calls.publish(setup("after", "+77010000002"))
            assert not calls.until({"after"}), worker.log
            wait_until(lambda: get(page, "/readyz")[0] == 200, tell=lambda: (get(page, "/readyz"), worker.log))
            assert worker.stop() == 0, worker.log
        told = [
            orjson.loads(line) for line in worker.log.splitlines()
        ]  # the client's own lines too are of the log's form
        failed = [line for line in told if line["logger"] == "streamer.librdkafka" and "FAIL" in line["message"]]
        assert 0 < len(failed) < 20, worker.log
    finally:
        broker.stop(delete_data=True)


def test_metrics_tell_what_happened(kafka_settings):
    page = free_port()
    calls = Calls(kafka_settings)
    with Worker(kafka_settings, STREAMER_METRICS_PORT=str(page)) as worker:
        for number in range(30):
            calls.publish(setup(f"c{number}", f"+7701{number:07d}"))
        right = partition_of(b"+77010000001", 4)
        calls.publish(setup("moved", "+77010000001"), partition=(right + 1) % 4)
        calls.publish(setup("there", "+77010000001"), partition=right)
        calls.publish(b"nothing", key="x")
        assert not calls.until({"moved", "there", *(f"c{number}" for number in range(30))}), worker.log
        read(kafka_settings, topics.dead_letter(calls.topics.calls), 1)
        shown = ('streamer_decisions_total{action="allow"} 32.0', 'streamer_lag_records{partition="3"} 0.0')
        wait_until(lambda: all(line.encode() in get(page, "/metrics")[1] for line in shown))
        text = get(page, "/metrics")[1].decode()
        for line in (
            'streamer_rekeyed_total{operator="op-a"} 1.0',
            f'streamer_dead_letters_total{{reason="not_json",topic="{calls.topics.calls}"}} 1.0',
            "streamer_decision_latency_seconds_count 32.0",
            'streamer_decision_latency_seconds_bucket{le="0.001"}',
            "streamer_partitions 4.0",
            "streamer_batch_records_count",
            'streamer_versions_info{model="none",policy="default"} 1.0',
        ):
            assert line in text, text
        assert get(page, "/nothing")[0] == 404
        assert worker.stop() == 0, worker.log


def test_a_metrics_port_that_is_taken_ends_the_worker_with_its_reason(kafka_settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Worker(kafka_settings, STREAMER_METRICS_PORT=str(port)) as worker:
            assert worker.ended() != 0
            assert str(port) in worker.log
