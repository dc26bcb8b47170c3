"""The worker as a process of its own on a real broker: verdicts, control within a second, bad input, several processes."""

import os
import signal
import subprocess
import sys
import time

import orjson
import psutil
import pytest
from confluent_kafka import TopicPartition

from streamer.calls.partitioner import partition_of
from streamer.kafka import topics
from tests.fuzzing.records import broken_records
from tests.stream.live import Calls, Worker, read, setup, wait_until

pytestmark = pytest.mark.broker


def test_verdicts_control_bad_input_and_misplaced_records(kafka_settings):
    calls = Calls(kafka_settings)
    with Worker(kafka_settings) as worker:
        callers = [f"+7701{n:07d}" for n in range(50)]
        for number, caller in enumerate(callers):
            calls.publish(setup(f"c{number}", caller))
        assert not calls.until({f"c{number}" for number in range(50)}), worker.log
        decision, record = calls.decided["c7"][0]
        headers = dict(record.headers())
        assert decision["action"] == "allow"
        assert (record.key(), int(headers["source.partition"])) == (b"c7", record.partition())
        assert record.partition() == partition_of(callers[7].encode(), 4)

        calls.publish(b"{broken", key="x")
        calls.publish(orjson.dumps({"type": "setup", "call_id": "half", "caller": callers[1]}), key=callers[1])
        wrong = (partition_of(callers[3].encode(), 4) + 1) % 4
        calls.publish(setup("moved", callers[3]), partition=wrong)
        assert not calls.until({"half", "moved"})
        assert calls.decided["half"][0][0]["reasons"] == ["input.invalid"]
        assert calls.decided["moved"][0][1].partition() == partition_of(callers[3].encode(), 4)
        letters = read(kafka_settings, topics.dead_letter(calls.topics.calls), 1, wanted=2)
        reasons = sorted(dict(letter.headers())["error.reason"] for letter in letters)
        assert reasons == [b"missing_field", b"not_json"]
        assert {letter.value() for letter in letters} >= {b"{broken"}
        assert worker.stop() == 0, worker.log


def test_a_worker_that_starts_and_stops_in_order_warns_of_nothing(kafka_settings):
    calls = Calls(kafka_settings)
    calls.publish(setup("c", "+77010000001"))
    with Worker(kafka_settings, STREAMER_LOG_FORMAT="json", STREAMER_SECRET="of this test") as worker:
        assert not calls.until({"c"}), worker.log
        assert worker.stop() == 0, worker.log
        said = [orjson.loads(line) for line in worker.log.splitlines()]
        assert {line["level"] for line in said} == {"info"}, worker.log


def test_control_takes_effect_at_once_on_an_idle_worker_and_bad_control_is_a_dead_letter(kafka_settings):
    calls = Calls(kafka_settings)
    caller = "+77010000007"
    entry = {"list": "block", "match": "exact", "number": caller, "side": "caller"}
    calls.producer.produce(calls.topics.lists, key=f"block/exact/caller//{caller}", value=orjson.dumps(entry))
    calls.producer.flush()
    with Worker(kafka_settings) as worker:
        calls.publish(setup("listed", caller))
        assert not calls.until({"listed"}), worker.log
        # Read to the end before the first record is judged: no retry is needed here.
        assert calls.decided["listed"][0][0]["reasons"] == ["list.block"]
        policy = {"version": "off", "kill_switch": True}
        calls.producer.produce(calls.topics.policy, key="policy@off", value=orjson.dumps(policy))
        calls.producer.produce(calls.topics.policy, key="current", value=b'{"version":"off"}')
        calls.producer.produce(calls.topics.lists, key="bad", value=b"{}")
        calls.producer.flush()
        worker.says("in force: policy off")
        calls.publish(setup("killed", caller))
        assert not calls.until({"killed"}), worker.log
        assert calls.decided["killed"][0][0]["action"] == "allow"
        refused = read(kafka_settings, topics.dead_letter(calls.topics.lists), 1)
        assert (refused[0].key(), refused[0].value()) == (b"bad", b"{}")
        assert worker.stop() == 0, worker.log


def test_broken_records_neither_crash_nor_stall_the_worker(kafka_settings):
    """The long form is `make fuzz`; this one goes through Kafka."""
    calls = Calls(kafka_settings)
    count = 20_000
    places = [TopicPartition(calls.topics.calls, number) for number in range(calls.partitions)]
    with Worker(kafka_settings) as worker:
        for number, value in enumerate(broken_records(count, seed=5)):
            calls.producer.produce(calls.topics.calls, key=str(number), value=value)
            calls.producer.poll(0)
        calls.publish(setup("last", "+77010000001"))
        assert not calls.until({"last"}, 90), worker.log
        wait_until(lambda: calls.committed() == [calls.reader.get_watermark_offsets(place)[1] for place in places])
        assert worker.stop() == 0, worker.log


def test_a_brake_on_bad_input_stops_the_worker_with_a_clear_error(kafka_settings):
    calls = Calls(kafka_settings)
    for number in range(300):
        calls.publish(b"not json at all", key=str(number))
    calls.producer.flush()
    with Worker(kafka_settings, STREAMER_BRAKE_SHARE="0.5", STREAMER_BRAKE_RECORDS="100") as worker:
        assert worker.ended() == 1
        assert "are bad (setting brake_share: 50%)" in worker.log


