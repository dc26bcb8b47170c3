"""Ports and processes of this machine: who listens where, who lives, who dies with whom."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from streamer.errors import BrokerError

HOST: Final = "127.0.0.1"
"""The only address that the local broker listens on."""

ON_LINUX: Final[bool] = sys.platform.startswith("linux")
PR_SET_PDEATHSIG: Final = 1
"""`prctl`'s number for: send me this signal when the thread that made me ends."""


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time start a broker in `folder`. Raises `BrokerError` while another does."""
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BrokerError(f"a broker is being started in {folder} at this moment by another process") from None
        yield
    finally:
        os.close(held)


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether `port` of loopback could be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def born(pid: int) -> str:
    """When process `pid` began, in the kernel's ticks, so that a number used again is not mistaken for it; "" if unknown or dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rsplit(") ", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def is_alive(pid: int, since: str) -> bool:
    """Whether process `pid` lives and is the one that was `born` at `since`; one that ended but was not waited for does not."""
    if ON_LINUX:
        return bool(since) and born(pid) == since
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to process `pid`, if it is still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it went by itself


def write(file: Path, text: str) -> None:
    """Write `file` so that a reader sees the old text or the new one, never half of it."""
    new = file.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.replace(file)


def die_with(parent: int, number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """What a child calls before it becomes another program: have the kernel send `number` when the parent's thread ends."""
    if not ON_LINUX:
        raise BrokerError("a process that dies with its parent needs Linux; start it without")
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return bind
