"""Starting everything, publishing, reading back, stopping everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition
from rich.console import Console
from rich.live import Live

from streamer.calls.codec import encode
from streamer.calls.decisions import ModelPolicy, Policy, PolicyPointer
from streamer.calls.events import Setup
from streamer.calls.numbers import caller_key, home_plan
from streamer.demo.screen import lines, render, summary
from streamer.demo.watch import Watch
from streamer.errors import StreamerError
from streamer.kafka import clients, processes, topics
from streamer.kafka.broker import LocalBroker
from streamer.lab.control import of_traffic
from streamer.lab.reports import report
from streamer.lab.traffic import FRAUDS, Traffic
from streamer.settings import Settings, load

CAMPAIGN: Final = "scam_centre"
"""The campaign that no rule catches; banks report its calls, and the model's score of its later calls is shown."""
REPORT_AFTER_S: Final = 4.0
_PARTITIONS: Final = 4


def run(seconds: float, rate: float, seed: int, console: Console) -> Watch:
    """One demonstration. Everything it starts is stopped when it returns or raises."""
    watch = Watch(began=time.time())
    with tempfile.TemporaryDirectory(prefix="streamer-demo-") as folder:
        console.print("starting Apache Kafka, a worker, a trainer and a merger")
        broker = LocalBroker(Path(folder) / "broker", port=0)
        started = broker.start(dies_with_parent=True, show=True)
        children: list[subprocess.Popen[bytes]] = []
        try:
            settings = load(
                bootstrap=started.address, partitions=_PARTITIONS, security_protocol="PLAINTEXT", replication=1
            )
            topics.ensure(settings)
            children += [_child(settings, folder, name) for name in ("worker", "trainer", "signals")]
            _Run(settings, watch, rate, seed, children, folder).go(seconds, console)
        finally:
            for child in children:
                child.send_signal(signal.SIGTERM)
            for child in children:
                try:
                    child.wait(15)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
            broker.stop(delete_data=True)
    return watch


def engine_alone(seconds: float, rate: float, seed: int, console: Console) -> Watch:
    """The same traffic straight through the engine: what can be shown where no broker can be had."""
    from streamer.calls.partitioner import partition_of
    from streamer.engine import Engine
    from streamer.records import Batch

    engine = Engine(partitions=_PARTITIONS, max_callers=100_000, clamp=False)
    plan = home_plan("KZ")
    watch = Watch(began=time.time())
    traffic = Traffic(seed, rate, seconds=seconds, start_ms=int(time.time() * 1000), frauds=_frauds())
    for record in of_traffic(traffic):
        engine.apply(record.kind, record.key, record.value)
    for at, event, label in traffic:
        key = caller_key(event.caller, event.asserted, event.callee, plan)
        began = time.time()
        place = partition_of(key.encode(), _PARTITIONS)
        outcomes = engine.process(Batch([place], [0], [at], [encode(event)], [False]), at)
        for _, call_id, value in outcomes.decisions:
            watch.published += 1
            decision = orjson.loads(value)
            watch.decision(decision, began, time.time(), label, CAMPAIGN)
            if decision["action"] == "block":
                traffic.blocked(call_id)
        for _, _, value in outcomes.evidence:
            watch.evidence(orjson.loads(value))
    console.print("\n".join(lines(watch)))
    return watch


def _frauds() -> dict[str, float]:
    return FRAUDS | {CAMPAIGN: 0.05}


def _child(settings: Settings, folder: str, name: str) -> subprocess.Popen[bytes]:
    env = os.environ | {
        "STREAMER_BOOTSTRAP": settings.bootstrap,
        "STREAMER_PARTITIONS": str(_PARTITIONS),
        "STREAMER_METRICS_PORT": "0",
        "STREAMER_TRAINER_METRICS_PORT": "0",
        "STREAMER_SIGNALS_METRICS_PORT": "0",
        "STREAMER_TRAINER_DATA": str(Path(folder) / "trainer"),
        "STREAMER_MATURE_S": "6",
        "STREAMER_PUBLISH_EVERY_S": "2",
        "STREAMER_MAX_CALLERS": "200000",
        "STREAMER_LOG_LEVEL": "warning",
        "STREAMER_LOG_FORMAT": "text",
    }
    with _log(folder, name).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "streamer", name],
            env=env,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is ours; the children are stopped in order
            preexec_fn=processes.die_with(os.getpid()),  # noqa: PLW1509 - before any thread of ours was started
        )


def _log(folder: str, name: str) -> Path:
    return Path(folder) / f"{name}.log"