def test_faust_starts_the_same_worker_and_opens_no_server_of_its_own(kafka_settings, tmp_path):
    calls = Calls(kafka_settings)
    env = {"STREAMER_BOOTSTRAP": kafka_settings.bootstrap, "STREAMER_PREFIX": kafka_settings.prefix, "STREAMER_PARTITIONS": "4",
           "STREAMER_GROUP": kafka_settings.group, "STREAMER_METRICS_PORT": "0", "STREAMER_MAX_CALLERS": "10000"}  # fmt: skip
    command = [sys.executable, "-m", "faust", "-A", "streamer.stream.app", "worker", "-l", "info"]
    worker = subprocess.Popen(
        command, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        calls.publish(setup("c", "+77010000001"))
        assert not calls.until({"c"})
        listening = [at for at in psutil.Process(worker.pid).net_connections("inet") if at.status == psutil.CONN_LISTEN]
        assert [at.laddr.ip for at in listening] == ["127.0.0.1"]
        assert listening[0].laddr.port != 6066
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == 0
    assert not list(tmp_path.iterdir())


def test_several_processes_share_the_partitions_and_stop_together(kafka_settings):
    """They have the options of whoever started them, which win over the environment that they inherit."""
    calls = Calls(kafka_settings)
    given = ("--prefix", kafka_settings.prefix, "--partitions", str(kafka_settings.partitions))
    elsewhere = {"STREAMER_PREFIX": "elsewhere.", "STREAMER_PARTITIONS": "2"}
    with Worker(kafka_settings, "--processes", "2", *given, **elsewhere) as workers:
        wanted = {f"c{number}" for number in range(2_000)}
        for number in range(2_000):
            calls.publish(setup(f"c{number}", f"+7701{number:07d}"))
        assert not calls.until(wanted), workers.log
        assert workers.stop() == 0, workers.log


@pytest.mark.parametrize("whom", ["child", "parent"])
def test_when_one_of_several_processes_dies_all_of_them_end(kafka_settings, whom):
    with Worker(kafka_settings, "--processes", "2") as workers:
        workers.says("partitions gained", times=2)
        children = psutil.Process(workers.pid).children()
        assert len(children) == 2
        (children[0] if whom == "child" else workers.process).kill()
        code = workers.ended()
        assert code == (1 if whom == "child" else -signal.SIGKILL), workers.log
        if whom == "child":
            assert "the others were stopped" in workers.log
        wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))


def test_lists_policy_operators_and_facts_take_effect_while_calls_come(kafka_settings):
    """Each change is published to a running worker, and calls follow until one shows it."""
    calls = Calls(kafka_settings)
    spoofed, listed, invalid = "+77011234567", "+77017654321", "+77030000001"
    fact = {"number": spoofed, "at": int(time.time() * 1000), "fact": "location", "operator": "op-a"}
    told = {"operator": "op-a", "ranges": ["+7701"], "publishes_locations": True}
    entry = {"list": "block", "match": "exact", "number": listed, "side": "caller"}
    policy = {"version": "p2", "detectors": {"number_invalid": {"mode": "shadow"}}}
    home, away = orjson.dumps(fact | {"value": "home"}), orjson.dumps(fact | {"value": "roaming", "country": "TR"})
    abroad = {"ingress": "international"}
    changes = [
        ("operators", "op-a", orjson.dumps(told), spoofed, abroad, None),
        ("subscribers.location", spoofed, home, spoofed, abroad, "block"),
        ("subscribers.location", spoofed, away, spoofed, abroad, "allow"),
        ("lists", "one", orjson.dumps(entry), listed, {}, "block"),
        ("lists", "one", None, listed, {}, "allow"),
        ("policy", "policy@p2", orjson.dumps(policy), invalid, {}, None),
        ("policy", "current", b'{"version":"p2"}', invalid, {}, "allow"),
        ("operators", "op-a", orjson.dumps(told | {"mode": "off"}), spoofed, abroad, "allow"),
    ]  # fmt: skip
    names = {"operators": calls.topics.operators, "lists": calls.topics.lists, "policy": calls.topics.policy,
             "subscribers.location": calls.topics.location}  # fmt: skip
    with Worker(kafka_settings) as worker:
        calls.publish(setup("before", invalid))
        assert not calls.until({"before"}), worker.log
        assert calls.decided["before"][0][0]["action"] == "block"
        for number, (kind, key, value, caller, more, action) in enumerate(changes):
            calls.producer.produce(names[kind], key=key, value=value)
            calls.producer.flush()
            end, seen = time.monotonic() + 60, action is None
            while not seen and time.monotonic() < end:
                call_id = f"{number}-{time.monotonic_ns()}"
                calls.publish(setup(call_id, caller, **more))
                assert not calls.until({call_id}), worker.log
                seen = calls.decided[call_id][0][0]["action"] == action
            assert seen, (kind, key, value, calls.decided[call_id][0][0])
        assert worker.stop() == 0, worker.log


STRANGE = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

class Unreadable(str):
    def encode(self, *_):
        return b"\\xff\\xfe"

async def send(bootstrap, topic, partition, key, value):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        headers = [(Unreadable("x"), b"")]
        await producer.send_and_wait(topic, value.encode(), key=key.encode(), partition=int(partition), headers=headers)
    finally:
        await producer.stop()

asyncio.run(send(*sys.argv[1:]))
"""
"""A publisher whose header's name is no UTF-8, as any client may send it."""


def test_headers_that_cannot_be_read_stop_nothing(kafka_settings):
    calls = Calls(kafka_settings)
    caller = "+77010000001"
    told = [kafka_settings.bootstrap, calls.topics.calls, str(partition_of(caller.encode(), 4)), caller]
    with Worker(kafka_settings) as worker:
        subprocess.run(
            [sys.executable, "-c", STRANGE, *told, orjson.dumps(setup("strange", caller)).decode()],
            check=True, env=os.environ | {"AIOKAFKA_NO_EXTENSIONS": "1"}, timeout=60,
        )  # fmt: skip
        calls.publish(setup("after", caller))
        assert not calls.until({"strange", "after"}), worker.log
        assert worker.stop() == 0, worker.log
