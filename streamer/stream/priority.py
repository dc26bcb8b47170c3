"""Which threads of a worker get the processor first."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

log = logging.getLogger("streamer.priority")

GIVES_WAY: Final = 10
"""Niceness of what no call waits for: a tenth of the processor beside a thread that calls wait for."""

Made = TypeVar("Made")


def giving_way(make: Callable[[], Made]) -> Made:
    """What `make` gives, with the threads that it starts coming after all others of this machine.

    For clients whose threads hold no lock that others want: not for one that needs the interpreter, since what it holds while
    it waits for the processor the others wait for. Linux has a niceness for each thread, which those that it starts inherit
    (setpriority(2)); elsewhere, and where a worker may not change it, nothing is different.
    """
    with ThreadPoolExecutor(1, initializer=_give_way) as one:
        return one.submit(make).result()


def _give_way() -> None:
    if sys.platform == "linux":
        thread = threading.get_native_id()
        try:
            os.setpriority(os.PRIO_PROCESS, thread, max(GIVES_WAY, os.getpriority(os.PRIO_PROCESS, thread)))
        except OSError as reason:
            log.info("what no call waits for keeps its priority: %s", reason.strerror)
