"""Loops compiled by a process of its own, where none are kept yet.

What a compiler works with is kept for as long as its process lives: a worker that compiled its loops itself held 675 MiB before its
first call, one that read them 200.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numba
from numba.core.registry import cpu_target

log = logging.getLogger("streamer.compiling")

_COMPILE: Final = (sys.executable, "-m", "streamer", "compile")


def ahead(command: Sequence[str] = _COMPILE) -> None:
    """Have the loops compiled, unless they are kept already; returns once they are. Others that want the same wait meanwhile.

    Where `command` fails, whoever asked compiles them himself as he meets them.
    """
    whole = _whole()
    if whole.exists():
        return
    whole.parent.mkdir(parents=True, exist_ok=True)
    with (whole.parent / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if whole.exists():
            return
        log.info("compiling the loops, which takes up to a minute the first time")
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode
        if code:
            log.warning(
                "%s ended with code %d; the loops are compiled here, which takes memory", " ".join(command), code
            )


def done() -> None:
    """All loops are compiled and kept."""
    _whole().touch()


def _whole() -> Path:
    """The file that says so, for this interpreter, compiler and processor."""
    of = repr((sys.version_info[:2], numba.__version__, cpu_target.target_context.codegen().magic_tuple()))
    return Path(os.environ["NUMBA_CACHE_DIR"]) / f"whole-{hashlib.blake2b(of.encode(), digest_size=8).hexdigest()}"
