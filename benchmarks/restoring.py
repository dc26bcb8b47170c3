"""A worker that takes over a million callers: from its partitions being gained to the last of them being restored.

`python -m benchmarks.restoring '{"bootstrap":"…","callers":1000000}'` fills a log of state and prints JSON.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from benchmarks.engine_alone import grown
from benchmarks.environments import ROOT
from benchmarks.processes import Running, tied, until
from streamer.engine import Engine
from streamer.kafka import topics
from streamer.kafka.clients import consumer_config
from streamer.settings import Settings, load
from streamer.stream.state_log import Order, StateLog

PARTITIONS: Final = 24
_FILL_S: Final = 120.0
_RESTORE_S: Final = 300.0


def fill(settings: Settings, engine: Engine) -> dict[str, float]:
    """Write the engine's state as a worker does, and commit where it lies; gives bytes and seconds."""
    offered: dict[int, str] = {}
    began = time.perf_counter()
    failed: list[BaseException] = []
    log = StateLog(
        settings, engine.pieces, lambda number, _, __, metadata: offered.update({number: metadata}), failed.append
    )
    for number in range(PARTITIONS):
        log.begin(number, [], {})
        order = Order(number, 0, 0, 0, engine.whole(number))
        log.write(order)
        until(lambda order=order: order.delivered or failed, _FILL_S, 0.001, "a partition's state is written")
    if failed:
        raise failed[0]
    took = time.perf_counter() - began
    client = Consumer(consumer_config(settings, settings.group))
    topic = topics.Topics(settings).calls
    client.commit(
        offsets=[TopicPartition(topic, p, 0, metadata) for p, metadata in offered.items()], asynchronous=False
    )
    client.close()
    log.close()
    return {"mib": log.bytes / 2**20, "seconds": took}


def measure(bootstrap: str, callers: int, folder: Path) -> dict[str, Any]:
    """Figures of one restore of so many callers over 24 partitions."""
    tag = f"restore-{uuid.uuid4().hex[:8]}"
    settings = load(bootstrap=bootstrap, prefix=f"{tag}.", group=tag, partitions=PARTITIONS)
    topics.ensure(settings)
    engine = grown(callers, PARTITIONS)
    held = engine.callers_held
    found = fill(settings, engine)
    del engine
    environment = {
        "STREAMER_BOOTSTRAP": bootstrap, "STREAMER_PREFIX": settings.prefix, "STREAMER_GROUP": tag,
        "STREAMER_PARTITIONS": str(PARTITIONS), "STREAMER_METRICS_PORT": "0", "STREAMER_LOG_FORMAT": "text",
    }  # fmt: skip
    running = Running([sys.executable, "-m", "streamer", "worker"], folder / f"{tag}.log", environment)
    try:

        def says(text: str, times: int) -> bool:
            running.check()
            return len(re.findall(text, running.log.read_text(errors="replace"))) >= times

        until(lambda: says("partitions gained", 1), 60, 0.005, "partitions are gained")
        began = time.perf_counter()
        until(lambda: says(r"partition \d+ goes on", 1), _RESTORE_S, 0.005, "the first partition goes on")
        first = time.perf_counter() - began
        until(lambda: says(r"partition \d+ goes on", PARTITIONS), _RESTORE_S, 0.005, "all partitions go on")
        took = time.perf_counter() - began
        peak = running.usage().peak_mib
    finally:
        running.stop()
    return {
        "callers": held, "state_mib": found["mib"], "written_s": found["seconds"], "first_s": first, "restored_s": took,
        "peak_mib": peak,
    }  # fmt: skip


def in_own_process(bootstrap: str, callers: int, folder: Path) -> dict[str, Any]:
    """`measure` apart from what this process holds."""
    task = {"bootstrap": bootstrap, "callers": callers, "folder": str(folder)}
    command = [sys.executable, "-m", "benchmarks.restoring", json.dumps(task)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, timeout=900, **tied())
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(measure(asked["bootstrap"], asked["callers"], Path(asked["folder"]))))
