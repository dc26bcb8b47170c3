"""Which threads of a worker get the processor first."""

from __future__ import annotations

import os
import sys
import threading
from typing import Final

GIVES_WAY: Final = 10
"""Niceness of what nobody waits for: a tenth of the processor beside a thread that calls wait for."""


def give_way() -> None:
    """Let the other threads of this machine come before the calling one, and before those that it starts from now on.

    Linux has a niceness for each thread (setpriority(2)); elsewhere nothing happens. It is not undone.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(GIVES_WAY, os.getpriority(os.PRIO_PROCESS, thread)))
