"""Names and settings of all topics: the contract's table in code. No topic name stands anywhere else."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from streamer.errors import SettingsError, TopicError
from streamer.kafka.clients import MAX_MESSAGE_BYTES, REFUSALS, GoOn, always, asker, metadata, unanswered
from streamer.settings import Settings

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

SUBSCRIBER_FACTS: Final = ("location", "line", "sim", "device", "holder", "network")
"""Facts an operator reports of its own line, each in a topic of its own."""

STREAM_BYTES: Final = 1024 * 1024 + 12
"""Largest message of a stream, in bytes: Kafka's own default, asked for so that no cluster's smaller one holds."""

_STATE_SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""The broker deletes whole segments alone."""

_DEAD_LETTER: Final = ".dlq"
_WAIT_S: Final = 30.0


Place = tuple[str, int]
"""Topic and partition."""


class TopicSpec(NamedTuple):
    """One topic as it has to exist: full name, number of partitions, settings in Kafka's names."""

    name: str
    partitions: int
    config: dict[str, str]


def dead_letter(topic: str) -> str:
    """Where records of `topic` go that cannot be taken in.

    >>> dead_letter("calls.v1")
    'calls.v1.dlq'
    """
    return topic + _DEAD_LETTER


class Topics:
    """The topics of one installation: full names as attributes, what each is about, and how it has to exist.

    Attributes
    ----------
    calls, decisions, evidence, feedback : str
        Streams, keyed as the contract says.
    lists, policy, operators, trunks, models, signals : str
        Compacted control topics, of one partition, so that a version always comes before what points to it.
    location, line, sim, device, holder, network : str
        Compacted facts of subscribers, partitioned like `calls`.
    counts : str
        Partial sums of scoring workers; one partition, whoever owns it merges them.
    cases : str
        What people act on; of one partition, so that changes of a case follow one another.
    state : str
        What scoring workers remember, partitioned like `calls`.
    trainer : str
        One partition; whoever owns it is the active trainer.
    control : tuple[str, ...]
        Topics that every scoring worker reads whole.
    facts : tuple[str, ...]
        Topics of which a scoring worker reads the partitions that it owns of `calls`.
    read : tuple[str, ...]
        Every topic that is read here and so has dead letters.
    """

    def __init__(self, settings: Settings) -> None:
        prefix = settings.prefix
        self._kept_h: Final = settings.retention_h
        self._replication: Final = settings.replication
        self._min_insync: Final = settings.min_insync_replicas
        self.prefix: Final = prefix
        self.partitions: Final = settings.partitions
        self.calls: Final = f"{prefix}calls.v1"
        self.decisions: Final = f"{prefix}decisions.v1"
        self.evidence: Final = f"{prefix}evidence.v1"
        self.feedback: Final = f"{prefix}feedback.v1"
        self.cases: Final = f"{prefix}cases.v1"
        self.lists: Final = f"{prefix}lists.v1"
        self.policy: Final = f"{prefix}policy.v1"
        self.operators: Final = f"{prefix}operators.v1"
        self.trunks: Final = f"{prefix}trunks.v1"
        self.models: Final = f"{prefix}models.v1"
        self.counts: Final = f"{prefix}counts.v1"
        self.signals: Final = f"{prefix}signals.v1"
        self.state: Final = f"{prefix}state.v1"
        self.trainer: Final = f"{prefix}trainer.v1"
        self.facts: Final = tuple(f"{prefix}subscribers.{fact}.v1" for fact in SUBSCRIBER_FACTS)
        self.location, self.line, self.sim, self.device, self.holder, self.network = self.facts
        self.control: Final = (self.operators, self.trunks, self.lists, self.policy, self.models, self.signals)
        streams = (self.calls, self.evidence, self.feedback, self.counts, self.cases)
        self.read: Final = (*streams, *self.facts, *self.control)

    def kind(self, topic: str) -> str:
        """What a topic is about, without prefix and version: ``lists``, ``subscribers.location``, ``calls.dlq``.

        >>> Topics(Settings(prefix="kz.")).kind("kz.subscribers.sim.v1")
        'subscribers.sim'
        """
        about, version = topic.removeprefix(self.prefix).rsplit(".v", 1)
        return about + version.lstrip("0123456789")

    @property
    def specs(self) -> tuple[TopicSpec, ...]:
        """Every topic as it has to exist, the dead letters of each topic that we read included."""
        streams = (
            TopicSpec(
                self.calls,
                self.partitions,
                # The append time is the clock that `at` is clamped to and that latency is counted from.
                _stream(DAY_MS) | {"message.timestamp.type": "LogAppendTime"},
            ),
            TopicSpec(self.decisions, self.partitions, _stream(HOUR_MS)),
            TopicSpec(self.evidence, self.partitions, _stream(30 * DAY_MS)),
            TopicSpec(self.feedback, self.partitions, _stream(90 * DAY_MS)),
            TopicSpec(self.counts, 1, _stream(HOUR_MS) | {"message.timestamp.type": "LogAppendTime"}),
            TopicSpec(self.cases, 1, _stream(365 * DAY_MS)),
        )
        tables = (
            *(TopicSpec(topic, self.partitions, _compacted()) for topic in self.facts),
            *(TopicSpec(topic, 1, _compacted()) for topic in self.control if topic != self.signals),
            TopicSpec(self.signals, 1, _compacted() | _deleted(DAY_MS) | {"cleanup.policy": "compact,delete"}),
            TopicSpec(self.trainer, 1, _compacted()),
        )
        state = TopicSpec(
            self.state,
            self.partitions,
            {
                "cleanup.policy": "delete",
                "retention.ms": "-1",  # workers delete what no pointer needs any more, and nothing else may go
                "segment.bytes": str(_STATE_SEGMENT_BYTES),
                "max.message.bytes": str(MAX_MESSAGE_BYTES),
            },
        )
        letters = tuple(
            TopicSpec(dead_letter(topic), 1, _stream(14 * DAY_MS, MAX_MESSAGE_BYTES)) for topic in self.read
        )
        return self._replicated_as_set(_of_any_size((*self._kept_as_set((*streams, *tables, *letters)), state)))

    def _replicated_as_set(self, specs: tuple[TopicSpec, ...]) -> tuple[TopicSpec, ...]:
        """`specs` with the least in-sync replicas, if they are set. Raises `SettingsError` when no write could succeed."""
        if self._min_insync is None:
            return specs
        if self._min_insync > self._replication:
            raise SettingsError(
                f"min_insync_replicas {self._min_insync} is more than replication {self._replication}: nothing could be written"
            )
        own = {"min.insync.replicas": str(self._min_insync)}
        return tuple(spec._replace(config=spec.config | own) for spec in specs)

    def _kept_as_set(self, specs: tuple[TopicSpec, ...]) -> tuple[TopicSpec, ...]:
        """`specs` with the retention that the settings ask for. Raises `SettingsError` for a topic that has none."""
        ends = {self.kind(spec.name): spec for spec in specs if spec.config["cleanup.policy"] == "delete"}
        for kind, hours in self._kept_h.items():
            if kind not in ends or hours <= 0:
                known = ", ".join(sorted(ends))
                raise SettingsError(f"retention_h: {kind!r}: {hours}: hours above 0 for one of {known}")
        return tuple(
            spec._replace(config=spec.config | _deleted(int(self._kept_h[kind] * HOUR_MS)))
            if (kind := self.kind(spec.name)) in self._kept_h
            else spec
            for spec in specs
        )


