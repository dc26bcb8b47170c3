"""What differs between the topics of a cluster and the contract's, and what of it can be altered."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from streamer.errors import TopicError
from streamer.kafka.clients import asker, metadata, unanswered
from streamer.kafka.topics import Topics, TopicSpec, ensure
from streamer.settings import Settings

_WAIT_S: Final = 30.0
_POLL_S: Final = 0.05
_REFUSED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})


class Found(NamedTuple):
    """One topic as it exists: partitions, the fewest replicas and in-sync replicas of any, those without a leader, settings.

    `config` is None where this client may not look at the settings.
    """

    partitions: int
    replicas: int
    in_sync: int
    leaderless: int
    config: Mapping[str, str] | None


class Change(NamedTuple):
    """One difference.

    `kind`: ``create`` the topic is missing; ``alter`` a setting of it differs; ``move`` it has fewer replicas than asked
    for, which only an administrator's tool can mend; ``refuse`` its partition count differs, which nothing can mend;
    ``unknown`` its settings may not be looked at. `setting`, `there` and `wanted` are in Kafka's names, "" where none is meant.
    """

    topic: str
    kind: Literal["create", "alter", "move", "refuse", "unknown"]
    setting: str = ""
    there: str = ""
    wanted: str = ""

    @property
    def text(self) -> str:
        """The difference in words.

        >>> Change("calls.v1", "alter", "retention.ms", "1", "86400000").text
        'calls.v1: retention.ms 1 -> 86400000'
        """
        if self.kind == "create":
            return f"{self.topic}: to be created, {self.wanted}"
        if self.kind == "unknown":
            return f"{self.topic}: this user may not look at its settings"
        if self.kind == "alter":
            return f"{self.topic}: {self.setting} {self.there} -> {self.wanted}"
        return f"{self.topic} has {self.there} {self.setting}, the settings ask for {self.wanted}"

    @property
    def mend(self) -> str:
        """What to do."""
        if self.kind == "refuse":
            return (
                "the number is fixed for life, since state and order hang on it: set `partitions`"
                f" (STREAMER_PARTITIONS) to {self.there} if that is what all have, or use another `prefix` (STREAMER_PREFIX)"
            )
        if self.kind == "move":
            return (
                "an administrator adds replicas with kafka-reassign-partitions.sh; or set `replication` to what exists"
            )
        if self.kind == "unknown":
            return (
                "give this user the right DescribeConfigs on it, or ask its administrator to run `streamer topics diff`"
            )
        return "`streamer topics apply`"


def compare(specs: Iterable[TopicSpec], found: Mapping[str, Found], replication: int = 1) -> tuple[Change, ...]:
    """Every difference between topics as they have to exist and as they do, in the order of `specs`.

    A larger `max.message.bytes` and more replicas than asked for are none.

    >>> compare([TopicSpec("calls.v1", 4, {})], {"calls.v1": Found(3, 1, 1, 0, {})})[0].text
    'calls.v1 has 3 partitions, the settings ask for 4'
    """
    changes: list[Change] = []
    for spec in specs:
        there = found.get(spec.name)
        if there is None:
            copies = "1 replica" if replication == 1 else f"{replication} replicas"
            count = "1 partition" if spec.partitions == 1 else f"{spec.partitions} partitions"
            changes.append(Change(spec.name, "create", wanted=f"{count}, {copies}"))
            continue
        if there.partitions != spec.partitions:
            changes.append(Change(spec.name, "refuse", "partitions", str(there.partitions), str(spec.partitions)))
        if there.replicas < replication:
            changes.append(Change(spec.name, "move", "replicas", str(there.replicas), str(replication)))
        if there.config is None:
            changes.append(Change(spec.name, "unknown"))
            continue
        for setting, wanted in spec.config.items():
            value = there.config.get(setting, "")
            if not _serves(setting, value, wanted):
                changes.append(Change(spec.name, "alter", setting, value or "nothing", wanted))
    return tuple(changes)


def _serves(setting: str, there: str, wanted: str) -> bool:
    if setting == "max.message.bytes" and there.isdigit():
        return int(there) >= int(wanted)
    return there == wanted


def look(client: AdminClient, names: Iterable[str], wait_s: float = _WAIT_S) -> dict[str, Found]:
    """Those of the topics `names` that exist, as they exist.

    Raises `TopicError` when the brokers refuse this client or do not answer within `wait_s`.
    """
    try:
        listed: Any = metadata(client, wait_s).topics
    except KafkaException as error:
        raise TopicError(unanswered(error, wait_s)) from error
    there = {name: listed[name] for name in names if name in listed and listed[name].partitions}
    configs = _configs(client, list(there), wait_s)
    return {name: _found(topic.partitions.values(), configs[name]) for name, topic in there.items()}


def _found(partitions: Iterable[Any], config: Mapping[str, str] | None) -> Found:
    held = list(partitions)
    return Found(
        len(held),
        min(len(partition.replicas) for partition in held),
        min(len(partition.isrs) for partition in held),
        sum(partition.leader < 0 for partition in held),
        config,
    )


def _configs(client: AdminClient, names: list[str], wait_s: float) -> dict[str, dict[str, str] | None]:
    found: dict[str, dict[str, str] | None] = {}
    if not names:
        return found
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    for resource, future in client.describe_configs(resources, request_timeout=wait_s).items():
        try:
            entries: Any = future.result()
        except KafkaException as error:
            if error.args[0].code() not in _REFUSED:
                raise TopicError(f"settings of {resource.name} cannot be read: {error.args[0].str()}") from error
            found[resource.name] = None
        else:
            found[resource.name] = {name: entry.value or "" for name, entry in entries.items()}
    return found


def diff(settings: Settings, *, wait_s: float = _WAIT_S) -> tuple[Change, ...]:
    """What would have to change for the topics to be as the settings ask. Raises `TopicError` when the brokers do not answer."""
    specs = Topics(settings).specs
    client = asker(settings)
    return compare(specs, look(client, [spec.name for spec in specs], wait_s), settings.replication)


def apply(settings: Settings, *, wait_s: float = _WAIT_S) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Alter what differs and create what is missing; gives what was changed, and what differs still and needs other hands.

    Raises `TopicError`, and changes nothing, when a topic has another number of partitions; also when the brokers refuse
    a change or have not made it within `wait_s`.
    """
    specs = Topics(settings).specs
    names = [spec.name for spec in specs]
    client = asker(settings)
    before = compare(specs, look(client, names, wait_s), settings.replication)
    refused = [change for change in before if change.kind == "refuse"]
    if refused:
        told = "; ".join(change.text for change in refused)
        raise TopicError(f"{told}. Nothing was changed: {refused[0].mend}")
    _alter(client, [change for change in before if change.kind == "alter"], wait_s)
    until = time.monotonic() + wait_s
    # What was altered reaches the brokers' own view a moment later.
    while any(change.kind == "alter" for change in compare(specs, look(client, names, wait_s), settings.replication)):
        if time.monotonic() > until:
            raise TopicError(f"settings altered, but not in force within {wait_s:.0f} s; see `streamer topics diff`")
        time.sleep(_POLL_S)
    ensure(settings, wait_s=wait_s)
    done = tuple(change for change in before if change.kind in {"alter", "create"})
    return done, tuple(change for change in before if change.kind in {"move", "unknown"})


def _alter(client: AdminClient, changes: list[Change], wait_s: float) -> None:
    if not changes:
        return
    by_topic: dict[str, list[Any]] = {}
    for change in changes:
        entry = ConfigEntry(change.setting, change.wanted, incremental_operation=AlterConfigOpType.SET)
        by_topic.setdefault(change.topic, []).append(entry)
    resources = [
        ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries) for name, entries in by_topic.items()
    ]
    for resource, future in client.incremental_alter_configs(resources, request_timeout=wait_s).items():
        try:
            future.result()
        except KafkaException as error:
            raise TopicError(f"settings of {resource.name} cannot be altered: {error.args[0].str()}") from error
