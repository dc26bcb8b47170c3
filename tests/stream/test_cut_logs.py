"""A log of calls that lost its end, as when its broker's machine lost power: what was judged is not judged again."""

import struct

import psutil
import pytest

from streamer.kafka import clients, topics
from streamer.kafka.broker import LocalBroker, free_port
from streamer.settings import load
from tests.stream.live import Calls, Worker, get, setup, wait_until

pytestmark = pytest.mark.broker
N, LOST = 60, 5
SETTINGS = {"STREAMER_CHECKPOINT_S": "0.5"}


def cut(segment, batches):
    """Take so many record batches off the end of a log's file."""
    data, at, begins = segment.read_bytes(), 0, []
    while at + 12 <= len(data):
        begins.append(at)
        at += 12 + struct.unpack(">qi", data[at : at + 12])[1]
    with segment.open("r+b") as file:
        file.truncate(begins[-batches])


@pytest.mark.parametrize(("how", "more_than_lost"), [("running", 3), ("restarted", -2)])
def test_a_log_that_lost_its_end_goes_on_there(tmp_path, prefix, how, more_than_lost):
    """Whether others have taken the lost records' offsets or not."""
    port = free_port()
    broker = LocalBroker(tmp_path / "broker", port=port)
    broker.start(dies_with_parent=True)
    page = free_port()
    try:
        settings = load(
            bootstrap=f"127.0.0.1:{port}", prefix=prefix, partitions=1, group=prefix, session_timeout_ms=6_000
        )
        topics.ensure(settings)
        calls, more = Calls(settings), SETTINGS | {"STREAMER_METRICS_PORT": str(page)}
        with Worker(settings, **more) as worker:
            worker.says("goes on at")
            for number in range(N):
                calls.publish(setup(f"c{number}", f"+7701{number % 20:07d}"))
                assert not calls.producer.flush(10)
            assert not calls.until({f"c{number}" for number in range(N)}), worker.log
            wait_until(lambda: calls.committed() == [N], tell=lambda: worker.log)
            if how == "restarted":
                assert worker.stop() == 0, worker.log
            victim = psutil.Process(broker.status().pid)
            victim.kill()
            victim.wait(10)
            (segment,) = (tmp_path / "broker" / "data" / f"{calls.topics.calls}-0").glob("*.log")
            cut(segment, LOST)
            broker.start(dies_with_parent=True)
            calls.producer = clients.producer(settings, log_level=0)
            wanted = {f"new{number}" for number in range(LOST + more_than_lost)}
            for call_id in sorted(wanted):
                calls.publish(setup(call_id, "+77019999999"))
            assert not calls.producer.flush(30)
            with Worker(settings, **more) if how == "restarted" else worker as goes_on:
                assert not calls.until(wanted), goes_on.log
                assert "lost the end of its log" in goes_on.log
                wait_until(
                    lambda: b"streamer_lost_records_total 5.0" in get(page, "/metrics")[1], tell=lambda: goes_on.log
                )
                wait_until(lambda: calls.committed() == [N + more_than_lost], tell=lambda: goes_on.log)
                calls.publish(setup("last", "+77019999999"))
                assert not calls.until({"last"}), goes_on.log
                assert goes_on.stop() == 0, goes_on.log
        calls.rest()
        assert {call_id: len(found) for call_id, found in calls.decided.items() if len(found) > 1} == {}
    finally:
        broker.stop(delete_data=True)


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(kafka_settings):
    calls, client = Calls(kafka_settings), clients.admin(kafka_settings)
    with Worker(kafka_settings, STREAMER_START_AT="latest", **SETTINGS) as worker:
        worker.says("goes on at", times=kafka_settings.partitions)
        for number in range(30):
            calls.publish(setup(f"c{number}", "+77010000001"))
        assert not calls.until({f"c{number}" for number in range(30)}), worker.log
        for future in client.delete_topics([calls.topics.calls]).values():
            future.result(30)
        wait_until(lambda: calls.topics.calls not in client.list_topics(timeout=10).topics)
        topics.ensure(kafka_settings)
        calls.producer = clients.producer(kafka_settings, log_level=0)
        for number in range(5):
            calls.publish(setup(f"new{number}", "+77010000001"))
        assert not calls.until({f"new{number}" for number in range(5)}), worker.log
        assert worker.process.poll() is None, worker.log