def _of_any_size(specs: tuple[TopicSpec, ...]) -> tuple[TopicSpec, ...]:
    """`specs` kept as long as they say, however large: a cluster's `log.retention.bytes` would end that sooner."""
    return tuple(spec._replace(config=spec.config | {"retention.bytes": "-1"}) for spec in specs)


def _deleted(retention_ms: int) -> dict[str, str]:
    """Settings of a topic whose records go after `retention_ms`; segments roll often enough for that to be so."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_ms),
        "segment.ms": str(min(max(retention_ms // 6, 600_000), DAY_MS)),
    }


def _stream(retention_ms: int, max_bytes: int = STREAM_BYTES) -> dict[str, str]:
    return _deleted(retention_ms) | {"max.message.bytes": str(max_bytes)}


def _compacted() -> dict[str, str]:
    """Settings of a topic that keeps the last record of each key: small segments, cleaned early, so that reading it whole is quick."""
    return {
        "cleanup.policy": "compact",
        "segment.ms": str(HOUR_MS),
        "segment.bytes": str(64 * 1024 * 1024),
        "min.cleanable.dirty.ratio": "0.1",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
    }


def ensure(settings: Settings, *, wait_s: float = _WAIT_S, go_on: GoOn = always) -> tuple[str, ...]:
    """Create the topics that are missing and wait until each has its leaders; gives the names of those created.

    Raises `TopicError` when a topic exists with another number of partitions (fixed for life: state and order hang
    on it), when `calls` does not carry the broker's append time, or when the brokers do not do it within `wait_s`;
    `StoppedError` once `go_on` says no.
    """
    client = asker(settings)  # what goes wrong is raised; a line for every attempt to connect says no more
    topics = Topics(settings)
    specs = topics.specs
    try:
        there = _partition_counts(client, wait_s, go_on)
    except TopicError as error:
        raise TopicError(f"{settings.bootstrap}: {error}") from error
    _compare(specs, there)
    created = _create(client, settings, [spec for spec in specs if spec.name not in there], wait_s)
    until = time.monotonic() + wait_s
    while late := [spec.name for spec in specs if spec.name not in there]:
        if time.monotonic() > until:
            raise TopicError(f"topics without a leader {wait_s:.0f} s after their creation: {', '.join(late)}")
        time.sleep(0.02)
        there = _partition_counts(client, wait_s, go_on)
    _compare(specs, there)
    if topics.calls not in created:
        _check_append_time(client, topics.calls, wait_s)
    return created


def _create(client: AdminClient, settings: Settings, missing: list[TopicSpec], wait_s: float) -> tuple[str, ...]:
    """Create topics; those that another process of ours made meanwhile are not among the names given back."""
    if not missing:
        return ()
    wanted = [NewTopic(s.name, s.partitions, settings.replication, config=s.config) for s in missing]
    created = []
    for name, future in client.create_topics(wanted, request_timeout=wait_s, operation_timeout=wait_s).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            reason = error.args[0]
            if reason.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicError(f"topic {name} cannot be created: {reason.str()}") from error
    return tuple(created)


def _partition_counts(client: AdminClient, wait_s: float, go_on: GoOn) -> dict[str, int]:
    """Number of partitions of every topic all of whose partitions have a leader."""
    try:
        listed: Any = metadata(client, wait_s, go_on).topics
    except KafkaException as error:
        absent = (
            "" if error.args[0].code() in REFUSALS else "; start one with `streamer broker start`, or set bootstrap"
        )
        raise TopicError(unanswered(error, wait_s) + absent) from error
    return {
        name: len(topic.partitions)
        for name, topic in listed.items()
        if topic.error is None and topic.partitions and all(p.leader >= 0 for p in topic.partitions.values())
    }


def _compare(specs: tuple[TopicSpec, ...], there: dict[str, int]) -> None:
    wrong = [
        f"{spec.name} has {there[spec.name]} partitions, the settings ask for {spec.partitions}"
        for spec in specs
        if spec.name in there and there[spec.name] != spec.partitions
    ]
    if wrong:
        raise TopicError(
            "; ".join(wrong)
            + ": the number is fixed for life, so set `partitions` to what exists or use another `prefix`"
        )


def _check_append_time(client: AdminClient, calls: str, wait_s: float) -> None:
    resource = ConfigResource(ResourceType.TOPIC, calls)
    try:
        entries: Any = client.describe_configs([resource], request_timeout=wait_s)[resource].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return  # may read the topic, may not look at its settings: the administrator has to know
        raise TopicError(f"settings of {calls} cannot be read: {error.args[0].str()}") from error
    found = entries["message.timestamp.type"].value
    if found != "LogAppendTime":
        raise TopicError(
            f"{calls} has message.timestamp.type={found}; `streamer topics apply` sets it to LogAppendTime"
        )
