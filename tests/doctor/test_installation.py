"""The doctor's round on a real broker: each thing that can be wrong is found, told apart and comes with its mend."""

import re
import threading
import time

import orjson
import pytest
from confluent_kafka.admin import NewTopic

from streamer.calls.codec import encode
from streamer.calls.decisions import ModelPointer, Policy, PolicyPointer
from streamer.calls.events import ListEntry, OperatorInfo, SubscriberFact, TrunkInfo
from streamer.calls.numbers import home_plan
from streamer.commands import main
from streamer.doctor.facts import Told
from streamer.doctor.findings import Finding, worst
from streamer.doctor.installation import group_of, of_brokers, of_group, of_secret, of_topics
from streamer.doctor.registers import Entry, judge
from streamer.kafka import topic_changes
from streamer.kafka.broker import free_port
from streamer.kafka.clients import admin, producer
from streamer.kafka.topic_changes import Found
from streamer.kafka.topics import Topics, ensure
from streamer.settings import load
from tests.stream.live import Calls, Worker, setup, wait_until

OPERATOR = encode(OperatorInfo(operator="op-a"))


# -- what is judged from what was read ------------------------------------------------------------------------


def entries(*records):
    return [Entry(kind, key, value, f"{kind} offset {at}") for at, (kind, key, value) in enumerate(records)]


def control(*records, publishing=("op-a",)):
    return {finding.check: finding for finding in judge(entries(*records), "KZ", publishing)}


def test_sound_registers():
    entry = ListEntry(list="block", match="exact", number="+77011234567", side="caller")
    help_line = ListEntry(list="emergency", match="exact", number="1414", side="called")
    found = control(
        ("operators", "op-a", OPERATOR),
        ("lists", entry.key, encode(entry)),
        ("lists", help_line.key, encode(help_line)),
        ("policy", "policy@1", encode(Policy(version="1"))),
        ("policy", "current", encode(PolicyPointer(version="1"))),
        ("lists", "gone", None),
        ("operators", "op-b", encode(OperatorInfo(operator="op-b", ranges=["8 705"]))),
        ("trunks", "op-a/t", encode(TrunkInfo(operator="op-a", trunk="t", kind="direct", partner="op-b"))),
    )
    assert {finding.state for finding in found.values()} == {"ok"}
    assert "8 records read; in force: operators 2, trunks 1, lists 2, policy 2" in found["control"].text
    assert found["emergency"].text == "calls to 101, 102, 103, 112 always pass; entries of the list emergency: 1"


@pytest.mark.parametrize(
    ("records", "check", "state", "words"),
    [
        ([("operators", "op-a", b"{}")], "control", "failed", "operators offset 0 under 'op-a'"),
        ([("lists", "k", b"\xff")], "control", "failed", "1 control records are refused"),
        ([("policy", "current", encode(PolicyPointer(version="9")))], "policy", "failed", "'9', which is not there"),
        ([("policy", "policy@1", encode(Policy(version="1", kill_switch=True))),
          ("policy", "current", encode(PolicyPointer(version="1")))], "policy", "warning", "kill switch is on"),
        ([("policy", "policy@1", b'{"version":"1","governor":{"min_calls":50}}'),
          ("policy", "current", encode(PolicyPointer(version="1")))], "policy", "warning", "did you mean 'min_lines'"),
        ([("models", "current/champion", encode(ModelPointer(name="champion", version=3, epoch=1)))], "model", "failed", "champion@3"),
        ([("trunks", "op-a/t", encode(TrunkInfo(operator="op-a", trunk="t", ranges=["727"])))], "control", "failed", "range '727' is no"),
        ([("operators", "op-b", encode(OperatorInfo(operator="op-b", ranges=["+7705", "0705"])))], "ranges", "failed", "of op-b: range '0705'"),
        ([("operators", "op-b", encode(OperatorInfo(operator="op-b"))), *(("trunks", f"op-a/{to}", encode(
            TrunkInfo(operator="op-a", trunk=to, kind="direct", partner=to))) for to in ("op-b", "op-c"))], "trunks", "warning", "2 direct trunks"),
        ([("lists", key, encode(ListEntry(list="protected", match="exact", number=key, side=side))) for key, side in (
            ("+77272500000", "caller"), ("+77272500001", "called"))], "lists", "warning", "1 entry does nothing, first '+77272500000'"),
        ([], "operators", "warning", "not registered: op-a"),
        ([("operators", "op-a", OPERATOR), ("operators", "op-a", None)], "operators", "warning", "op-a"),
    ],
)  # fmt: skip
def test_registers_that_do_not_hold(records, check, state, words):
    finding = control(*records)[check]
    assert finding.state == state
    assert words in finding.text
    assert finding.mend


