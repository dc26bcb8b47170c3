"""The doctor's round of an installation: reads the cluster, changes nothing, publishes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streamer.calls.codec import decode_call
from streamer.calls.numbers import home_plan
from streamer.doctor import installation, registers
from streamer.doctor.clocks import Clocks, own_clock
from streamer.doctor.facts import Told
from streamer.doctor.findings import Finding
from streamer.doctor.placement import Placement
from streamer.doctor.topic_log import TopicLog
from streamer.errors import MessageError, StreamerError
from streamer.kafka import clients, topic_changes
from streamer.kafka.tables import TableReader
from streamer.kafka.topics import Topics
from streamer.settings import Settings

_SAMPLE: Final = 4_000
_COMPARED: Final = 200
_CHECKS: Final = (
    "topics",
    "keys",
    "partitioner",
    "clock",
    "own clock",
    "facts",
    "control",
    "group",
    "trainer",
    "merger",
)


def examine(settings: Settings, *, wait_s: float = 10.0, listen_s: float = 2.0) -> list[Finding]:
    """Every check of an installation; what hangs on a check that failed is skipped and says so.

    `wait_s` is how long each answer of the brokers may take, `listen_s` how long fresh records are waited for to compare
    clocks by.
    """
    found = []
    client = clients.asker(settings, log_level=1)
    try:
        brokers = len(clients.metadata(client, wait_s).brokers)
    except KafkaException as error:
        refused = error.args[0].code() in clients.REFUSALS
        found.append(
            Finding(
                "broker",
                "failed",
                f"{settings.bootstrap}: {clients.unanswered(error, wait_s)}",
                "ask the cluster's administrator for protocol, user and password"
                if refused
                else "start one with `streamer broker start`, or set bootstrap (STREAMER_BOOTSTRAP), security_protocol and"
                " what goes with it to what the brokers have",
            )
        )
        found += [Finding(check, "skipped", "no broker answers") for check in _CHECKS]
        return [*found, installation.of_secret(settings)]
    found.append(installation.of_brokers(brokers, settings.replication))
    found += _topics(settings, client, wait_s)
    operators: set[str] = set()
    rounds: tuple[tuple[tuple[str, ...], Callable[[], list[Finding]]], ...] = (
        (("keys", "partitioner", "clock", "own clock"), partial(_calls, settings, wait_s, listen_s, operators)),
        (("facts",), partial(_facts, settings, wait_s)),
        (("control",), partial(_control, settings, wait_s, operators)),
        (("group",), partial(_group, settings, client, wait_s)),
        (("trainer", "merger"), partial(_leased, settings, client, wait_s)),
    )
    for checks, look in rounds:
        try:
            found += look()
        except StreamerError as error:
            found.append(Finding(checks[0], "failed", str(error)))
            found += [Finding(check, "skipped", f"{checks[0]} cannot be looked at") for check in checks[1:]]
    return [*found, installation.of_secret(settings)]


def _topics(settings: Settings, client: Any, wait_s: float) -> list[Finding]:
    specs = Topics(settings).specs
    names = [spec.name for spec in specs]
    try:
        there = topic_changes.look(client, names, wait_s)
    except StreamerError as error:
        return [Finding("topics", "failed", str(error), "ask the cluster's administrator what this user may do")]
    return installation.of_topics(topic_changes.compare(specs, there, settings.replication), there, names)


def _calls(settings: Settings, wait_s: float, listen_s: float, operators: set[str]) -> list[Finding]:
    """Keys, partitions and clocks by a sample of the latest records; `operators` takes in who publishes."""
    with TopicLog(settings, Topics(settings).calls, wait_s) as log:
        placement, clocks = Placement(home_plan(settings.home), log.partitions), Clocks()
        newest = None
        for record in log.latest(_SAMPLE):
            if record.append_ms is not None:
                newest = max(newest or 0, record.append_ms)
            if record.rekeyed:
                continue
            try:
                event = decode_call(record.value)
            except MessageError:
                continue
            operators.add(event.operator)
            placement.take(event, record.key, record.partition, f"partition {record.partition} offset {record.offset}")
            if record.append_ms is not None:
                clocks.take(event.operator, event.at, record.append_ms)
        behind = [
            int(time.time() * 1000) - record.append_ms
            for record in log.coming(listen_s, _COMPARED)
            if record.append_ms is not None
        ]
    own = own_clock(behind, newest, int(time.time() * 1000))
    return [*placement.findings(), *clocks.findings(clamp=settings.clamp), own]


def _facts(settings: Settings, wait_s: float) -> list[Finding]:
    """Whether facts lie where their numbers' calls do, say what is understood, and of lines since when, by a sample of the latest."""
    told = Told(home_plan(settings.home))
    for topic in Topics(settings).facts:
        with TopicLog(settings, topic, wait_s) as log:
            for record in log.latest(_SAMPLE):
                place = f"{topic} partition {record.partition} offset {record.offset}"
                told.take(record.key, record.value, record.partition, log.partitions, place)
    return told.findings()


def _control(settings: Settings, wait_s: float, operators: set[str]) -> list[Finding]:
    reader = TableReader(settings, Topics(settings).control)
    try:
        changes = list(reader.read_to_end(wait_s))
    finally:
        reader.close()
    entries = (registers.Entry(one.kind, one.key, one.value, f"{one.topic} offset {one.offset}") for one in changes)
    return registers.judge(entries, settings.home, operators)


def _members(client: Any, group: str, wait_s: float) -> tuple[str, list[Any]] | None:
    """State and members of a group; None where the brokers do not tell."""
    try:
        told = client.describe_consumer_groups([group], request_timeout=wait_s)[group].result()
    except KafkaException as error:
        return ("DEAD", []) if error.args[0].name() == "GROUP_ID_NOT_FOUND" else None
    return told.state.name, told.members


def _leased(settings: Settings, client: Any, wait_s: float) -> list[Finding]:
    asked = (
        ("trainer", "streamer trainer", settings.trainer_group, "no feedback is learned, the model stays as it is"),
        ("merger", "streamer signals", settings.signals_group, "calls are judged by what one caller shows alone"),
    )
    found = []
    for check, command, name, without in asked:
        told = _members(client, name, wait_s)
        found.append(installation.of_leased(check, command, name, None if told is None else len(told[1]), without))
    return found


def _group(settings: Settings, client: Any, wait_s: float) -> list[Finding]:
    return [_group_finding(settings, client, wait_s)]


def _group_finding(settings: Settings, client: Any, wait_s: float) -> Finding:
    calls = Topics(settings).calls
    told = _members(client, settings.group, wait_s)
    if told is None:
        return installation.of_group(settings.group, None, settings.partitions)
    state, members = told
    owned = frozenset(
        place.partition
        for member in members
        if member.assignment is not None
        for place in member.assignment.topic_partitions
        if place.topic == calls
    )
    with TopicLog(settings, calls, wait_s) as log:
        bounds = log.bounds()
    asking = Consumer(clients.consumer_config(settings, settings.group, log_level=2))
    try:
        places = [TopicPartition(calls, partition) for partition in bounds]
        offsets = {place.partition: place.offset for place in asking.committed(places, timeout=wait_s)}
    except KafkaException:
        return installation.of_group(settings.group, None, settings.partitions)
    finally:
        asking.close()
    return installation.of_group(
        settings.group, installation.group_of(state, len(members), owned, bounds, offsets), settings.partitions
    )
