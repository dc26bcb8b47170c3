"""The worker as a process of its own on a real broker: verdicts, control within a second, kills, stops and joins under load."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition

from streamer.calls.partitioner import partition_of
from streamer.kafka import clients, topics

pytestmark = pytest.mark.broker


def start(settings, *options, **more):
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STREAMER_") or name == "STREAMER_CACHE"
    }
    own = {
        "STREAMER_BOOTSTRAP": settings.bootstrap,
        "STREAMER_PREFIX": settings.prefix,
        "STREAMER_PARTITIONS": str(settings.partitions),
        "STREAMER_GROUP": settings.group,
        "STREAMER_SESSION_TIMEOUT_MS": str(settings.session_timeout_ms),
        "STREAMER_METRICS_PORT": "0",
        "STREAMER_MAX_CALLERS": "100000",
        "STREAMER_LOG_FORMAT": "text",
    }
    command = [sys.executable, "-m", "streamer", "worker", *options]
    return subprocess.Popen(command, env=env | own | more, stderr=subprocess.PIPE, text=True)


def stop(*workers):
    codes = []
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
    for worker in workers:
        _, errors = worker.communicate(timeout=40)
        codes.append((worker.returncode, errors))
    return codes


def setup(call_id, caller, at=None, callee="+77272345678", **more):
    return {"type": "setup", "call_id": call_id, "at": at or int(time.time() * 1000), "operator": "op-a", "caller": caller,
            "callee": callee, "ingress": "national", **more}  # fmt: skip


class Calls:
    """A publisher and a reader of decisions."""

    def __init__(self, settings):
        self.topics = topics.Topics(settings)
        self.partitions = settings.partitions
        self.producer = clients.producer(settings)
        self.reader = Consumer(clients.consumer_config(settings, f"{settings.group}-reader"))
        self.reader.assign([TopicPartition(self.topics.decisions, p, 0) for p in range(settings.partitions)])
        self.decided = {}

    def publish(self, message, key=None, partition=None):
        value = message if isinstance(message, bytes) else orjson.dumps(message)
        place = {} if partition is None else {"partition": partition}
        while True:
            try:
                self.producer.produce(self.topics.calls, key=key or message["caller"], value=value, **place)
            except BufferError:
                self.producer.poll(0.05)
            else:
                self.producer.poll(0)
                return

    def until(self, wanted, seconds=60):
        """Read decisions until all the wanted call ids are there; gives those that are still missing."""
        self.producer.flush(30)
        end = time.monotonic() + seconds
        missing = set(wanted) - set(self.decided)
        while missing and time.monotonic() < end:
            for record in self.reader.consume(1_000, 0.1):
                if record.error() is None:
                    decision = orjson.loads(record.value())
                    self.decided.setdefault(decision["call_id"], []).append((decision, record))
                    missing.discard(decision["call_id"])
        return missing


def read(settings, topic, partitions, seconds=10, wanted=1):
    reader = Consumer(clients.consumer_config(settings, f"{settings.group}-{topic}"))
    reader.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    found, end = [], time.monotonic() + seconds
    while len(found) < wanted and time.monotonic() < end:
        found += [record for record in reader.consume(100, 0.1) if record.error() is None]
    reader.close()
    return found


def test_verdicts_control_bad_input_and_misplaced_records(kafka_settings):
    calls = Calls(kafka_settings)
    worker = start(kafka_settings)
    try:
        callers = [f"+7701{n:07d}" for n in range(50)]
        for number, caller in enumerate(callers):
            calls.publish(setup(f"c{number}", caller))
        assert not calls.until({f"c{number}" for number in range(50)})
        decision, record = calls.decided["c7"][0]
        headers = dict(record.headers())
        assert decision["action"] == "allow"
        assert (record.key(), int(headers["source.partition"])) == (b"c7", record.partition())
        assert record.partition() == partition_of(callers[7].encode(), 4)

        entry = {"list": "block", "match": "exact", "number": callers[7], "side": "caller"}
        calls.producer.produce(calls.topics.lists, key="k", value=orjson.dumps(entry))
        calls.producer.produce(calls.topics.lists, key="bad", value=b"{}")
        calls.producer.flush()
        entered = time.monotonic()
        for attempt in range(100):
            calls.publish(setup(f"b{attempt}", callers[7]))
            assert not calls.until({f"b{attempt}"})
            if calls.decided[f"b{attempt}"][0][0]["action"] == "block":
                break
        assert calls.decided[f"b{attempt}"][0][0]["reasons"] == ["list.block"]
        assert time.monotonic() - entered < 5

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
        refused = read(kafka_settings, topics.dead_letter(calls.topics.lists), 1)
        assert (refused[0].key(), refused[0].value()) == (b"bad", b"{}")
    finally:
        [(code, errors)] = stop(worker)
    assert code == 0, errors


def test_joins_leaves_kills_and_stops_under_load_leave_no_setup_undecided(kafka_settings):
    """One worker stays; others join and leave in every way there is. A stopped one must publish nothing it held too long."""
    calls = Calls(kafka_settings)
    draw = random.Random(7)
    published = set()
    ending = threading.Event()

    def load():
        began, number = time.monotonic(), 0
        while not ending.is_set():
            for _ in range(20):
                calls.publish(setup(f"c{number}", f"+7701{draw.randrange(3_000):07d}"))
                published.add(f"c{number}")
                number += 1
            ending.wait(max(0.0, began + number / 1_000 - time.monotonic()))

    keeper = start(kafka_settings)
    load_thread = threading.Thread(target=load)
    try:
        calls.publish(setup("first", "+77010000001"))
        assert not calls.until({"first"})
        load_thread.start()
        for how in ("term", "kill", "stop", "term", "term"):
            other = start(kafka_settings)
            assert not calls.until(set(published), 30)
            _wait_for(lambda other=other: "partitions gained" in _peek(other), 30)
            if how == "term":
                [(code, errors)] = stop(other)
                assert code == 0, errors
            elif how == "kill":
                other.kill()
                other.communicate()
            else:
                other.send_signal(signal.SIGSTOP)
                assert not calls.until(set(published), 30)
                other.send_signal(signal.SIGCONT)
                code = other.wait(40)
                other.communicate()
                assert code == 1, "a worker that was stopped beyond its session ends with an error"
        ending.set()
        load_thread.join()
        assert not calls.until(published)
        assert len(published) > 5_000
    finally:
        ending.set()
        codes = stop(keeper)
    assert codes[0][0] == 0, codes[0][1]
    assert all(len({said["action"] for said, _ in found}) == 1 for found in calls.decided.values())


_LINES = {}


def _peek(worker):
    """What a worker has logged so far, read by a thread so that its pipe never fills."""
    if worker.pid not in _LINES:
        lines = _LINES[worker.pid] = []
        pipe = worker.stderr

        def follow():
            for line in pipe:
                lines.append(line)

        threading.Thread(target=follow, daemon=True).start()
        worker.stderr = None
    return "".join(_LINES[worker.pid])


def _wait_for(happened, seconds):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)


def test_a_brake_on_bad_input_stops_the_worker_with_a_clear_error(kafka_settings):
    calls = Calls(kafka_settings)
    for number in range(300):
        calls.publish(b"not json at all", key=str(number))
    calls.producer.flush()
    worker = start(kafka_settings, STREAMER_BRAKE_SHARE="0.5", STREAMER_BRAKE_RECORDS="100")
    _, errors = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "records of" in errors
    assert "are bad" in errors


def test_faust_starts_the_same_worker(kafka_settings, tmp_path):
    calls = Calls(kafka_settings)
    env = {"STREAMER_BOOTSTRAP": kafka_settings.bootstrap, "STREAMER_PREFIX": kafka_settings.prefix, "STREAMER_PARTITIONS": "4",
           "STREAMER_GROUP": kafka_settings.group, "STREAMER_METRICS_PORT": "0", "STREAMER_MAX_CALLERS": "10000"}  # fmt: skip
    command = [sys.executable, "-m", "faust", "-A", "streamer.stream.app", "worker", "-l", "info", "--without-web"]
    worker = subprocess.Popen(
        command, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        calls.publish(setup("c", "+77010000001"))
        assert not calls.until({"c"})
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == 0


def test_several_processes_share_the_partitions_and_stop_together(kafka_settings):
    calls = Calls(kafka_settings)
    workers = start(kafka_settings, "--processes", "2")
    try:
        wanted = {f"c{number}" for number in range(2_000)}
        for number in range(2_000):
            calls.publish(setup(f"c{number}", f"+7701{number:07d}"))
        assert not calls.until(wanted)
    finally:
        [(code, errors)] = stop(workers)
    assert code == 0, errors
