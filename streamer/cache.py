"""Where downloads and compiled code are kept. Nothing is imported here, so that the package itself can ask."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`STREAMER_CACHE`, else `$XDG_CACHE_HOME/streamer`, else `~/.cache/streamer`."""
    named = os.environ.get("STREAMER_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamer"
