"""The benchmarks' page: ratios are taken within a round, every promise is judged from the figures, gaps stay gaps."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks import report
from benchmarks.sizes import FULL


def results(**peers: list[float]) -> dict[str, Any]:
    return {
        "machine": {"cores": 2, "processor": "p", "system": "s", "load_before": 0.1},
        "versions": {"Python": "3.11"},
        "quick": False,
        "sizes": FULL._asdict(),
        "seconds": 60.0,
        "setup_bytes": 370.0,
        "records_a_setup": 2.6,
        "left_out": {},
        "warmed": 4,
        "peers": {
            name: {
                "title": name,
                "visits": [
                    {
                        "round": turn,
                        "rate": rate,
                        "cpu_us": 1e6 / rate,
                        "peak_mib": 100.0,
                        "paced": {"5000": {"p50": 1e6 / rate, "p99": 2e6 / rate, "p999": 3e6 / rate, "lost": 0}},
                    }
                    for turn, rate in enumerate(rates)
                ],
            }
            for name, rates in peers.items()
        },
    }


def test_a_ratio_is_the_median_of_the_ratios_in_each_round() -> None:
    found = results(raw=[100.0, 1_000.0, 400.0], worker=[60.0, 500.0, 300.0])
    assert report.ratio(found, "worker", "raw", "rate") == pytest.approx(0.6)


def test_a_round_that_one_peer_missed_is_left_out() -> None:
    found = results(raw=[100.0, 200.0], worker=[50.0, 180.0])
    del found["peers"]["raw"]["visits"][0]
    assert report.ratio(found, "worker", "raw", "rate") == pytest.approx(0.9)


@pytest.mark.parametrize(("rate", "word"), [(59_000.0, "pass"), (57_000.0, "**miss**")])
def test_a_promise_is_judged_by_its_bar(rate: float, word: str) -> None:
    page = report.render(results(raw=[100_000.0], worker=[rate]))
    [line] = [line for line in page.splitlines() if "0.58 of the raw loop" in line]
    assert line.endswith(f"| {word} |")


def test_figures_that_rounds_do_not_agree_on_are_named() -> None:
    assert "Rounds differ" not in report.render(results(raw=[100.0, 199.0], worker=[50.0, 60.0]))
    page = report.render(results(raw=[100.0, 201.0], worker=[50.0, 60.0]))
    [line] = [line for line in page.splitlines() if "Rounds differ by more than 2 times" in line]
    assert "raw 100 and 201 set-ups/s; raw 4,975.1 and 10,000.0 ms, 5,000/s p50" in line
    assert "worker" not in line


def test_what_was_not_measured_is_no_pass() -> None:
    page = report.render(results(raw=[100_000.0]))
    judged = page.split("## Promises")[1]
    assert "pass" not in judged
    assert "**miss**" not in judged
    assert judged.count("not measured") > 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_whatever_was_started_ends_with_the_benchmark(number: int, tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from benchmarks.processes import Running, end_in_order_when_asked\n"
        "end_in_order_when_asked()\n"
        "peer = Running([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(99)'], Path(sys.argv[1]), {})\n"
        "try:\n    time.sleep(99)\nfinally:\n    peer.stop()\n"
    )
    log = tmp_path / "log"
    benchmark = subprocess.Popen([sys.executable, "-c", code, str(log)])
    end = time.monotonic() + 20
    while not (log.exists() and log.read_text()) and time.monotonic() < end:
        time.sleep(0.02)
    [peer] = psutil.Process(benchmark.pid).children()
    benchmark.send_signal(number)
    assert benchmark.wait(20) == (-number if number == signal.SIGKILL else 128 + number)
    psutil.wait_procs([peer], 5)
    assert not peer.is_running() or peer.status() == psutil.STATUS_ZOMBIE
