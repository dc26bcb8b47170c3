"""Dashboards, rules, runbook and docs/metrics.md say what the code does, and every alert fires when it should."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from streamer.dashboards.boards import BOARDS
from streamer.dashboards.panels import DATASOURCE, differences, document, write
from streamer.merger.metrics import MergerMetrics
from streamer.outcomes import Outcomes
from streamer.reasons import REASONS
from streamer.stream import metrics
from streamer.stream.clock_metrics import LASTS_S
from streamer.training.metrics import TrainerMetrics
from streamer.versions import told

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules"

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here: `make system` installs it")


def rules(file):
    (group,) = yaml.safe_load((RULES / file).read_text("utf-8"))["groups"]
    return group["rules"]


INFOS = {"streamer_versions": ("policy", "model"), "streamer_build": tuple(sorted(told()))}
"""Labels of what is shown as information, which its collectors do not tell."""


def families():
    """Name to (type, labels) of every metric of the code."""
    found = {}
    for registry in (metrics.Metrics().registry, TrainerMetrics().registry, MergerMetrics().registry):
        for collector in registry._collector_to_names:
            (family,) = collector.describe() if hasattr(collector, "describe") else collector.collect()
            labels = getattr(collector, "_labelnames", ())
            found[family.name] = family.type, INFOS[family.name] if family.type == "info" else labels
    return found


def test_every_metric_is_documented_and_every_documented_one_is_there():
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| [^|]+ \| [^|]+ \|$", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    )
    documented = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert len(documented) == len(rows)
    assert documented == families()


def test_the_dashboards_in_the_folder_are_those_of_the_code(tmp_path):
    folder = ROOT / "deploy/grafana/dashboards"
    assert differences(BOARDS, folder) == []
    shutil.copytree(folder, tmp_path / "held")
    (tmp_path / "held/overview.json").write_text("{}")
    (tmp_path / "held/model.json").unlink()
    (tmp_path / "held/own.json").write_text("{}")
    assert differences(BOARDS, tmp_path / "held") == [
        "model.json is missing",
        "overview.json differs",
        "own.json is of no board",
    ]
    write(BOARDS, tmp_path / "held")
    assert differences(BOARDS, tmp_path / "held") == []


def test_grafana_finds_boards_and_datasource_without_a_hand():
    provisioning = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert {"type": source["type"], "uid": source["uid"]} == DATASOURCE
    for board in BOARDS:
        made = document(board)
        panels = made["panels"]
        assert made["uid"] == f"streamer-{board.name}"
        assert all(target["datasource"] == DATASOURCE for panel in panels for target in panel["targets"])
        cells = [
            (x, y)
            for panel in panels
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells)), f"panels of {board.name} overlap"
        assert max(x for x, _ in cells) < 24


def test_queries_and_rules_name_metrics_that_there_are():
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"], "gauge": [""]}
    known = {name + suffix for name, (kind, _) in families().items() for suffix in suffixes[kind]}
    known |= {rule["record"] for rule in rules("recording.yml")}
    said = [query.expr for board in BOARDS for panel in board.panels for query in panel.queries]
    said += [rule["expr"] for file in ("recording.yml", "alerts.yml") for rule in rules(file)]
    named = {name for expr in said for name in re.findall(r"\bstreamer[:_][\w:]+", expr)}
    assert named - known == set()
    shown = {name for board in BOARDS for panel in board.panels for query in panel.queries
             for name in re.findall(r"\bstreamer:[\w:]+", query.expr)}  # fmt: skip
    alerted = {name for rule in rules("alerts.yml") for name in re.findall(r"\bstreamer:[\w:]+", rule["expr"])}
    between = {name for rule in rules("recording.yml") for name in re.findall(r"\bstreamer:[\w:]+", rule["expr"])}
    assert {rule["record"] for rule in rules("recording.yml")} == shown | alerted | between


def test_every_alert_has_its_chapter_in_the_runbook_and_a_test():
    names = [rule["alert"] for rule in rules("alerts.yml")]
    book = (ROOT / "docs/runbook.md").read_text("utf-8")
    chapters = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", book, re.MULTILINE | re.DOTALL))
    assert list(chapters) == names
    for rule in rules("alerts.yml"):
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert f"`{rule['expr']}`" in chapters[rule["alert"]]
        assert [word for word in ("Means", "Look at", "Do") if f"- {word}: " not in chapters[rule["alert"]]] == []
    cases = yaml.safe_load((ROOT / "tests/deploy/alerts.yml").read_text("utf-8"))["tests"]
    for case in cases:
        asked = case["alert_rule_test"]
        assert {one["alertname"] for one in asked} == {case["name"]}
        assert [bool(one.get("exp_alerts")) for one in asked] == [False, True]
    assert [case["name"] for case in cases] == names


@promtool
def test_promtool_takes_the_rules_and_every_alert_fires_in_its_case():
    for command in (
        ["check", "config", "deploy/prometheus/prometheus.yml"],
        ["test", "rules", "tests/deploy/alerts.yml"],
        ["test", "rules", "tests/deploy/gone.yml"],
    ):
        done = subprocess.run(["promtool", *command], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_trunks_and_operators_cannot_exhaust_memory_and_absurd_clocks_hide_nothing(monkeypatch):
    monkeypatch.setattr(metrics, "MOST_OPERATORS", 2)
    monkeypatch.setattr(metrics, "MOST_TRUNKS", 3)
    shown = metrics.Metrics()
    assert [shown.trunk("a", "1"), shown.trunk("a", "2"), shown.trunk("b", "1")] == [("a", "1"), ("a", "2"), ("b", "1")]
    assert [shown.trunk("b", "9"), shown.trunk("c", "1"), shown.trunk("a", "1")] == [
        ("b", "other"),
        ("other", "other"),
        ("a", "1"),
    ]

    class Batch:
        values, append_ms = [b"{}"], [0]

    said = Outcomes(delays={"a": 10**15})
    said.blocked["a", "1", 0b11] = 2
    said.setups["a"] = 5
    shown.observe(Batch, said, 0, shed=False)
    shown.show()
    value = shown.registry.get_sample_value
    assert value("streamer_setups_total", {"operator": "a"}) == 5
    assert value("streamer_blocks_total", {"operator": "a", "trunk": "1"}) == 2
    detectors = {reason.partition(".")[0] for reason in REASONS[:2]}
    for detector in detectors:
        assert value("streamer_block_reasons_total", {"operator": "a", "trunk": "1", "detector": detector}) == 2
    assert value("streamer_clock_skew_seconds", {"operator": "a"}) == 600
    for second in range(120):
        shown.observe(Batch, Outcomes(delays={"a": -3_000}), 1_000 * second, shed=False)
    shown.show()
    assert value("streamer_clock_skew_seconds", {"operator": "a"}) == pytest.approx(-3, abs=0.05)


def test_a_wrong_time_is_outweighed_by_right_ones_and_forgotten_when_no_more_come():
    class Batch:
        values, append_ms = [b"{}"], [0]

    shown = metrics.Metrics()

    def skew(operator):
        return shown.registry.get_sample_value("streamer_clock_skew_seconds", {"operator": operator})

    def call(operator, delay_ms, now_ms):
        shown.observe(Batch, Outcomes(delays={operator: delay_ms}), now_ms, shed=False)
        shown.show()

    for operator in ("seldom", "once"):
        call(operator, 21_600_000, 0)
    call("seldom", 40, 60_000)
    assert (skew("seldom") < 2, skew("once")) == (True, 600)
    for at_ms in range(60_000, 70_000, 10):
        call("busy", 40, at_ms)
    call("busy", 21_600_000, 70_000)
    assert skew("busy") < 2, "one call of a thousand"
    shown.clocks.forget(LASTS_S)
    assert skew("once") == 600
    shown.clocks.forget(LASTS_S + 1)
    assert (skew("once"), skew("seldom") < 2, skew("busy") < 2) == (None, True, True)


def test_what_is_in_force_is_shown_with_its_age():
    shown = metrics.Metrics()
    value = shown.registry.get_sample_value
    assert shown.in_force("default", None, 100.0)
    assert not shown.in_force("default", None, 101.0)
    assert (value("streamer_policy_taken_timestamp_seconds"), value("streamer_model_version")) == (100, 0)
    assert shown.in_force("default", "champion@7", 102.0)
    assert value("streamer_policy_taken_timestamp_seconds") == 100
    assert (value("streamer_model_taken_timestamp_seconds"), value("streamer_model_version")) == (102, 7)
    assert value("streamer_versions_info", {"policy": "default", "model": "champion@7"}) == 1