def line(number, **more):
    known = {"fact": "line", "value": "active", "operator": "op-a", "at": 1_763_953_123_000}
    return encode(SubscriberFact(number=f"+7701{number:07d}", **known | more))


def of_lines(*values):
    told = Told(home_plan("KZ"))
    for value in values:
        told.take(b"", value, 0, 1, "here")
    return told.findings()[1:]


def test_lines_that_nobody_knows_the_age_of():
    assert of_lines(line(1, since=5), line(2, value="inactive")) == []
    (finding,) = of_lines(line(1, since=5), line(2), line(3, operator="op-b"), line(4, operator="op-c", since=5))
    assert (finding.check, finding.state) == ("facts", "warning")
    assert "op-a 1 of 2 (50 %), op-b 1 of 1 (100 %):" in finding.text
    assert finding.mend


@pytest.mark.parametrize(
    ("group", "state", "words"),
    [
        (None, "warning", "do not tell"),
        (
            group_of("STABLE", 2, frozenset({0, 1}), {0: (0, 9), 1: (0, 9)}, {0: 9, 1: 4}),
            "ok",
            "2 workers in group 'g'; 5",
        ),
        (group_of("STABLE", 1, frozenset({0}), {0: (0, 9), 1: (0, 9)}, {}), "failed", "reads partitions 1"),
        (group_of("PREPARING_REBALANCE", 1, frozenset(), {0: (0, 9)}, {}), "warning", "is preparing rebalance"),
        (
            group_of("EMPTY", 0, frozenset(), {0: (3, 9)}, {0: 4}),
            "warning",
            "no worker is in group 'g'; 5 records wait",
        ),
        (group_of("EMPTY", 0, frozenset(), {0: (5, 9)}, {0: 4}), "failed", "deleted by now, in partitions 0"),
    ],
)
def test_the_group(group, state, words):
    finding = of_group("g", group, 2)
    assert (finding.state, bool(finding.mend)) == (state, state != "ok")
    assert words in finding.text


def test_a_public_secret_is_a_failure_wherever_others_can_reach():
    assert of_secret(load()).state == "warning"
    assert of_secret(load(bootstrap="localhost:9092,kafka.example:9092")).state == "failed"
    assert of_secret(load(bootstrap="kafka.example:9092", secret="own")).state == "ok"


def test_too_few_brokers_leaders_and_replicas_in_sync():
    assert of_brokers(1, 3).state == "failed"
    assert of_brokers(3, 3).state == "ok"
    assert of_brokers(1, 1).state == "ok"
    assert of_brokers(3, 1).state == "warning"
    asked_for_more = {"a": Found(1, 1, 1, 0, {"min.insync.replicas": "2"})}
    assert [finding.state for finding in of_topics((), asked_for_more, ["a"])] == ["ok"], "brokers take the smaller"
    there = {
        "a": Found(1, 3, 0, 1, {}),
        "b": Found(1, 3, 1, 0, {"min.insync.replicas": "2"}),
        "c": Found(1, 3, 1, 0, None),
    }
    dark, thin = of_topics((), there, [*there])
    assert dark.state == thin.state == "failed"
    assert dark.text.endswith("without a leader: a")
    assert thin.text.endswith(": b")


def test_the_gravest_counts():
    assert worst([]) == "skipped"
    assert worst([Finding("a", "ok", ""), Finding("b", "failed", ""), Finding("c", "warning", "")]) == "failed"


# -- on a real broker ------------------------------------------------------------------------------------------


@pytest.fixture
def shell(make_settings, monkeypatch):
    """The settings of a test in the environment, as a user has them."""
    settings = make_settings()
    for name in ("bootstrap", "prefix", "partitions", "group", "trainer_group", "signals_group"):
        monkeypatch.setenv(f"STREAMER_{name.upper()}", str(getattr(settings, name)))
    return settings


