"""Topics: the contract's table, made on a real broker, and what exists otherwise is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streamer.errors import SettingsError, TopicError
from streamer.kafka import topic_changes
from streamer.kafka.broker import LocalBroker, free_port
from streamer.kafka.clients import admin
from streamer.kafka.dead_letters import dead_letter_headers, source_headers
from streamer.kafka.topics import DAY_MS, HOUR_MS, Topics, dead_letter, ensure
from streamer.settings import Settings, load

SAME_PARTITIONS = {
    "calls",
    "decisions",
    "evidence",
    "feedback",
    "state",
    *(f"subscribers.{fact}" for fact in ("location", "line", "sim", "device", "holder", "network")),
}
COMPACTED = {"lists", "policy", "operators", "trunks", "models", "trainer"}


def test_the_contracts_table() -> None:
    topics = Topics(load(prefix="kz.", partitions=7))
    specs = {topics.kind(spec.name): spec for spec in topics.specs}
    streams = {kind for kind in specs if not kind.endswith(".dlq")}
    assert streams == SAME_PARTITIONS | COMPACTED | {"counts", "signals", "cases"}
    assert all(spec.name.startswith("kz.") for spec in specs.values())
    assert {kind for kind in streams if specs[kind].partitions == 7} == SAME_PARTITIONS
    assert {kind for kind in streams if specs[kind].partitions == 1} == COMPACTED | {"counts", "signals", "cases"}
    compacted = {kind for kind in streams if specs[kind].config["cleanup.policy"] == "compact"}
    assert compacted == COMPACTED | {kind for kind in SAME_PARTITIONS if kind.startswith("subscribers.")}
    kept = {kind: int(specs[kind].config["retention.ms"]) for kind in streams - compacted}
    assert kept.pop("state") == -1  # workers themselves delete what no pointer needs
    assert kept == {
        "calls": DAY_MS, "decisions": HOUR_MS, "evidence": 30 * DAY_MS, "feedback": 90 * DAY_MS, "counts": HOUR_MS, "signals": DAY_MS,
        "cases": 365 * DAY_MS,
    }  # fmt: skip
    assert specs["signals"].config["cleanup.policy"] == "compact,delete"
    for kind in ("calls", "counts"):
        assert specs[kind].config["message.timestamp.type"] == "LogAppendTime"
    assert {spec.config["retention.bytes"] for spec in topics.specs} == {"-1"}
    letters = {kind for kind in specs if kind.endswith(".dlq")}
    assert letters == {f"{kind}.dlq" for kind in streams - {"decisions", "state", "trainer"}}
    assert all(specs[kind].config["retention.ms"] == str(14 * DAY_MS) for kind in letters)


def test_names_of_what_is_read_together() -> None:
    topics = Topics(load(prefix="p."))
    assert topics.control == (
        "p.operators.v1",
        "p.trunks.v1",
        "p.lists.v1",
        "p.policy.v1",
        "p.models.v1",
        "p.signals.v1",
    )
    assert topics.facts[0] == "p.subscribers.location.v1"
    assert topics.kind(topics.network) == "subscribers.network"
    assert dead_letter(topics.calls) == "p.calls.v1.dlq"


def test_retention_is_a_setting() -> None:
    topics = Topics(load(retention_h={"calls": 48, "calls.dlq": 1}))
    kept = {topics.kind(spec.name): spec.config.get("retention.ms") for spec in topics.specs}
    assert kept["calls"] == str(48 * HOUR_MS)
    assert kept["calls.dlq"] == str(HOUR_MS)
    assert kept["decisions"] == str(HOUR_MS)
    (calls,) = (spec for spec in topics.specs if spec.name == topics.calls)
    assert calls.config["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize("wrong", [{"cals": 1.0}, {"lists": 1.0}, {"calls": 0.0}])
def test_retention_of_what_has_none_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="retention_h"):
        _ = Topics(load(retention_h=wrong)).specs


def test_dead_letter_headers_are_the_contracts() -> None:
    received = [("rekeyed", b"1"), ("error.reason", b"old"), ("empty", None)]
    headers = dead_letter_headers("wrong_type", "é" * 2_000, "calls.v1", 3, 2**40, received)
    assert headers[-2:] == [("rekeyed", b"1"), ("empty", b"")]
    assert dict(headers) == {
        "rekeyed": b"1",
        "empty": b"",
        "error.reason": b"wrong_type",
        "error.message": b"\\xe9" * 512,
        "source.topic": b"calls.v1",
        "source.partition": b"3",
        "source.offset": b"1099511627776",
    }
    assert len(headers) == len(dict(headers))
    assert source_headers(0, 0) == [("source.partition", b"0"), ("source.offset", b"0")]


def described(client: AdminClient, topic: str) -> dict[str, Any]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    found: Any = client.describe_configs([resource])[resource].result(20)
    return {name: entry.value for name, entry in found.items()}


@pytest.mark.broker
def test_all_topics_are_made_once(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    topics = Topics(settings)
    made = ensure(settings)
    assert set(made) == {spec.name for spec in topics.specs}
    assert ensure(settings) == ()
    client = admin(settings)
    there = client.list_topics(timeout=20).topics
    for spec in topics.specs:
        assert len(there[spec.name].partitions) == spec.partitions
    for topic in (topics.calls, topics.lists, dead_letter(topics.calls)):
        (spec,) = (spec for spec in topics.specs if spec.name == topic)
        found = described(client, topic)
        assert {name: found[name] for name in spec.config} == spec.config


@pytest.mark.broker
def test_another_number_of_partitions_is_refused(make_settings: Callable[..., Settings]) -> None:
    ensure(make_settings(partitions=2))
    with pytest.raises(TopicError, match=r"calls\.v1 has 2 partitions, the settings ask for 3"):
        ensure(make_settings(partitions=3))


@pytest.mark.broker
def test_only_what_is_missing_is_made(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(partitions=2)
    topics = Topics(settings)
    admin_client = admin(settings)
    admin_client.create_topics([NewTopic(topics.sim, 2, 1)])[topics.sim].result(20)
    assert set(ensure(settings)) == {spec.name for spec in topics.specs} - {topics.sim}


@pytest.mark.broker
def test_calls_without_the_append_time_are_refused(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(partitions=1)
    calls = Topics(settings).calls
    admin_client = admin(settings)
    admin_client.create_topics([NewTopic(calls, 1, 1)])[calls].result(20)
    with pytest.raises(TopicError, match=r"message\.timestamp\.type=CreateTime"):
        ensure(settings)


def test_silent_brokers_are_said_to_be_silent() -> None:
    with pytest.raises(TopicError, match="do not answer within 1 s"):
        ensure(load(bootstrap=f"127.0.0.1:{free_port()}"), wait_s=1)


@pytest.mark.broker
def test_a_size_that_the_cluster_keeps_holds_for_no_topic_of_ours(tmp_path: Path) -> None:
    broker = LocalBroker(tmp_path, port=0, heap="300m", properties={"log.retention.bytes": "1048576"})
    try:
        settings = load(bootstrap=broker.start(dies_with_parent=True).address, partitions=1)
        ensure(settings)
        names = [spec.name for spec in Topics(settings).specs]
        found = topic_changes.look(admin(settings), names)
        assert {name: (topic.config or {})["retention.bytes"] for name, topic in found.items()} == dict.fromkeys(
            names, "-1"
        )
        assert topic_changes.diff(settings) == ()
    finally:
        broker.stop(delete_data=True)
