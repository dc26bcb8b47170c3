"""What docs/ and README.md show is what the commands print: run as written on a real broker, compared by shape."""

import os
import re
import shutil
import socket
import subprocess
import sys

import orjson
import pytest

from tests.screens import BLOCK, ROOT, SCENES, made_anew, shape

pytestmark = [pytest.mark.broker, pytest.mark.slow]
kcat = pytest.mark.skipif(shutil.which("kcat") is None, reason="no kcat here: `make system` installs it")


def test_every_page_with_screens_has_a_scene():
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    assert {page.stem for page in pages if BLOCK.search(page.read_text("utf-8"))} == SCENES.keys()


@kcat
@pytest.mark.parametrize("page", SCENES)
def test_the_screens_of_a_page_are_what_its_commands_print(page):
    held = (ROOT / f"docs/{page}.md").read_text("utf-8")
    assert shape(made_anew(page)) == shape(held), f"run `python -m tests.screens {page}` and look at what it changed"


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@kcat
def test_the_way_of_the_readme_to_a_first_verdict_runs_as_written(tmp_path):
    text = (ROOT / "README.md").read_text("utf-8")
    (block,) = re.findall(r"^## A first call of your own\n```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    made, steps = block.split(". .venv/bin/activate\n")
    assert made == "make env\n"
    steps = steps.replace("9092", kafka := str(free_port())).replace("6067", metrics := str(free_port()))
    steps = steps.replace("broker start", f"broker start --port {kafka}").replace(" worker &", " worker 2>worker.log &")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, module in (("python", ""), ("streamer", "-m streamer")):
        (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        (tools / name).chmod(0o755)
    own = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "STREAMER_BOOTSTRAP": f"127.0.0.1:{kafka}",
        "STREAMER_METRICS_PORT": metrics,
    }
    try:
        done = subprocess.run(
            ["bash", "-c", f"set -m\n{steps}"], cwd=tmp_path, env=os.environ | own, capture_output=True, text=True, timeout=180
        )  # fmt: skip
    finally:
        subprocess.run(
            [tools / "streamer", "broker", "stop", "--delete-data"], cwd=tmp_path, env=os.environ | own, check=True
        )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [orjson.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert "\x1b" not in done.stdout
    assert len(told) == 1, done.stdout + done.stderr + (tmp_path / "worker.log").read_text()
    (verdict,) = told
    assert (verdict["call_id"], verdict["action"]) == ("my-first", "block")
    assert verdict["reasons"] == ["number_invalid.not_in_plan"]