class _Run:
    def __init__(
        self, settings: Settings, watch: Watch, rate: float, seed: int, children: list[Any], folder: str
    ) -> None:
        self.folder = folder
        self.watch = watch
        self.topics = topics.Topics(settings)
        self.children = children
        self.producer: Producer = clients.producer(settings, log_level=2)  # a coordinator that is loading is no news
        self.reader: Consumer = clients.consumer(
            settings, "demo", **{"auto.offset.reset": "earliest", "fetch.wait.max.ms": 10}
        )
        read = (self.topics.decisions, self.topics.evidence)
        self.reader.assign([TopicPartition(topic, p, 0) for topic in read for p in range(_PARTITIONS)])
        self.plan = home_plan(settings.home)
        self.traffic = Traffic(seed, rate, start_ms=int(time.time() * 1000), frauds=_frauds(), subscribers=20_000)
        self.sent: dict[str, tuple[float, str | None]] = {}
        self.reports: deque[tuple[float, Setup]] = deque()

    def go(self, seconds: float, console: Console) -> None:
        """Publish and read until the time is over or Ctrl-C."""
        try:
            self._prepare()
            pending = self._first_verdict()
            lag = int(time.time() * 1000) - pending[0]
            shown = time.time()
            ends = shown + seconds
            with _Screen(console, self.watch, ends) as show:
                while (now := time.time()) < ends:
                    while pending[0] + lag <= now * 1000:
                        self._publish(pending[1], pending[2], lag, now)
                        pending = next(self.traffic)
                    self._report(now)
                    self._read()
                    if now - shown > 0.5:
                        shown = now
                        show(now)
                        self._check()
        except KeyboardInterrupt:
            console.print("stopped by Ctrl-C")
        try:
            self.producer.flush(5)
            ends = time.time() + 5
            while self.sent and time.time() < ends:
                self._read()
        finally:
            self.producer.purge()
            self.reader.close()

    def _first_verdict(self) -> Any:
        """Publish up to the first set-up and wait for its verdict, so that the clock runs when everything is up; gives what comes next."""
        until = time.time() + 60
        while not self.watch.published:
            at, event, label = next(self.traffic)
            self._publish(event, label, int(time.time() * 1000) - at, time.time())
        while not self.watch.decided:
            self._read()
            self._check()
            if time.time() > until:
                raise StreamerError("no verdict came within 60 s of the first call")
        self.watch.latency_ms.clear()  # that one waited for the worker to start
        return next(self.traffic)

    def _prepare(self) -> None:
        produce = self.producer.produce
        named = {self.topics.kind(topic): topic for topic in (*self.topics.control, *self.topics.facts)}
        for record in of_traffic(self.traffic):
            while True:
                try:
                    produce(named[record.kind], key=record.key, value=record.value)
                    break
                except BufferError:
                    self.producer.poll(0.1)
        policy = Policy(version="demo", evidence_sample=0.5, model=ModelPolicy(mode="shadow"))
        produce(self.topics.policy, key="policy@demo", value=encode(policy))
        produce(self.topics.policy, key="current", value=encode(PolicyPointer(version="demo")))
        self.producer.flush(30)

    def _publish(self, event: Any, label: str | None, lag: int, now: float) -> None:
        message = orjson.loads(encode(event))
        message["at"] = event.at + lag
        kind = {"Setup": "setup", "Answer": "answer", "End": "end"}[type(event).__name__]
        key = caller_key(event.caller, event.asserted, event.callee, self.plan)
        self.producer.produce(self.topics.calls, key=key, value=orjson.dumps({"type": kind, **message}))
        self.producer.poll(0)
        if isinstance(event, Setup):
            self.watch.published += 1
            self.sent[event.call_id] = (now, label)
            if label == CAMPAIGN:
                self.reports.append((now + REPORT_AFTER_S, event))

    def _report(self, now: float) -> None:
        while self.reports and self.reports[0][0] <= now:
            _, event = self.reports.popleft()
            feedback = report(event, CAMPAIGN, int(now * 1000))
            key = caller_key(event.caller, event.asserted, event.callee, self.plan)
            self.producer.produce(self.topics.feedback, key=key, value=encode(feedback))
            self.watch.reports += 1

    def _read(self) -> None:
        first = self.reader.poll(0.002)
        if first is None:
            return
        records: list[Any] = [first, *self.reader.consume(2_000, 0)]
        now = time.time()
        for record in records:
            if record.error() is not None:
                continue
            found = orjson.loads(record.value())
            if record.topic() == self.topics.evidence:
                self.watch.evidence(found)
                continue
            if found["revises"]:
                self.traffic.blocked(found["call_id"])
                continue
            sent = self.sent.pop(found["call_id"], None)
            if sent is None:
                continue
            self.watch.decision(found, sent[0], now, sent[1], CAMPAIGN)
            if found["action"] == "block":
                self.traffic.blocked(found["call_id"])

    def _check(self) -> None:
        for child in self.children:
            if child.poll() is not None:
                name = child.args[-1]
                said = _log(self.folder, name).read_text("utf-8", "replace").strip().splitlines()[-5:]
                raise StreamerError(
                    f"streamer {name} ended with code {child.returncode} during the demonstration; its last words:\n"
                    + "\n".join(said)
                )


class _Screen:
    """A live screen on a terminal; elsewhere a line every few seconds, and the screen as it was at the end."""

    def __init__(self, console: Console, watch: Watch, ends: float) -> None:
        self._console, self._watch, self._ends = console, watch, ends
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._told = 0.0

    def __enter__(self) -> Callable[[float], None]:
        if self._live is not None:
            self._live.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        else:
            self._console.print(render(self._watch, 0.0))

    def _show(self, now: float) -> None:
        if self._live is not None:
            self._live.update(render(self._watch, max(0.0, self._ends - now), self._console.height), refresh=True)
        elif now - self._told > 5:
            self._told = now
            self._console.print(" | ".join(lines(self._watch)), soft_wrap=True)


def finish(watch: Watch, console: Console) -> None:
    """Print the summary."""
    for line in summary(watch):
        console.print(line, highlight=False, soft_wrap=True)
