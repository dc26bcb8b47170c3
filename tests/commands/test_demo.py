"""The demonstration as a newcomer runs it, shortened, without a terminal."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid

import psutil
import pytest

pytestmark = pytest.mark.broker


@pytest.fixture
def marked():
    """An environment whose mark every process of the demonstration inherits."""
    return os.environ | {"DEMONSTRATION": uuid.uuid4().hex, "COLUMNS": "400"}


def left_behind(marked):
    """Processes of a demonstration that outlived it."""
    return [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline", "environ"])
        if (process.info["environ"] or {}).get("DEMONSTRATION") == marked["DEMONSTRATION"]
    ]


def test_a_short_demonstration_shows_verdicts_and_leaves_nothing_running(marked):
    done = subprocess.run(
        [sys.executable, "-m", "streamer", "demo", "--seconds", "12", "--rate", "200"], env=marked, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    decided, published = (
        int(found.replace(",", "")) for found in re.findall(r"([\d,]+) of ([\d,]+) set-ups decided", done.stdout)[-1]
    )
    assert decided == published > 1_000
    assert "cli_spoofing.domestic_from_abroad" in done.stdout
    assert "threshold" in done.stdout
    assert left_behind(marked) == []


def test_ctrl_c_ends_with_a_summary_and_leaves_nothing_running(marked):
    demo = subprocess.Popen(
        [sys.executable, "-m", "streamer", "demo"], env=marked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if "set-ups decided" in line or "verdicts/s" in line:
            break
    demo.send_signal(signal.SIGINT)
    rest, errors = demo.communicate(timeout=60)
    assert "summary" in rest, errors
    end = time.monotonic() + 5
    while left_behind(marked) and time.monotonic() < end:
        time.sleep(0.1)
    assert left_behind(marked) == []
