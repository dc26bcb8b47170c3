"""How the local broker runs: Kafka's own settings and the Java machine's options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

SHORTEST_SESSION_MS: Final = 1_000
"""The shortest session timeout that the local broker grants; Kafka's default of 6 s makes every test of a kill slow."""


def server_properties(
    *, port: int, controller_port: int, data: Path, listeners: Mapping[str, int], cores: int
) -> dict[str, str]:
    """Settings of a KRaft broker of one node that listens on loopback only, on `port` in plain text and on `listeners` beside, on
    a machine of so many cores.
    """
    public = {"PLAINTEXT": port, **listeners}
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(
            f"{name}://127.0.0.1:{at}" for name, at in {**public, "CONTROLLER": controller_port}.items()
        ),
        "advertised.listeners": ",".join(f"{name}://127.0.0.1:{at}" for name, at in public.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{name}" for name in public) + ",CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        # After a kill -9 the next one may register only when the session of the dead one has run out: 9 s by default.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "auto.create.topics.enable": "false",
        "group.min.session.timeout.ms": str(SHORTEST_SESSION_MS),
        "group.initial.rebalance.delay.ms": "0",
        # One node: one replica, and few partitions of what Kafka keeps for itself, so that the first group is not slow.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        # Kafka's 3 and 8 are for a machine of its own. This one shares it with all its clients: on two cores every thread more
        # is a hand-over more in each request, and took a tenth of the broker's processor time.
        "num.network.threads": str(min(max(cores // 2, 1), 3)),
        "num.io.threads": str(min(max(cores, 2), 8)),
        "num.recovery.threads.per.data.dir": "2",
        # The default of 128 MiB would take a quarter of the heap before the first record.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "log.retention.check.interval.ms": "60000",
        "log.cleaner.backoff.ms": "5000",
    }


def jvm_options(heap: str) -> list[str]:
    """Options of the Java machine, good for Java 17 and newer.

    The compilers stay as they are, since benchmarks run on this broker: what makes a start quicker makes it slower later.

    The heap has its size from the start, as with Kafka's own script. One that grows stays as small as it can: at 5,000 set-ups/s
    G1 stopped every half second for 4 to 8 ms, and marked 170 MiB again every other second on the cores that clients wait for, which
    was most of the longest waits of whoever used this broker. What lives long is 60 MiB; all else dies young.
    """
    return [
        f"-Xms{heap}",
        f"-Xmx{heap}",
        "-XX:+UseParallelGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    ]
