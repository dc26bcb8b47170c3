"""Several workers on one machine, each a process: started together, stopped together, none restarted in silence."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from streamer.errors import StreamerError

log = logging.getLogger("streamer.processes")

_LOOK_S: Final = 0.1

_IN_ORDER: Final = (0, 128 + signal.SIGINT)
"""What a process ends with that was asked to: the second is that of one that had not begun yet."""


def supervise(commands: Sequence[Sequence[str]], grace_s: float) -> None:
    """Run the commands until SIGTERM or Ctrl-C, then have all of them drain; each gets `grace_s` for that.

    Raises `StreamerError` when one ends by itself, after the others were stopped in order, or does not stop cleanly. Each
    child holds the reading end of a pipe as its standard input, which ends with this process (`stop_with_parent`).
    """
    stopping = threading.Event()
    kept = {number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    children: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            children.append(subprocess.Popen(command, stdin=subprocess.PIPE))  # noqa: PERF401 - if one fails, the others are stopped
        dead = None
        while not stopping.is_set() and dead is None:
            dead = next((child for child in children if child.poll() is not None), None)
            stopping.wait(_LOOK_S)
    finally:
        killed = _stop(children, grace_s)
        for number, handler in kept.items():
            signal.signal(number, handler)
    if dead is not None:
        raise StreamerError(f"worker process {dead.pid} ended with code {dead.returncode}; the others were stopped")
    if killed:
        raise StreamerError(f"worker processes {killed} did not stop within {grace_s:g} s and were killed")
    failed = {child.pid: child.returncode for child in children if child.returncode not in _IN_ORDER}
    if failed:
        raise StreamerError(f"worker processes did not stop cleanly (process: code): {failed}")


def _stop(children: list[subprocess.Popen[bytes]], grace_s: float) -> list[int]:
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    until, killed = time.monotonic() + grace_s, []
    for child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            killed.append(child.pid)
    return killed


def stop_with_parent(stop: Callable[[], Any] | None = None) -> None:
    """Watch standard input in a thread of its own and drain this process when it ends, since the parent is gone then."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        log.warning("the parent process is gone; stopping")
        (stop or (lambda: os.kill(os.getpid(), signal.SIGTERM)))()

    threading.Thread(target=watch, name="parent", daemon=True).start()
