"""The demonstration as a newcomer runs it, shortened, without a terminal."""

import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.broker


def left_behind(before):
    """Processes of a demonstration that outlived it."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if (
            process.info["pid"] not in before
            and sys.prefix in line
            and ("streamer-demo-" in line or "-m streamer worker" in line)
        ):
            found.append(line)
    return found


def test_a_short_demonstration_shows_verdicts_and_leaves_nothing_running():
    before = set(psutil.pids())
    done = subprocess.run(
        [sys.executable, "-m", "streamer", "demo", "--seconds", "12", "--rate", "200"], capture_output=True, text=True, timeout=120,
        env=os.environ | {"COLUMNS": "400"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    decided, published = (
        int(found.replace(",", "")) for found in re.findall(r"([\d,]+) of ([\d,]+) set-ups decided", done.stdout)[-1]
    )
    assert decided == published > 1_000
    assert "cli_spoofing.domestic_from_abroad" in done.stdout
    assert "threshold" in done.stdout
    assert left_behind(before) == []


def test_ctrl_c_ends_with_a_summary_and_leaves_nothing_running():
    before = set(psutil.pids())
    demo = subprocess.Popen(
        [sys.executable, "-m", "streamer", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if "set-ups decided" in line or "verdicts/s" in line:
            break
    demo.send_signal(signal.SIGINT)
    rest, errors = demo.communicate(timeout=60)
    assert "summary" in rest, errors
    end = time.monotonic() + 5
    while left_behind(before) and time.monotonic() < end:
        time.sleep(0.1)
    assert left_behind(before) == []
