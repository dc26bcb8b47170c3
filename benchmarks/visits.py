"""One visit: a fresh topic with a backlog, one peer that catches up with it and then answers paced calls."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from benchmarks.corpus import Corpus
from benchmarks.environments import ROOT
from benchmarks.processes import BenchmarkError, Running, tied, until
from benchmarks.sizes import SPARE, Sizes
from streamer.kafka import topics
from streamer.kafka.clients import admin, consumer_config, producer, producer_config
from streamer.settings import Settings, load

PARTITIONS = 4
BATCH = 500
START_S = 60.0
CATCH_UP_S = 120.0


class Peer(NamedTuple):
    """Who is measured: `slow` ones get a small backlog, `judge` and `changelog` go into the task, `mixed` ones are
    fed answers and ends too, `paced` ones also answer paced calls."""

    name: str
    title: str
    command: list[str]
    slow: bool = False
    judge: str = "trivial"
    changelog: bool = False
    mixed: bool = False
    paced: bool = True


class Visit:
    """Runs one peer once; `measure` gives its figures as plain data."""

    def __init__(self, peer: Peer, bootstrap: str, corpus: Corpus, sizes: Sizes, folder: Path) -> None:
        self.peer, self.corpus, self.sizes = peer, corpus, sizes
        self.tag = f"{peer.name}-{uuid.uuid4().hex[:8]}"
        self.folder = folder / self.tag
        self.folder.mkdir()
        self.settings: Settings = load(
            bootstrap=bootstrap, prefix=f"{self.tag}.", group=self.tag, partitions=PARTITIONS, batch_records=BATCH
        )
        self.topics = topics.Topics(self.settings)
        self._watcher = Consumer(consumer_config(self.settings, f"{self.tag}-watcher"))

    def measure(self) -> dict[str, Any]:
        """Everything about this peer; topics and processes are gone afterwards."""
        topics.ensure(self.settings)
        warm, measured = (
            (self.sizes.slow_warm, self.sizes.slow_measured)
            if self.peer.slow
            else (self.sizes.warm, self.sizes.measured)
        )
        if self.peer.mixed:
            total = len(self.corpus.setups)
            warm, measured = int(total * 0.2), int(total * 0.75)
            self._fill(self.corpus.records)
        else:
            total = int((warm + measured) * SPARE)
            setups = self.corpus.setups
            self._fill([setups[i % len(setups)] for i in range(total)])
        running = Running(self.peer.command, self.folder / "log", self._environment())
        try:
            found: dict[str, Any] = self._catch_up(running, warm, measured)
            if self.peer.paced:
                self._wait_for(running, total)
                found["paced"] = {
                    str(rate): self._pace(running, rate) for rate in self.sizes.rates if self._can(found, rate)
                }
            found["peak_mib"] = running.usage().peak_mib
            return found
        finally:
            running.stop()
            self._watcher.close()
            names = [spec.name for spec in self.topics.specs]
            for future in admin(self.settings).delete_topics(names).values():
                future.exception()

    def _environment(self) -> dict[str, str]:
        """The same clients' settings for everybody."""
        task = {
            "bootstrap": self.settings.bootstrap,
            "input": self.topics.calls,
            "output": self.topics.decisions,
            "group": self.tag,
            "batch": BATCH,
            "consumer": consumer_config(self.settings, self.tag),
            "producer": producer_config(self.settings),
            "folder": str(self.folder / "state"),
            "judge": self.peer.judge,
            "changelog": self.peer.changelog,
            "settings": self.settings.model_dump(
                include={"bootstrap", "prefix", "group", "partitions", "batch_records"}
            )
            | {"metrics_port": 0},
        }
        return {
            "BENCHMARK_TASK": json.dumps(task),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self.folder),
        }

    def _fill(self, records: list[tuple[str, bytes]]) -> None:
        sender = producer(self.settings, **{"linger.ms": 20, "log_level": 0})
        for number, (key, value) in enumerate(records):
            while True:
                try:
                    sender.produce(self.topics.calls, key=key, value=value)
                    break
                except BufferError:
                    sender.poll(0.05)
            if number % 1000 == 0:
                sender.poll(0)
        if sender.flush(60):
            raise BenchmarkError("the backlog could not be delivered")

    def _decided(self) -> int:
        """Decisions that the broker holds: what every peer is measured by."""
        ends = (TopicPartition(self.topics.decisions, p) for p in range(PARTITIONS))
        return sum(self._watcher.get_watermark_offsets(end, timeout=10, cached=False)[1] for end in ends)

    def _wait_for(self, running: Running, decisions: int) -> None:
        def reached() -> bool:
            running.check()
            return self._decided() >= decisions

        try:
            until(reached, CATCH_UP_S, 0.01, f"{decisions} decisions")
        except BenchmarkError as reason:
            raise BenchmarkError(f"{reason} (there are {self._decided()}):\n{running.tail()}") from None

    def _catch_up(self, running: Running, warm: int, measured: int) -> dict[str, float]:
        self._wait_for(running, warm)
        first, began, before = self._decided(), time.perf_counter(), running.usage()
        self._wait_for(running, warm + measured)
        last, ended, after = self._decided(), time.perf_counter(), running.usage()
        decided = last - first
        return {
            "rate": decided / (ended - began),
            "cpu_us": (after.cpu_s - before.cpu_s) / decided * 1e6,
            "measured": decided,
            "catch_up_peak_mib": after.peak_mib,
        }

    @staticmethod
    def _can(found: dict[str, Any], rate: int) -> bool:
        """Whether a peer is fast enough for a paced run, with a fifth to spare."""
        return bool(found["rate"] > 1.2 * rate)

    def _pace(self, running: Running, rate: int) -> dict[str, float]:
        seconds = self.sizes.warm_s + self.sizes.paced_s
        total = int(rate * seconds)
        reading = {
            "consumer": consumer_config(self.settings, f"{self.tag}-reader"),
            "topic": self.topics.decisions,
            "expected": total,
            "warm_s": self.sizes.warm_s,
            "wait_s": seconds + 15,
        }
        sending = {
            "producer": producer_config(self.settings),
            "topic": self.topics.calls,
            "file": str(self.corpus.file),
            "skip": rate,
            "rate": rate,
            "seconds": seconds,
        }
        reader = _start("benchmarks.reader", reading)
        try:
            assert reader.stdout is not None
            reader.stdout.readline()
            before, began = running.usage(), time.perf_counter()
            publisher = _start("benchmarks.publisher", sending)
            try:
                sent, _ = publisher.communicate(timeout=seconds + 30)
            finally:
                publisher.kill()
                publisher.wait()
            after, took = running.usage(), time.perf_counter() - began
            said, _ = reader.communicate(timeout=seconds + 30)
        finally:
            reader.kill()
            reader.wait()
        found: dict[str, float] = json.loads(said)
        found["cpu_us"] = (after.cpu_s - before.cpu_s) / total * 1e6
        found["cpu_share"] = (after.cpu_s - before.cpu_s) / took
        found["late_ticks"] = json.loads(sent)["late_ticks"]
        return found


def _start(module: str, task: dict[str, Any]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", module, json.dumps(task)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, **tied())
