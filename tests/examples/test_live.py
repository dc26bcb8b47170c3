"""The examples as processes of their own, on a real broker with a real worker, and without any."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
import pytest

from streamer.calls.partitioner import partition_of
from streamer.kafka import topics
from streamer.kafka.processes import free_port
from tests.stream.live import Calls, Worker, read, setup, wait_until

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
WANGIRI = "+21629000001"


class Switch:
    """`switch_consumer.py`, fed with what a switch sees; what it says is read all the while."""

    def __init__(self, settings, *more):
        command = [sys.executable, str(EXAMPLES / "switch_consumer.py"), "--bootstrap", settings.bootstrap,
                   "--prefix", settings.prefix, "--operator", "op-a", *more]  # fmt: skip
        # Unbuffered, a line and its end are written one after the other, and librdkafka says something in between.
        env = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, env=env
        )
        self.said, self.log = [], []
        self._readers = [
            threading.Thread(target=self._read, args=reading, daemon=True)
            for reading in (
                (self.process.stdout, self.said, orjson.loads),
                (self.process.stderr, self.log, bytes.decode),
            )
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(pipe, into, understood):
        with pipe:
            into.extend(map(understood, pipe))

    def see(self, kind, call_id, caller, **more):
        event = {"type": kind, "call_id": call_id, "caller": caller, "callee": "+77272345678"}
        self.process.stdin.write(orjson.dumps(event | more) + b"\n")

    def setup(self, call_id, caller, ingress="international", **more):
        self.see("setup", call_id, caller, ingress=ingress, **more)

    def told(self, call_id, times=1):
        """The latest thing said of a call, once that many have been."""
        wait_until(lambda: len(self.of(call_id)) >= times, tell=lambda: f"{call_id}: {self.said} {self.log}")
        assert len(self.of(call_id)) == times
        return self.of(call_id)[-1]

    def of(self, call_id):
        return [said for said in self.said if said["call_id"] == call_id]

    def end(self):
        """Close its input; gives its exit code and what it counted."""
        self.process.stdin.close()
        code = self.process.wait(30)
        for reader in self._readers:
            reader.join(10)
        (counts,) = [line for line in self.log if line.startswith("{")]  # librdkafka may have the last word
        return code, orjson.loads(counts)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.mark.broker
def test_a_switch_obeys_verdicts_repeats_revisions_and_the_cache_and_lets_pass_what_has_none(kafka_settings, tmp_path):
    calls = Calls(kafka_settings)
    spared = tmp_path / "spared"
    spared.write_text("+77272000000\n+77273*\n")
    with Switch(kafka_settings, "--timeout-ms", "20000", "--home", "KZ", "--never-cached", str(spared)) as patient:
        wait_until(lambda: "ready\n" in patient.log, tell=lambda: patient.log)
        operator = {"operator": "op-a", "deadline_ms": 60_000}  # however slow this machine is
        calls.producer.produce(calls.topics.operators, key="op-a", value=orjson.dumps(operator))
        with Worker(kafka_settings) as worker:
            calls.publish(setup("first", "+77010000001"))
            assert not calls.until({"first"}), worker.log
            patient.setup("spoofed", "+77030000001")
            told = patient.told("spoofed")
            assert (told["do"], told["why"], told["sip_code"], told["q850"]) == ("reject", "verdict", 608, 21)
            assert "number_invalid.not_in_plan" in told["reasons"]
            patient.setup("honest", "8 701 123 45 67", "national")
            assert patient.told("honest")["do"] == "pass"
            patient.see("answer", "honest", "8 701 123 45 67", ring_ms=900)
            patient.see("end", "honest", "8 701 123 45 67", ring_ms=900, talk_ms=5000, cause=16)

            lured = 0
            while not any(said["do"] == "reject" and said["call_id"].startswith("lure") for said in patient.said):
                lured += 1
                assert lured < 60, patient.said
                patient.setup(f"lure{lured}", WANGIRI, "national", callee=f"+7727{lured * 791_939 % 10**7:07d}")
                patient.told(f"lure{lured}")
                patient.see(
                    "end",
                    f"lure{lured}",
                    WANGIRI,
                    callee=f"+7727{lured * 791_939 % 10**7:07d}",
                    ring_ms=900,
                    talk_ms=0,
                    cause=16,
                )
            assert "wangiri.one_ring" in patient.told(f"lure{lured}")["reasons"]
            patient.setup("cached", WANGIRI, "national")
            assert (patient.told("cached")["do"], patient.told("cached")["why"]) == ("reject", "cache")
            patient.setup("spared", WANGIRI, "national", callee="87273111111")
            assert patient.told("spared")["why"] == "verdict"
            patient.setup("help", WANGIRI, "national", callee="sip:112@op.kz")
            assert (patient.told("help")["do"], patient.told("help")["why"]) == ("pass", "emergency")
            assert not calls.until({"spoofed", "honest", "cached", "help", "spared"}), worker.log

            again = calls.decided["honest"][0][0] | {"action": "block", "sip_code": 608, "q850": 21}
            calls.publish(setup("rings", "+77011234567"))
            patient.setup("rings", "+77011234567", "national")
            assert patient.told("rings")["do"] == "pass"
            for changed in ({}, {"revises": True}):  # the detector has no revisions of its own yet
                revision = orjson.dumps(again | {"call_id": "rings"} | changed)
                calls.producer.produce(calls.topics.decisions, key="rings", value=revision)
                calls.producer.flush()
            told = patient.told("rings", times=2)
            assert (told["do"], told["why"], told["sip_code"]) == ("stop", "revised", 608)
            assert worker.stop() == 0, worker.log
        code, counts = patient.end()
        assert code == 0
        assert counts["repeated"] >= 1
        assert counts["of_cached"] == 1

    published = read(kafka_settings, calls.topics.calls, 4, wanted=6)
    assert {record.partition() for record in published if record.key() == b"+77011234567"} == {2}
    of_honest = [orjson.loads(record.value()) for record in published if b'"honest"' in record.value()]
    assert [event["type"] for event in of_honest] == ["setup", "answer", "end"]
    assert {event["caller"] for event in of_honest} == {"8 701 123 45 67"}
    (cached,) = [event for record in published if (event := orjson.loads(record.value()))["call_id"] == "cached"]
    assert cached["cached"] is True


@pytest.mark.broker
def test_a_call_that_no_worker_judges_passes_and_its_late_verdict_is_ignored(kafka_settings):
    calls = Calls(kafka_settings)
    with Switch(kafka_settings, "--timeout-ms", "300", "--linger-ms", "600000") as switch:
        wait_until(lambda: "ready\n" in switch.log, tell=lambda: switch.log)
        switch.setup("undecided", "+77030000001")
        told = switch.told("undecided")
        assert (told["do"], told["why"], told["sip_code"]) == ("pass", "no_verdict", None)
        assert told["waited_ms"] >= 300
        with Worker(kafka_settings) as worker:
            assert not calls.until({"undecided"}), worker.log
            decision, _ = calls.decided["undecided"][0]
            assert (decision["action"], decision["late"]) == ("block", True)
            switch.setup("after", "+77030000001")
            assert not calls.until({"after"}), worker.log
            wait_until(lambda: switch.of("after"), tell=lambda: switch.log)
            assert worker.stop() == 0, worker.log
        switch.process.terminate()
        code, counts = switch.end()
        # On a machine that has much to do the other verdict may come late too.
        late = sum(decision["late"] for found in calls.decided.values() for decision, _ in found)
        assert 1 <= counts["late"] <= late
        assert (code, len(switch.of("undecided"))) == (0, 1)


def test_calls_pass_while_there_are_no_brokers(make_unreachable):
    with Switch(make_unreachable, "--timeout-ms", "100") as switch:
        switch.process.stdin.write(b'{broken\n{"type":"setup","call_id":"half"}\n[1]\n\n')
        switch.setup("no-callee", "+77030000001", callee=None)
        for call_id, caller in (("alone", "+77030000001"), ("hidden", None)):
            switch.setup(call_id, caller)
            told = switch.told(call_id)
            assert (told["do"], told["why"]) == ("pass", "no_verdict")
        last = {"type": "setup", "call_id": "last", "caller": "1", "callee": "+77272345678", "ingress": "subscriber"}
        switch.process.stdin.write(orjson.dumps(last))
        code, counts = switch.end()
        assert (code, counts) == (0, {"no_verdict": 3})
    assert "the brokers do not answer; calls pass until they do\n" in switch.log
    assert "no emergency numbers are known: no call is answered from the cache; give --home\n" in switch.log
    assert sum(line.startswith("not understood: ") for line in switch.log) == 4


@pytest.fixture
def make_unreachable():
    """Settings that name a broker where nobody listens."""
    from streamer.settings import load

    return load(bootstrap=f"127.0.0.1:{free_port()}")


@pytest.mark.broker
def test_a_published_call_lies_in_its_partition_in_order_and_is_judged(kafka_settings):
    calls = Calls(kafka_settings)
    connection = ["--bootstrap", kafka_settings.bootstrap, "--prefix", kafka_settings.prefix]
    command = [sys.executable, str(EXAMPLES / "publisher.py"), *connection]
    call = ["--caller", "007 7030000001", "--call-id", "one", "--ring-ms", "20", "--talk-ms", "20"]
    with Worker(kafka_settings) as worker:
        done = subprocess.run([*command, *call], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "3 of 3 events delivered\n", "")
        events = b'{"type":"setup","call_id":"two","at":%d,"operator":"op-a","caller":"+77011234567","callee":"112","ingress":"subscriber"}\n'
        done = subprocess.run([*command, "--events", "-"], input=events % (time.time() * 1000), capture_output=True)
        assert (done.returncode, done.stdout) == (0, b"1 of 1 events delivered\n")
        assert not calls.until({"one", "two"}), worker.log
        assert calls.decided["one"][0][0]["action"] == "block"
        assert worker.stop() == 0, worker.log
    records = read(kafka_settings, calls.topics.calls, 4, wanted=4)
    of_one = [record for record in records if record.key() == b"+77030000001"]
    assert {record.partition() for record in of_one} == {partition_of(b"+77030000001", 4)}
    assert [orjson.loads(record.value())["type"] for record in of_one] == ["setup", "answer", "end"]
    assert read(kafka_settings, topics.dead_letter(calls.topics.calls), 1, seconds=0.5) == []


def test_a_publisher_says_what_was_not_delivered(tmp_path):
    config = tmp_path / "client.properties"
    config.write_text(f"bootstrap.servers=127.0.0.1:{free_port()}\nmessage.timeout.ms=200\n")
    command = [sys.executable, str(EXAMPLES / "publisher.py"), "--config", str(config), "--call-id", "lost"]
    done = subprocess.run([*command, "--ring-ms", "0", "--talk-ms", "0"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "0 of 2 events delivered\n")
    assert done.stderr.count("not delivered: lost: ") == 2


@pytest.mark.parametrize("script", ["publisher.py", "switch_consumer.py"])
def test_help_has_an_example(script):
    done = subprocess.run([sys.executable, str(EXAMPLES / script), "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"examples?:\n.*python examples/{script} --bootstrap", done.stdout, re.DOTALL)


@pytest.mark.broker
@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
def test_kcat_publishes_and_obeys(kafka_settings, tmp_path):
    """What docs/operators.md runs is not said again here: revisions, repeats, late verdicts, other operators, odd callers."""
    calls = Calls(kafka_settings)
    env = os.environ | {"KAFKA": kafka_settings.bootstrap, "PREFIX": kafka_settings.prefix, "FROM": "beginning"}
    told = {"operator": "op-a", "action": "allow", "sip_code": None, "q850": None, "revises": False, "late": False}
    block = told | {"action": "block", "sip_code": 608, "q850": 21}
    said = [
        {"call_id": "a"} | told, {"call_id": "a"} | block,
        {"call_id": "b"} | told, {"call_id": "b"} | block | {"revises": True}, {"call_id": "b"} | block | {"revises": True},
        {"call_id": "c"} | block | {"late": True},
        {"call_id": "d"} | block | {"operator": "op-b"},
        {"call_id": "e"} | block, {"call_id": "e"} | told,
    ]  # fmt: skip
    for decision in said:
        calls.producer.produce(
            calls.topics.decisions, key=decision["call_id"], value=orjson.dumps(decision), partition=0
        )
    calls.producer.flush()
    output = tmp_path / "told"
    with output.open("wb") as file:
        obeying = subprocess.Popen(["timeout", "60", EXAMPLES / "kcat.sh", "obey", "op-a"], env=env, stdout=file)
        try:
            wait_until(lambda: "\ne " in output.read_text(), tell=output.read_text)
        finally:
            obeying.terminate()
            obeying.wait(30)
    assert output.read_text().splitlines() == [
        "a pass allow sip=null q850=null",
        "b pass allow sip=null q850=null",
        "b stop block sip=608 q850=21",
        "e reject block sip=608 q850=21",
    ]
    lines = b'{"call_id":"x","caller": "+77011234567"}\n{"call_id":"y","caller":"8 701 123 45 67"}\n'
    done = subprocess.run([EXAMPLES / "kcat.sh", "publish"], env=env, input=lines, capture_output=True, timeout=60)
    assert done.stderr.startswith(b'not published, the caller is not spelt in E.164: {"call_id":"y"')
    (record,) = read(kafka_settings, calls.topics.calls, 4)
    assert (record.key(), record.value(), record.partition()) == (b"+77011234567", lines.splitlines()[0], 2)