@pytest.fixture
def examined(shell, capsys):
    """Runs the command with `--json`; gives the exit code, and finding by check (the gravest, where there are several)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["doctor", "--json", "--listen", "0.3", "--wait", "60", *arguments])
        said = capsys.readouterr()
        assert said.err == ""
        told = orjson.loads(said.out)
        assert told["sound"] == (not ended.value.code)
        found = {}
        for check in told["checks"]:
            finding = Finding(**check)
            before = found.get(finding.check)
            if before is None or worst([finding, before]) != before.state:
                found[finding.check] = finding
        return ended.value.code or 0, found

    return run


def publish(settings, *records):
    """Records as (value, key, partition or None) into `calls`, or (topic, key, value) given as a dict of topic."""
    client = producer(settings)
    for topic, key, value, place in records:
        where = {} if place is None else {"partition": place}
        client.produce(topic, key=key, value=value, **where)
    assert client.flush(20) == 0


def call(number, **more):
    return orjson.dumps(setup(f"c{number}", f"+7701{number:07d}", **more))


@pytest.mark.broker
def test_a_sound_installation_with_worker_trainer_and_merger(shell, examined, monkeypatch, tmp_path):
    ensure(shell)
    publish(shell, (Topics(shell).operators, "op-a", OPERATOR, None))
    code, found = examined()
    assert code == 0, found
    assert found["keys"].state == found["clock"].state == "skipped", "nothing was published yet"
    assert found["group"].state == "warning"
    assert found["secret"].state == "warning"
    assert examined("--strict")[0] == 1
    with Worker(shell) as worker:
        calls = Calls(shell)
        calls.publish(setup("first", "+77010000001"))
        assert not calls.until(["first"])
        monkeypatch.setenv("STREAMER_SECRET", "own")
        wait_until(lambda: examined()[1]["group"].state == "ok")
        code, found = examined()
        assert code == 0, found
        states = {check: finding.state for check, finding in found.items() if finding.state != "ok"}
        assert states == {"own clock": "skipped", "facts": "skipped", "trainer": "warning", "merger": "warning"}
        assert "1 worker in group" in found["group"].text
        assert "start one: `streamer trainer`" in found["trainer"].mend
        own = {"STREAMER_TRAINER_GROUP": shell.trainer_group, "STREAMER_TRAINER_DATA": str(tmp_path), "STREAMER_TRAINER_METRICS_PORT": "0"}  # fmt: skip
        with Worker(shell, command="signals") as merger, Worker(shell, command="trainer", **own) as trainer:
            wait_until(lambda: {examined()[1][check].state for check in ("trainer", "merger")} == {"ok"})
            code, found = examined("--strict")
            assert code == 0, found
            assert merger.stop() == trainer.stop() == worker.stop() == 0


@pytest.mark.broker
def test_clocks_are_compared_by_records_that_arrive_meanwhile(shell, examined):
    ensure(shell)
    calls = Calls(shell)

    def state():
        calls.publish(setup("c", "+77010000001"))
        calls.producer.flush(10)
        return examined("--listen", "3")[1]["own clock"].state

    ending = threading.Event()

    def trickle():
        while not ending.is_set():
            calls.publish(setup(str(time.monotonic_ns()), "+77010000001"))
            ending.wait(0.02)

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        assert state() in {"ok", "warning"}, "the broker is on this machine; a slow one makes records travel long"
    finally:
        ending.set()
        thread.join()


@pytest.mark.broker
def test_wrong_keys_partitioner_and_clocks_are_told_by_operator(shell, examined):
    ensure(shell)
    topics, now = Topics(shell), int(time.time() * 1000)
    publish(
        shell,
        *((topics.calls, f"+7701{n:07d}", call(n), None) for n in range(20)),
        *((topics.calls, f"8701{n:07d}", call(n, operator="op-key"), None) for n in range(20, 24)),
        *((topics.calls, f"+7701{n:07d}", call(n, operator="op-crc"), n % 4) for n in range(24, 44)),
        *(
            (topics.calls, f"+7701{n:07d}", call(n, operator="op-ahead", at=now + 3_600_000), None)
            for n in range(44, 48)
        ),
        (topics.calls, b"x", b"no json", None),
    )
    code, found = examined()
    assert code == 1
    assert "op-key 4 of 4 (100 %)" in found["keys"].text
    # which of the four is shown hangs on which partition is read first
    assert re.search(r"the key '(8\d+)' is not the caller key, its key is '\+7701000002[0-3]'", found["keys"].text)
    assert "op-crc" in found["partitioner"].text
    assert not {"op-a", "op-key"} & set(found["partitioner"].text.replace(",", " ").split())
    assert "murmur2_random" in found["partitioner"].mend
    assert found["clock"].state == "failed"
    assert found["clock"].text.startswith("op-ahead: `at` is 3")
    assert "4 of 4 (100 %)" in found["clock"].text
    assert "op-ahead, op-crc, op-key" in found["operators"].text


@pytest.mark.broker
def test_facts_that_workers_do_not_find_or_understand(shell, examined):
    ensure(shell)
    topics, now = Topics(shell), int(time.time() * 1000)

    def fact(number, **more):
        told = {"number": number, "at": now, "fact": "location", "value": "home", "operator": "op-a"} | more
        return orjson.dumps(told)

    assert examined()[1]["facts"].state == "skipped"
    publish(shell, *((topics.location, f"+7701{n:07d}", fact(f"+7701{n:07d}"), None) for n in range(8)))
    assert examined()[1]["facts"][1:3] == ("ok", "8 facts lie where their numbers' calls do")
    publish(shell, (topics.location, "+77010000001", fact("+77010000001", value="abroad"), None))
    found = examined()[1]["facts"]
    assert (found.state, found.text.split(",")[0]) == ("warning", "1 of 9 (11.1 %) facts say a word that nobody knows")
    publish(shell, *((topics.line, "+77010000001", None, place) for place in range(4)))
    code, checks = examined()
    assert (code, checks["facts"].state) == (1, "failed")
    assert "3 of 13 (23.1 %) facts in another partition than their numbers' calls" in checks["facts"].text
    assert "murmur2_random" in checks["facts"].mend


@pytest.mark.broker
def test_topics_that_are_missing_or_wrong(shell, examined, monkeypatch):
    code, found = examined()
    assert code == 1
    assert "`streamer topics apply`" in found["topics"].mend
    assert found["keys"].state == found["control"].state == "failed"
    assert "cannot be read" in found["control"].text
    topics, client = Topics(shell), admin(shell)
    client.create_topics([NewTopic(topics.calls, 3, 1)])[topics.calls].result(20)
    code, found = examined()
    assert code == 1
    assert f"{topics.calls} has 3 partitions, the settings ask for 4" in found["topics"].text
    monkeypatch.setenv("STREAMER_PARTITIONS", "3")
    topic_changes.apply(load())
    code, found = examined()
    assert (code, found["topics"].state) == (0, "ok")


@pytest.mark.broker
def test_a_setting_of_a_topic_that_differs(shell, examined, monkeypatch):
    ensure(shell)
    monkeypatch.setenv("STREAMER_RETENTION_H", '{"calls": 48}')
    code, found = examined()
    assert (code, found["topics"].state) == (1, "failed")
    assert "retention.ms 86400000 -> 172800000" in found["topics"].text


@pytest.mark.broker
def test_control_records_that_workers_refuse(shell, examined):
    ensure(shell)
    publish(shell, (Topics(shell).lists, "block/exact", b'{"list":"blok"}', None))
    code, found = examined()
    assert code == 1
    assert f"{Topics(shell).lists} offset 0 under 'block/exact'" in found["control"].text
    assert "tombstone" in found["control"].mend


@pytest.mark.broker
def test_live_judges_one_operator_as_it_publishes(shell, examined, capsys):
    ensure(shell)
    calls, ending = Calls(shell), threading.Event()

    def publishing():
        number = 0
        while not ending.is_set():
            number += 1
            calls.publish(setup(f"a{number}", f"+7701{number:07d}"))
            calls.publish(setup(f"b{number}", f"+7702{number:07d}", operator="op-b"), key=f"8702{number:07d}")
            ending.wait(0.01)

    thread = threading.Thread(target=publishing)
    thread.start()
    try:
        code, found = examined("--live", "op-a", "--seconds", "2")
        assert code == 1
        assert {check for check, finding in found.items() if finding.state == "failed"} == {"ends"}
        code, found = examined("--live", "op-b", "--seconds", "1")
        assert {check for check, finding in found.items() if finding.state == "failed"} >= {"keys"}
        code, found = examined("--live", "op-c", "--seconds", "0.5")
        assert code == 1
        assert "nothing of 'op-c' came" in found["traffic"].text
    finally:
        ending.set()
        thread.join()


def test_no_broker_is_one_failure_and_the_rest_is_skipped(monkeypatch, capsys):
    monkeypatch.setenv("STREAMER_BOOTSTRAP", f"127.0.0.1:{free_port()}")
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--wait", "0.5"])
    assert ended.value.code == 1
    told = capsys.readouterr().out
    assert told.count("FAILED") == 1
    assert "streamer broker start" in told
    assert told.count("skipped  ") == 10
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--wait", "0.5", "--live", "op-a"])
    assert ended.value.code == 1
    assert "do not answer" in capsys.readouterr().err


def test_wrong_usage_is_told(capsys):
    for arguments in (["x", "--live", "op-a"], ["x", "--key-separator", ""]):
        with pytest.raises(SystemExit) as ended:
            main(["doctor", *arguments])
        assert ended.value.code == 1
        assert capsys.readouterr().err.startswith("streamer: ")
