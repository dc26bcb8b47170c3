"""`streamer topics`: what differs is told, altered or refused, on a real broker."""

import orjson
import pytest
from confluent_kafka.admin import NewTopic

from streamer.commands import main
from streamer.errors import SettingsError, TopicError
from streamer.kafka import topic_changes
from streamer.kafka.broker import free_port
from streamer.kafka.clients import admin
from streamer.kafka.topic_changes import Change, Found, compare
from streamer.kafka.topics import HOUR_MS, Topics, TopicSpec, ensure
from streamer.settings import load

SPEC = TopicSpec("calls.v1", 4, {"retention.ms": "5", "max.message.bytes": "10"})


def found(partitions=4, replicas=1, config=None):
    own = {"retention.ms": "5", "max.message.bytes": "10"}
    return {"calls.v1": Found(partitions, replicas, replicas, 0, own | (config or {}))}


def test_what_is_as_asked_differs_in_nothing():
    assert compare([SPEC], found()) == ()
    assert compare([SPEC], found(replicas=3, config={"max.message.bytes": "11", "retention.bytes": "7"})) == ()


@pytest.mark.parametrize(
    ("there", "change"),
    [
        ({}, Change("calls.v1", "create", wanted="4 partitions, 1 replica")),
        (found(partitions=3), Change("calls.v1", "refuse", "partitions", "3", "4")),
        (found(config={"retention.ms": "6"}), Change("calls.v1", "alter", "retention.ms", "6", "5")),
        (found(config={"max.message.bytes": "9"}), Change("calls.v1", "alter", "max.message.bytes", "9", "10")),
        ({"calls.v1": Found(4, 1, 1, 0, None)}, Change("calls.v1", "unknown")),
    ],
)
def test_each_difference_is_told_with_its_mend(there, change):
    assert compare([SPEC], there) == (change,)
    assert "calls.v1" in change.text
    assert change.mend


def test_fewer_replicas_than_set_need_an_administrator():
    (change,) = compare([SPEC], found(replicas=2), replication=3)
    assert change == Change("calls.v1", "move", "replicas", "2", "3")
    assert "kafka-reassign-partitions" in change.mend


def test_least_in_sync_replicas_are_a_setting_and_cannot_be_more_than_there_are():
    specs = Topics(load(replication=3, min_insync_replicas=2)).specs
    assert {spec.config["min.insync.replicas"] for spec in specs} == {"2"}
    assert not any("min.insync.replicas" in spec.config for spec in Topics(load(replication=3)).specs)
    with pytest.raises(SettingsError, match="more than replication"):
        _ = Topics(load(replication=1, min_insync_replicas=2)).specs


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["topics", *arguments])
    return ended.value.code or 0


@pytest.fixture
def shell(make_settings, monkeypatch):
    """The settings of a test in the environment, as a user has them."""
    settings = make_settings()
    for name in ("bootstrap", "prefix", "partitions"):
        monkeypatch.setenv(f"STREAMER_{name.upper()}", str(getattr(settings, name)))
    return settings


@pytest.mark.broker
def test_apply_makes_what_diff_tells_and_then_nothing_differs(shell, capsys):
    names = [spec.name for spec in Topics(shell).specs]
    assert run("diff") == 1
    told = capsys.readouterr().out
    assert f"{shell.prefix}calls.v1: to be created, 4 partitions, 1 replica\n" in told
    assert told.endswith(f"{len(names)} differences\n")
    assert topic_changes.look(admin(shell), names) == {}, "diff made nothing"

    assert run("apply") == 0
    assert f"{shell.prefix}lists.v1: created, 1 partition, 1 replica\n" in capsys.readouterr().out
    assert run("diff") == 0
    assert run("apply") == 0
    assert "0 changes made" in capsys.readouterr().out


@pytest.mark.broker
def test_settings_that_differ_are_altered_and_records_stay(shell, monkeypatch, capsys):
    """A topic that others made, with another clean-up, retention and clock."""
    topics, client = Topics(shell), admin(shell)
    config = {
        "cleanup.policy": "compact",
        "max.message.bytes": "20000",
        "retention.bytes": "123456",
        "index.interval.bytes": "5000",
    }
    client.create_topics([NewTopic(topics.calls, 4, 1, config=config)])[topics.calls].result(20)
    with pytest.raises(TopicError, match="`streamer topics apply`"):
        ensure(shell)
    monkeypatch.setenv("STREAMER_RETENTION_H", '{"calls": 48}')
    assert run("diff", "--json") == 1
    told = orjson.loads(capsys.readouterr().out)
    altered = {
        change["setting"]: (change["there"], change["wanted"])
        for change in told["changes"]
        if change["topic"] == topics.calls
    }
    assert altered.pop("segment.ms")
    assert altered == {
        "cleanup.policy": ("compact", "delete"),
        "retention.ms": ("604800000", str(48 * HOUR_MS)),
        "message.timestamp.type": ("CreateTime", "LogAppendTime"),
        "max.message.bytes": ("20000", "1048588"),
        "retention.bytes": ("123456", "-1"),
    }
    assert run("apply", "--json") == 0
    told = orjson.loads(capsys.readouterr().out)
    assert told["left"] == []
    assert {(change["topic"], change["kind"]) for change in told["changed"]} == {(topics.calls, "alter")}
    there = topic_changes.look(client, [topics.calls])[topics.calls]
    assert there.config["message.timestamp.type"] == "LogAppendTime"
    assert there.config["index.interval.bytes"] == "5000", "what the contract does not speak of stays"
    assert run("diff") == 0


@pytest.mark.broker
def test_another_partition_count_is_refused_with_why_and_what_to_do(shell, monkeypatch, capsys):
    ensure(shell)
    client, calls = admin(shell), Topics(shell).calls
    monkeypatch.setenv("STREAMER_PARTITIONS", "5")
    monkeypatch.setenv("STREAMER_RETENTION_H", '{"calls": 48}')
    before = topic_changes.look(client, [calls])
    assert run("diff") == 1
    told = capsys.readouterr().out
    assert f"{calls} has 4 partitions, the settings ask for 5\n    the number is fixed for life" in told
    assert run("apply") == 1
    told = capsys.readouterr().err
    for words in ("has 4 partitions", "Nothing was changed", "fixed for life", "STREAMER_PARTITIONS) to 4", "prefix"):
        assert words in told
    assert topic_changes.look(client, [calls]) == before


@pytest.mark.broker
def test_what_a_broker_refuses_is_said(shell, capsys):
    """One broker cannot hold three replicas."""
    assert run("apply", "--replication", "3") == 1
    assert "cannot be created" in capsys.readouterr().err
    ensure(shell)
    assert run("apply", "--replication", "3") == 1
    assert "has 1 replicas, the settings ask for 3\n    an administrator" in capsys.readouterr().out


def test_silent_brokers_are_said_to_be_silent(capsys):
    assert run("diff", "--bootstrap", f"127.0.0.1:{free_port()}", "--wait", "0.5") == 1
    assert "do not answer" in capsys.readouterr().err
