"""A real Prometheus scrapes a worker, a trainer and a merger under the demonstration's traffic: every query has an answer that makes sense."""

import io
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import orjson
import pytest
import yaml
from rich.console import Console

from streamer.calls.codec import encode
from streamer.calls.decisions import Demotion
from streamer.calls.signals import BusyLine
from streamer.dashboards.boards import BOARDS
from streamer.demo.run import _Run
from streamer.demo.watch import Watch
from streamer.demotions import demotion_key
from streamer.governor import MOST_OF_OPERATOR
from tests.deploy.test_monitoring import ROOT, rules
from tests.stream.live import Calls, Worker, setup, wait_until

pytestmark = [
    pytest.mark.broker,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus here: `make system` installs it"),
]
CREWS = {
    "op-a": tuple(f"+770111111{n:02}" for n in range(12)),
    "op-b": tuple(f"+770511111{n:02}" for n in range(12)),
    "op-c": tuple(f"+770011111{n:02}" for n in range(12)),
}
"""Lines in good standing by operator: all of the first two scan numbers, of the third one does."""
DAY = 86_400_000


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Prometheus:
    def __init__(self, folder, targets):
        self.port, self.log = free_port(), folder / "prometheus.log"
        own = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
        own["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        own["rule_files"] = [str(ROOT / "deploy/prometheus/rules/*.yml")]
        for job in own["scrape_configs"]:
            job["static_configs"] = [{"targets": [f"127.0.0.1:{targets.pop(job['job_name'])}"]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(own))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
            )

    def get(self, path, **query):
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from None

    def ask(self, expr):
        """Labels and value of each series of an instant query."""
        found = self.get("query", query=expr)
        return [(series["metric"], float(series["value"][1])) for series in found["result"]]

    def firing(self):
        """Names of the alerts."""
        return {alert["labels"]["alertname"] for alert in self.get("alerts")["alerts"]}

    def look(self):
        """Wait until it has scraped worker and trainer anew."""
        now = time.time()
        wait_until(lambda: all(at > now for _, at in self.ask("timestamp(up)")), 30, lambda: self.ask("timestamp(up)"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def trainer(settings, port, folder):
    env = {
        key: value for key, value in os.environ.items() if not key.startswith("STREAMER_") or key == "STREAMER_CACHE"
    }
    own = {
        "STREAMER_BOOTSTRAP": settings.bootstrap,
        "STREAMER_PREFIX": settings.prefix,
        "STREAMER_PARTITIONS": str(settings.partitions),
        "STREAMER_TRAINER_GROUP": settings.trainer_group,
        "STREAMER_TRAINER_METRICS_PORT": str(port),
        "STREAMER_TRAINER_DATA": str(folder / "trainer"),
        "STREAMER_MATURE_S": "4",
        "STREAMER_PUBLISH_EVERY_S": "2",
    }
    with (folder / "trainer.log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "streamer", "trainer"], env=env | own, stdout=log, stderr=log)


def provoke(settings, prometheus):
    """What needs an event to be seen: a demotion, an alarm, dead letters of worker, trainer and merger, a device with many SIMs that call many numbers, wrong keys, wrong clocks."""
    calls, now = Calls(settings), int(time.time() * 1_000)
    topics, produce = calls.topics, calls.producer.produce
    rules = {"version": "g", "control_share": 0, "evidence_sample": 0.5, "model": {"mode": "shadow"},
             "governor": {"max_share": 0.1, "min_lines": 5}}  # fmt: skip
    produce(topics.policy, key="policy@g", value=orjson.dumps(rules))
    produce(topics.policy, key="current", value=b'{"version":"g"}')
    for number in range(MOST_OF_OPERATOR):  # so many that the governor adds none and gives an alarm
        held = Demotion(detector="robocall", operator="op-a", trunk=f"t{number}", at=now, until=now + DAY, why="tried")
        produce(topics.policy, key=demotion_key(held), value=encode(held))
    for operator, lines in CREWS.items():
        for line in lines:
            fact = {
                "number": line,
                "at": now,
                "fact": "line",
                "value": "active",
                "since": now - 31 * DAY,
                "operator": operator,
            }
            produce(topics.line, key=line, value=orjson.dumps(fact))
    asked = []
    for times in range(2):
        for topic in (topics.policy, topics.feedback, topics.counts):
            produce(topic, key="broken", value=b"{")
        for number in range(6):
            line = BusyLine(at=now + times, operator="op-a", line=f"+7701222220{number}", call_id=f"b{number}", attempts=20,
                            distinct=20, answered=3, imei=f"35000000000000{times}")  # fmt: skip
            produce(topics.counts, key=line.line, value=encode(line))
        calls.producer.flush()
        for operator, lines in CREWS.items():
            for line in lines:
                for number in range(1 if operator == "op-c" and line != lines[0] else 8):
                    name = f"{line}-{times}-{number}"
                    callee = f"+7727{2_000_000 + 8 * times + number}"
                    call = setup(name, line, callee=callee, ingress="subscriber", trunk="t-1", operator=operator)
                    calls.publish(call)
                    dead = {"type": "end", "ring_ms": 0, "talk_ms": 0, "cause": 1}
                    calls.publish(
                        {**{key: call[key] for key in ("call_id", "at", "operator", "caller", "callee")}, **dead}
                    )
                    asked.append(name)
        wrong = setup(f"wrong-{times}", "+77015550000", at=now - 30 * 60_000)
        for partition in range(settings.partitions):
            calls.publish(wrong | {"call_id": f"wrong-{times}-{partition}"}, partition=partition)
        calls.publish(b"not a record", key="broken")
        assert not calls.until(asked)
        prometheus.look()  # so that the second round is seen as an increase
    calls.reader.close()


def queries():
    """Name to expression of all that is shown, recorded and alerted on; of alerts what is compared, as it is empty otherwise."""
    filled = {}
    for board in BOARDS:
        for panel in board.panels:
            for number, query in enumerate(panel.queries):
                expr = query.expr.replace("$__rate_interval", "2m").replace("$operator", ".*")
                filled[f"{board.name}: {panel.title} {number}"] = expr
    for rule in rules("recording.yml"):
        filled[f"record {rule['record']}"] = rule["record"]
    for rule in rules("alerts.yml"):
        compared = re.fullmatch(r"(.+) [<>] [\d.]+", rule["expr"])
        assert compared, f"{rule['alert']} is not `query operator number`"
        filled[f"alert {rule['alert']}"] = compared[1]
    return filled


def nonsense(expr, found):
    """Why an answer cannot be right; None if it may be."""
    if not found:
        return "empty"
    for labels, value in found:
        if not math.isfinite(value):
            return f"{labels}: {value}"
        if value < 0 and "skew" not in expr and "behind" not in expr:
            return f"{labels}: {value} below 0"
        if re.search(r"share(?!:to_day)|auc", expr) and "clamped" not in expr and value > 1:
            return f"{labels}: a share of {value}"
    return None


def test_every_query_of_dashboards_and_rules_has_an_answer_that_makes_sense(make_settings, tmp_path):
    from streamer.kafka import topics

    settings = make_settings()
    topics.ensure(settings)
    ports = {"streamer-worker": free_port(), "streamer-trainer": free_port(), "streamer-signals": free_port()}
    learning = trainer(settings, ports["streamer-trainer"], tmp_path)
    try:
        with (
            Worker(settings, STREAMER_METRICS_PORT=str(ports["streamer-worker"])) as worker,
            Worker(
                settings, command="signals", STREAMER_SIGNALS_METRICS_PORT=str(ports["streamer-signals"])
            ) as merging,
            Prometheus(tmp_path, dict(ports)) as prometheus,
        ):
            watch = Watch(began=time.time())
            run = _Run(settings, watch, 200, 1, [], str(tmp_path))
            run.go(20, Console(file=io.StringIO()))
            assert watch.decided > 1_000
            provoke(settings, prometheus)

            def wrong():
                asked = {name: (expr, prometheus.ask(expr)) for name, expr in queries().items()}
                return {
                    name: f"{why}: {expr}" for name, (expr, found) in asked.items() if (why := nonsense(expr, found))
                }

            def tell():
                lines = [f"{name}: {why}" for name, why in wrong().items()]
                return "\n".join([*lines, worker.log[-2000:], (tmp_path / "trainer.log").read_text()[-2000:]])

            wait_until(lambda: not wrong(), tell=tell)

            health = [rule["health"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
            assert set(health) == {"ok"}
            wanted = {"StreamerGovernorActed", "StreamerGovernorAlarm", "StreamerDeadLetters", "StreamerTrainerDeadLetters",
                      "StreamerSignalsDeadLetters", "StreamerCases",
                      "StreamerRekeyed"}  # fmt: skip
            wait_until(lambda: wanted <= prometheus.firing(), 30, lambda: f"firing: {prometheus.firing()}; {tell()}")
            firing = prometheus.firing()
            assert firing.isdisjoint(
                {
                    "StreamerTargetDown",
                    "StreamerNoTrainer",
                    "StreamerNoMerger",
                    "StreamerPolicyControl",
                    "StreamerPolicyStale",
                }
            )

            ((_, judged),) = prometheus.ask("sum(streamer_setups_total)")
            ((_, decided),) = prometheus.ask("sum(streamer_decisions_total)")
            ((_, blocked),) = prometheus.ask('sum(streamer_decisions_total{action="block"})')
            ((_, placed),) = prometheus.ask("sum(streamer_blocks_total)")
            ((_, revised),) = prometheus.ask('streamer_originations_total{came="revised"}')
            assert judged == decided > 1_000
            assert placed == blocked + revised > 0
            skews = {labels["operator"]: value for labels, value in prometheus.ask("streamer_clock_skew_seconds")}
            assert len(skews) > 1
            assert all(abs(value) < 1 for operator, value in skews.items() if operator != "op-a")
            assert worker.stop() == 0, worker.log
            assert merging.stop() == 0, merging.log
    finally:
        learning.terminate()
        learning.wait(30)
