"""An installation by what was found on the cluster: topics, group, secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from streamer.doctor.findings import Finding
from streamer.kafka.topic_changes import Change, Found
from streamer.settings import Settings

_SHOWN: Final = 3
_LOOPBACK: Final = ("127.", "localhost", "[::1]")
PUBLIC_SECRET: Final = str(Settings.model_fields["secret"].default.get_secret_value())
"""The default that is printed in the source."""


class Group(NamedTuple):
    """The scoring group: its state in Kafka's word, members, partitions owned; records to be judged; partitions whose
    committed offset has been deleted meanwhile.
    """

    state: str
    members: int
    owned: frozenset[int]
    lag: int
    lost: Sequence[int]


def of_brokers(brokers: int, replication: int) -> Finding:
    """Whether there are enough brokers for the replicas."""
    if brokers < replication:
        return Finding(
            "broker",
            "failed",
            f"{brokers} brokers answer, the setting replication asks for {replication}",
            "start the others, or set `replication` (STREAMER_REPLICATION) to what there is",
        )
    if replication == 1 < brokers:
        return Finding(
            "broker",
            "warning",
            f"{brokers} brokers answer, the setting replication asks for 1: what lies on a broker that is lost is lost",
            "set `replication` (STREAMER_REPLICATION) to 3 and `min_insync_replicas` to 2 before topics are made; an"
            " administrator adds replicas to those that exist with kafka-reassign-partitions.sh",
        )
    return Finding("broker", "ok", f"{brokers} {'broker answers' if brokers == 1 else 'brokers answer'}")


def of_topics(changes: Sequence[Change], found: dict[str, Found], names: Sequence[str]) -> list[Finding]:
    """Findings on topics: what `streamer topics diff` says, leaders, and whether enough replicas are in sync to write."""
    told = []
    kinds = ("refuse", "create", "alter", "move", "unknown")
    words = {
        "create": ("missing", "failed"),
        "refuse": ("partitions", "failed"),
        "alter": ("settings", "failed"),
        "move": ("replicas", "warning"),
        "unknown": ("settings", "warning"),
    }
    for kind in kinds:
        of_kind = [change for change in changes if change.kind == kind]
        if of_kind:
            what, state = words[kind]
            first = "; ".join(change.text for change in of_kind[:_SHOWN])
            more = f"; and {len(of_kind) - _SHOWN} more" if len(of_kind) > _SHOWN else ""
            told.append(
                Finding(
                    "topics", "failed" if state == "failed" else "warning", f"{what}: {first}{more}", of_kind[0].mend
                )
            )
    dark = sorted(name for name, topic in found.items() if topic.leaderless)
    if dark:
        told.append(
            Finding(
                "topics",
                "failed",
                f"partitions without a leader: {', '.join(dark[:_SHOWN])}",
                "start the brokers that have them",
            )
        )
    thin = sorted(name for name, topic in found.items() if not topic.leaderless and topic.in_sync < _least(topic))
    if thin:
        text = f"fewer replicas are in sync than min.insync.replicas asks for, nothing can be written: {', '.join(thin[:_SHOWN])}"
        told.append(Finding("topics", "failed", text, "start the brokers that are down and let them catch up"))
    return told or [Finding("topics", "ok", f"{len(names)} topics are as the settings ask")]


def _least(topic: Found) -> int:
    """The fewest in-sync replicas that a write takes: brokers ask for no more of a topic than it has."""
    return min(int((topic.config or {}).get("min.insync.replicas") or 1), topic.replicas)


def group_of(
    state: str, members: int, owned: frozenset[int], bounds: Mapping[int, tuple[int, int]], committed: Mapping[int, int]
) -> Group:
    """A group by what the brokers tell: `bounds` first offset and end of each partition, `committed` its offsets (below 0: none yet).

    >>> group_of("STABLE", 1, frozenset({0}), {0: (5, 9)}, {0: 7})
    Group(state='STABLE', members=1, owned=frozenset({0}), lag=2, lost=())
    """
    at = {partition: offset for partition, offset in committed.items() if offset >= 0}
    lag = sum(max(0, high - max(low, at.get(partition, low))) for partition, (low, high) in bounds.items())
    lost = tuple(sorted(partition for partition, offset in at.items() if offset < bounds[partition][0]))
    return Group(state, members, owned, lag, lost)


def of_group(name: str, group: Group | None, partitions: int) -> Finding:
    """How the scoring group stands; None is one that the brokers do not tell of."""
    if group is None:
        return Finding(
            "group", "warning", f"the brokers do not tell of group {name!r}", "give this user the right Describe on it"
        )
    if group.lost:
        lost = ", ".join(map(str, group.lost[:_SHOWN]))
        text = f"group {name!r} had not judged what has been deleted by now, in partitions {lost}"
        return Finding("group", "failed", text, "start more workers, or keep calls longer: the setting retention_h")
    if not group.members:
        return Finding(
            "group",
            "warning",
            f"no worker is in group {name!r}; {group.lag:,} records wait",
            "start one: `streamer worker`",
        )
    idle = sorted(set(range(partitions)) - group.owned)
    if group.state != "STABLE":
        return Finding(
            "group",
            "warning",
            f"group {name!r} is {group.state.lower().replace('_', ' ')}",
            "ask again in some seconds",
        )
    if idle:
        text = f"nobody in group {name!r} reads partitions {', '.join(map(str, idle[:_SHOWN]))} of calls"
        return Finding(
            "group", "failed", text, "see that all members are scoring workers of this prefix; else set another `group`"
        )
    workers = "1 worker" if group.members == 1 else f"{group.members} workers"
    return Finding("group", "ok", f"{workers} in group {name!r}; {group.lag:,} records wait")


def of_leased(check: str, command: str, name: str, members: int | None, without: str) -> Finding:
    """Whether a process of which one works at a time, started by `command`, runs; `members` of its group, None as in `of_group`.

    >>> of_leased("merger", "streamer signals", "g", 2, "").text
    "2 in group 'g': one works, the others stand by"
    """
    if members is None:
        return Finding(
            check, "warning", f"the brokers do not tell of group {name!r}", "give this user the right Describe on it"
        )
    if not members:
        return Finding(check, "warning", f"nobody is in group {name!r}: {without}", f"start one: `{command}`")
    rest = "one works" if members == 1 else "one works, the others stand by"
    return Finding(check, "ok", f"{members} in group {name!r}: {rest}")


def of_secret(settings: Settings) -> Finding:
    """Whether the secret is still the one in the source: a warning where only this machine is concerned."""
    if settings.secret.get_secret_value() != PUBLIC_SECRET:
        return Finding("secret", "ok", "not the public default")
    local = all(one.strip().startswith(_LOOPBACK) for one in settings.bootstrap.split(","))
    return Finding(
        "secret",
        "warning" if local else "failed",
        "the secret is the public default, so that whoever reads the source can forge exported state and collide hashes",
        "set STREAMER_SECRET to a value of your own, the same for all workers: `openssl rand -hex 32`",
    )
