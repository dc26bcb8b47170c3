"""docs/operators.md is true: its commands run as written on a real broker with a real worker, its settings and fields exist."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import certifi
import msgspec
import orjson
import pytest
from confluent_kafka import Producer

from streamer import commands
from streamer.calls.decisions import Decision
from tests.stream.live import Calls, Worker, setup

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/operators.md").read_text("utf-8")


def blocks(kind):
    """The texts of the page's code blocks of one language."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_client_settings_are_librdkafkas():
    (text,) = blocks("properties")
    lines = [line.split("=", 1) for line in text.splitlines()]
    # librdkafka raises for a name or value that it does not know, and for a file that is not there
    Producer(dict(lines) | {"ssl.ca.location": certifi.where(), "log_level": 0})
    named = re.search(r"With a client certificate instead: (.*?)\. Brokers", PAGE, re.DOTALL)[1]
    for name in ("ssl.certificate.location", "ssl.key.location"):
        assert name in named


def test_the_sample_verdict_has_the_contracts_fields():
    (text,) = blocks("json")
    assert orjson.loads(text).keys() == {field.encode_name for field in msgspec.structs.fields(Decision)}
    assert msgspec.json.decode(text, type=Decision).action == "block"


@pytest.mark.broker
@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
def test_the_commands_run_as_written(kafka_settings, tmp_path):
    steps = blocks("bash")
    given = "export KAFKA=127.0.0.1:9092 PREFIX=\n"
    assert steps[0] == given
    steps[0] = f"export KAFKA={kafka_settings.bootstrap} PREFIX={kafka_settings.prefix}\n"
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tools / "streamer").write_text(f'#!/bin/sh\nexec {sys.executable} -m streamer "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    env = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    calls = Calls(kafka_settings)
    operator = {"operator": "op-a", "deadline_ms": 60_000}  # however slow this machine is
    calls.producer.produce(calls.topics.operators, key="op-a", value=orjson.dumps(operator))
    said = []
    with Worker(kafka_settings) as worker:
        calls.publish(setup("warm", "+77010000009"))
        assert not calls.until({"warm"}), worker.log
        for step in steps[1:]:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", steps[0] + step], cwd=tmp_path, env=env, capture_output=True, text=True,
                timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, (step, done.stdout, done.stderr)
            said.append(done.stdout)
        assert worker.stop() == 0, worker.log
    told = iter(said)
    assert next(told) == f"{kafka_settings.partitions}\n"
    verdict, shown = (
        msgspec.json.decode(next(told), type=Decision),
        msgspec.json.decode(blocks("json")[0], type=Decision),
    )
    same = (
        "call_id",
        "operator",
        "caller",
        "callee",
        "action",
        "reasons",
        "shadow_action",
        "sip_code",
        "sip_reason",
        "q850",
        "policy",
    )
    assert [getattr(verdict, name) for name in same] == [getattr(shown, name) for name in same]
    assert sorted(next(told).splitlines()) == [
        "honest pass allow sip=null q850=null",
        "spoofed reject block sip=608 q850=21",
    ]
    published, *obeyed = next(told).splitlines()
    assert published == "3 of 3 events delivered"
    (instruction,) = map(orjson.loads, obeyed)
    assert [instruction[name] for name in ("do", "sip_code", "q850")] == ["reject", 608, 21]
    assert re.search(r"^ +\d+ \+77011234567 is in partition 2$", next(told), re.MULTILINE)
    assert "3 lines are as the contract asks" in next(told)
    assert next(told).split() == ["3", "+77011234567", "is", "in", "partition", "2"]


def test_commands_of_ours_that_the_page_names_exist():
    named = set(re.findall(r"`(?:STREAMER_\w+=\S+ )?streamer ([a-z-]+)", PAGE))
    assert {"broker", "worker", "doctor"} <= named <= commands.COMMANDS.keys()
