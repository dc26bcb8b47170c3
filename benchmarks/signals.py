"""How soon what no partition sees whole is known to all of them, and what that costs: `python -m benchmarks.signals --write`.

A worker over 24 partitions and a merger under paced calls of the simulated traffic, while one number is flooded by callers
that were never seen. Counted is from the append time of the call that makes it a flood by the detector's threshold to that
of the last call of the flood that any partition still let through; and the bytes of every topic, keys and values.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Final

import orjson
from confluent_kafka import Consumer, TopicPartition

from benchmarks.corpus import Corpus, simulate
from benchmarks.environments import ROOT
from benchmarks.processes import BenchmarkError, Running, end_in_order_when_asked, tied, until
from streamer.detectors.tdos import DETECTOR
from streamer.kafka import topics
from streamer.kafka.broker import LocalBroker
from streamer.kafka.clients import consumer_config, producer, producer_config
from streamer.settings import Settings, load

PARTITIONS: Final = 24
RATES: Final = (1_000, 5_000)
SECONDS: Final = 24
FLOOD_A_S: Final = 60
VICTIM: Final = "+77272345678"
POLICY: Final = {"version": "flood", "control_share": 0, "detectors": {"tdos": {"thresholds": {"watched_h": 0}}}}
FOLDER: Final = Path(__file__).parent


def measure(bootstrap: str, corpus: Corpus, rate: int, folder: Path) -> dict[str, Any]:
    """One flood under calls at a rate."""
    tag = f"signals-{uuid.uuid4().hex[:8]}"
    settings = load(
        bootstrap=bootstrap, prefix=f"{tag}.", group=tag, signals_group=f"{tag}.signals", partitions=PARTITIONS
    )
    topics.ensure(settings)
    known = topics.Topics(settings)
    sender = producer(settings)
    sender.produce(known.policy, key="policy@flood", value=orjson.dumps(POLICY))
    sender.produce(known.policy, key="current", value=b'{"version":"flood"}')
    sender.flush(10)
    environment = {
        "STREAMER_BOOTSTRAP": bootstrap, "STREAMER_PREFIX": settings.prefix, "STREAMER_GROUP": tag, "STREAMER_LOG_FORMAT": "text",
        "STREAMER_SIGNALS_GROUP": settings.signals_group, "STREAMER_PARTITIONS": str(PARTITIONS), "STREAMER_METRICS_PORT": "0",
        "STREAMER_SIGNALS_METRICS_PORT": "0",
    }  # fmt: skip
    running = {
        name: Running([sys.executable, "-m", "streamer", name], folder / f"{tag}-{name}.log", environment)
        for name in ("worker", "signals")
    }
    try:

        def says(name: str, text: str, times: int = 1) -> bool:
            running[name].check()
            return running[name].log.read_text(errors="replace").count(text) >= times

        until(lambda: says("worker", " goes on at ", PARTITIONS), 90, 0.05, "the worker has its partitions")
        until(lambda: says("signals", " active: "), 60, 0.05, "the merger is active")
        before = {name: each.usage().cpu_s for name, each in running.items()}
        flooded = _publish(settings, sender, corpus, rate)
        spent = {name: each.usage().cpu_s - before[name] for name, each in running.items()}
        time.sleep(1)
    finally:
        for each in running.values():
            each.stop()
    return _told(settings, flooded) | {"rate": rate, "cpu": {name: s / SECONDS for name, s in spent.items()}}


def _publish(settings: Settings, sender: Any, corpus: Corpus, rate: int) -> int:
    """The paced calls, by a process of their own, and a flood in their midst; gives how many calls it had."""
    task = {
        "producer": producer_config(settings), "topic": topics.Topics(settings).calls, "file": str(corpus.file), "skip": 0,
        "rate": rate, "seconds": SECONDS,
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.publisher", json.dumps(task)]
    flooded = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, **tied()) as publisher:
        time.sleep(10)
        began = time.monotonic()
        while time.monotonic() < began + 8:
            call = {
                "type": "setup", "call_id": f"flood{flooded}", "at": int(time.time() * 1000), "operator": "op-a",
                "caller": f"+44740{flooded:07d}", "callee": VICTIM, "ingress": "international",
            }  # fmt: skip
            sender.produce(topics.Topics(settings).calls, key=call["caller"], value=orjson.dumps(call))
            sender.poll(0)
            flooded += 1
            time.sleep(max(0.0, began + flooded / FLOOD_A_S - time.monotonic()))
        sender.flush(10)
        publisher.wait(60)
    return flooded


def _told(settings: Settings, flooded: int) -> dict[str, Any]:
    """What the log says of the flood, and how large each topic has become."""
    known = topics.Topics(settings)
    appended: dict[str, int] = {}
    passed: list[int] = []
    blocked: list[int] = []
    sizes = {}
    for name, topic in (("calls", known.calls), ("decisions", known.decisions), ("evidence", known.evidence), ("counts", known.counts), ("signals", known.signals)):  # fmt: skip
        records = _log(settings, topic)
        sizes[name] = {
            "records": len(records),
            "mib": sum(len(r.value() or b"") + len(r.key() or b"") for r in records) / 2**20,
        }
        if name == "calls":
            appended = {orjson.loads(r.value())["call_id"]: r.timestamp()[1] for r in records if b'"flood' in r.value()}
        elif name == "decisions":
            for record in records:
                if record.key().startswith(b"flood"):
                    at = appended[record.key().decode()]
                    (blocked if orjson.loads(record.value())["action"] == "block" else passed).append(at)
    crossing = sorted(appended.values())[int(DETECTOR.thresholds["callers_1m"]) - 1]
    if len(appended) != flooded or not blocked:
        raise BenchmarkError(f"{len(appended)} of {flooded} calls of the flood are in the log, {len(blocked)} blocked")
    return {
        "first_s": (min(blocked) - crossing) / 1000,
        "everywhere_s": (max(passed) - crossing) / 1000,
        "sizes": sizes,
    }


def _log(settings: Settings, topic: str) -> list[Any]:
    reader = Consumer(consumer_config(settings, f"{settings.group}-log", **{"enable.partition.eof": True}))
    count = len(reader.list_topics(topic, 10).topics[topic].partitions)
    reader.assign([TopicPartition(topic, number, 0) for number in range(count)])
    found, ended = [], 0
    while ended < count:
        for record in reader.consume(10_000, 0.5):
            if record.error() is None:
                found.append(record)
            else:
                ended += 1
    reader.close()
    return found


def page(runs: list[dict[str, Any]]) -> str:
    """The table."""
    about = (
        f"`python -m benchmarks.signals --write`, {len(os.sched_getaffinity(0))} cores that also hold broker and publisher,"
        f" Python {platform.python_version()}; a worker over {PARTITIONS} partitions and a merger, {SECONDS} s of set-ups of the"
        f" simulated traffic; {FLOOD_A_S} callers a second that were never seen flood one number meanwhile. Times are from the"
        f" append time of the call that makes it a flood (the {DETECTOR.thresholds['callers_1m']:g}th caller in a minute) to"
        " that of the first call that was blocked for it, and of the last that any partition let through."
    )
    lines = [
        "# What no partition sees whole: how soon it is known, and what it costs",
        about,
        "",
        "| set-ups/s | first block | known everywhere | bar | counts and signals | in MiB | of calls, decisions and evidence | bar | merger | worker |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for run in runs:
        sizes = run["sizes"]
        extra = sizes["counts"]["mib"] + sizes["signals"]["mib"]
        rest = sum(sizes[name]["mib"] for name in ("calls", "decisions", "evidence"))
        records = (sizes["counts"]["records"] + sizes["signals"]["records"]) / sum(
            sizes[name]["records"] for name in ("calls", "decisions", "evidence")
        )
        lines.append(
            f"| {run['rate']:,} | {run['first_s']:.2f} s | {run['everywhere_s']:.2f} s | ≤ 2 s | {records:.2%} of the messages | {extra:.2f} |"
            f" {extra / rest:.1%} | < 20 % | {run['cpu']['signals']:.1%} of a core | {run['cpu']['worker']:.0%} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure at each rate, print and perhaps write the page."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.signals", description=__doc__)
    asked.add_argument("--write", action="store_true", help="write benchmarks/SIGNALS.md")
    told = asked.parse_args()
    end_in_order_when_asked()
    with tempfile.TemporaryDirectory(prefix="streamer-signals-") as name:
        folder = Path(name)
        broker = LocalBroker(folder / "broker", port=0)
        address = broker.start(dies_with_parent=True, show=True).address
        assert address is not None
        try:
            corpus = simulate(60, folder)
            runs = [measure(address, corpus, rate, folder) for rate in RATES]
        finally:
            broker.stop(delete_data=True)
    print(page(runs))
    if told.write:
        (FOLDER / "SIGNALS.md").write_text(page(runs), "utf-8")


if __name__ == "__main__":
    main()
