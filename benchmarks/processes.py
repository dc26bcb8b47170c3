"""Processes of the benchmark: started with a log of their own, measured from outside, always stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import psutil

from streamer.kafka.processes import ON_LINUX, die_with


class BenchmarkError(Exception):
    """A peer did not start, stopped by itself or did not get done in time; the text holds the end of its log."""


def tied() -> dict[str, Any]:
    """Arguments of `Popen` for a child that the kernel kills when this process is gone, however that ends."""
    return {"preexec_fn": die_with(os.getpid(), signal.SIGKILL)} if ON_LINUX else {}


def end_in_order_when_asked() -> None:
    """Let SIGTERM and Ctrl-C unwind the stack, so that whatever was started is stopped on the way out."""

    def end(number: int, _: object) -> NoReturn:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)  # asked once is enough: nothing may cut the tidying short
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


class Usage(NamedTuple):
    """What a process and its children have used: processor seconds, and the most memory held at once in MiB."""

    cpu_s: float
    peak_mib: float


class Running:
    """A peer's process. `stop` ends it, and leaves nothing behind."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
                **tied(),
            )
        self._watched = psutil.Process(self._process.pid)

    def check(self) -> None:
        """Raise `BenchmarkError` when the process is no longer there."""
        code = self._process.poll()
        if code is not None:
            raise BenchmarkError(f"ended by itself with code {code}:\n{self.tail()}")

    def usage(self) -> Usage:
        """Processor time and peak memory so far, all threads and children together."""
        self.check()
        cpu, peak = 0.0, 0.0
        for process in (self._watched, *self._watched.children(recursive=True)):
            try:
                times = process.cpu_times()
                cpu += times.user + times.system
                peak += _peak_mib(process)
            except psutil.NoSuchProcess:
                continue
        return Usage(cpu, peak)

    def stop(self, wait_s: float = 15.0) -> None:
        """Ask the process to end, insist after `wait_s`."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(wait_s)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)  # whatever is left of its session
        except ProcessLookupError:
            pass
        self._process.wait()

    def tail(self, lines: int = 15) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _peak_mib(process: psutil.Process) -> float:
    """High-water mark of resident memory where the system keeps it, else what is resident now."""
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return float(process.memory_info().rss) / 2**20


def until(condition: object, wait_s: float, pause_s: float, what: str) -> None:
    """Call `condition` every `pause_s` until it is true; raises `BenchmarkError` naming `what` after `wait_s`."""
    assert callable(condition)
    end = time.monotonic() + wait_s
    while not condition():
        if time.monotonic() > end:
            raise BenchmarkError(f"{what}: not within {wait_s:.0f} s")
        time.sleep(pause_s)
