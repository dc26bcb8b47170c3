"""A real-time detector of telephone fraud: call events in, verdicts out, while the call is being set up."""

import hashlib
import os
from pathlib import Path

from streamer.cache import cache_folder

__version__ = "0.1.0"


COMPILED = (
    "calls/*.py",
    "windows/*.py",
    "registers/*.py",
    "detectors/*.py",
    "models/scorer.py",
    "features.py",
    "policy.py",
    "reasons.py",
    "repeats.py",
    "columns.py",
    "compiled.py",
    "vector.py",
    "costly.py",
    "reach.py",
    "telling.py",
    "answers.py",
    "beginnings.py",
    "settling.py",
    "throttling.py",
    "kernel.py",
    "records.py",
    "reporter.py",
    "ways.py",
    "evidence.py",
    "signals/*.py",
)
"""Modules that have compiled loops, or constants that these are compiled with."""


def _compiled_code_folder() -> str:
    """Where numba keeps compiled loops: one folder for each state of the sources.

    Numba looks only at the file of the loop itself, so that a change in a file which that loop calls into would go unseen.
    """
    digest = hashlib.blake2b(digest_size=8)
    here = Path(__file__).parent
    for source in sorted(path for place in COMPILED for path in here.glob(place)):
        digest.update(source.read_bytes())
    return str(cache_folder() / "numba" / digest.hexdigest())


os.environ.setdefault("NUMBA_CACHE_DIR", _compiled_code_folder())
