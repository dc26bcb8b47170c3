"""The bytes of input files: counted for progress bars, unpacked as they are read, from any place on."""

from __future__ import annotations

import gzip
import importlib
import io
import zlib
from pathlib import Path
from typing import Any, Final

from streamer.errors import ReplayError

PACKED: Final = (".gz", ".zst")
"""Endings of packed files."""

_BUFFER: Final = 1 << 18


class Counted(io.RawIOBase):
    """A file that counts the bytes taken from it, for progress bars."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise ReplayError(f"{path} cannot be read: {error.strerror}") from None
        self.taken = 0
        self.size = path.stat().st_size

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        """Fill `buffer` as far as the file goes."""
        count: int = self._file.readinto(buffer) or 0
        self.taken += count
        return count

    def go_to(self, place: int) -> None:
        """Read on from this byte. A pipe is read on from where it is and nowhere else."""
        if place != self.taken:
            self.taken = self._file.seek(place)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class _Shared(io.RawIOBase):
    """The same file for one reader of it, whose end does not close it."""

    def __init__(self, file: Counted) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        """Fill `buffer` as far as the file goes."""
        return self._file.readinto(buffer)


def unpacked(file: Counted, path: Path, at: int = 0) -> io.BufferedIOBase:
    """The content from byte `at` on, which in a packed file is found by unpacking what comes before.

    Raises `ReplayError` when the file ends before that, or for ``.zst`` without PyArrow.
    """
    packed = path.suffix in PACKED
    file.go_to(0 if packed else at)
    stream: Any = io.BufferedReader(_Shared(file), _BUFFER)
    if path.suffix == ".gz":
        stream = gzip.GzipFile(fileobj=stream)
    elif path.suffix == ".zst":
        arrow = pyarrow(path)
        unpacking = arrow.CompressedInputStream(arrow.PythonFile(stream, "r"), "zstd")
        stream = io.BufferedReader(unpacking, _BUFFER)
    left = at if packed else 0
    while left:
        dropped = len(take(stream, path, min(left, _BUFFER), whole=True))
        if not dropped:
            raise ReplayError(f"{path} ends before byte {at} of its content")
        left -= dropped
    found: io.BufferedIOBase = stream
    return found


def take(stream: io.BufferedIOBase, path: Path, most: int, *, whole: bool = False) -> bytes:
    """The next line, or, with `whole`, whatever comes, of at most so many bytes. Raises `ReplayError` when the file breaks off."""
    try:
        return stream.read(most) if whole else stream.readline(most)
    except (OSError, EOFError, zlib.error) as error:
        raise ReplayError(f"{path} breaks off: {error}") from None


def pyarrow(path: Path, module: str = "pyarrow") -> Any:
    """PyArrow, or a module of it. Raises `ReplayError` that says how to install it when it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ReplayError(f"{path} can be read with PyArrow alone: pip install 'streamer[parquet]'") from None
