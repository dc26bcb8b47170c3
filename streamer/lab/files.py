"""Files that a command writes."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from streamer.errors import ReplayError

_BUFFER: int = 1 << 20


def written(path: Path) -> BinaryIO:
    """The file opened anew. Raises `ReplayError` when it cannot be written."""
    try:
        return path.open("wb", buffering=_BUFFER)
    except OSError as error:
        raise ReplayError(f"{path} cannot be written: {error.strerror}") from None
