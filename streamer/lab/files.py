"""Files that a command writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from streamer.errors import ReplayError

_BUFFER: int = 1 << 20


def keep_apart(read: Iterable[Path | None], written: Mapping[str, Path | None]) -> None:
    """Raise `ReplayError` when a file that is written, by its option, is one that is read, or another that is written.

    Devices and pipes are what they are, however often they are named. A link that leads to itself is told by whoever opens it.
    """
    taken = {os.path.realpath(path): "is read" for path in read if path is not None}
    for option, path in written.items():
        if path is None or (path.exists() and not path.is_file()):
            continue
        place = os.path.realpath(path)
        if place in taken:
            raise ReplayError(f"{path} {taken[place]}, and {option} would write over it: name another file there")
        taken[place] = f"is written by {option}"


def refuse_unwritable(path: Path) -> None:
    """Raise `ReplayError` when the file cannot be written, so that no work is done for it; what it holds stays."""
    if path.exists() and not path.is_file() and not path.is_dir():
        return  # a device or a pipe is opened once
    made = not os.path.lexists(path)
    try:
        path.open("ab").close()
        if made:
            path.unlink()
    except OSError as error:
        raise ReplayError(f"{path} cannot be written: {error.strerror}") from None


def opened(path: Path, behind: int = 0) -> BinaryIO:
    """The file opened anew, or to be written on `behind` so many bytes of it, with what follows them cut off.

    Raises `ReplayError` when it cannot be written or is shorter than that.
    """
    try:
        if not behind:
            return path.open("wb", buffering=_BUFFER)
        length = path.stat().st_size
        if length < behind:
            raise ReplayError(f"{path} has {length} bytes, {behind} were written to it: it was changed meanwhile")
        os.truncate(path, behind)
        return path.open("ab", buffering=_BUFFER)
    except OSError as error:
        raise ReplayError(f"{path} cannot be written: {error.strerror}") from None


def synced(file: BinaryIO) -> None:
    """Have all that was written on the disk."""
    file.flush()
    os.fsync(file.fileno())
