"""Files of call records, read as a stream: JSON Lines and CSV, plain or gzip, of any size.

A record that cannot be read is handed on as `Unreadable`, with its place and its text, and reading goes on behind it.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from streamer.errors import ReplayError

LONGEST_LINE: Final = 262_144
"""Characters (bytes, in JSON Lines) of one line; a longer one is unreadable, so that memory stays bounded."""


class Line(NamedTuple):
    """One line of a JSON Lines file, without its line end."""

    file: Path
    line: int
    text: bytes


class Row(NamedTuple):
    """One record by column; `text` is what stood in the file."""

    file: Path
    line: int
    fields: dict[str, str]
    text: str


class Unreadable(NamedTuple):
    """A record that is of no use: where it stands, a reason code, what is wrong, what stood there (its beginning)."""

    file: Path
    line: int
    reason: str
    message: str
    text: str


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

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _unpacked(file: Counted, path: Path) -> io.BufferedIOBase:
    buffered = io.BufferedReader(file, 1 << 18)
    if path.suffix == ".gz":
        return gzip.GzipFile(fileobj=buffered)
    return buffered


def read_lines(path: Path, file: Counted) -> Iterator[Line | Unreadable]:
    """The lines of a JSON Lines file; blank ones are passed over. Raises `ReplayError` when the file breaks off."""
    number = 0
    stream = _unpacked(file, path)
    while text := _take(stream, path):
        number += 1
        if len(text) > LONGEST_LINE:
            shown = text[:1_000].decode("utf-8", "backslashreplace")
            while text and not text.endswith(b"\n"):
                text = _take(stream, path)
            yield Unreadable(path, number, "too_large", f"a line of more than {LONGEST_LINE} bytes", shown)
        elif stripped := text.strip():
            yield Line(path, number, stripped)


def _take(stream: io.BufferedIOBase, path: Path) -> bytes:
    try:
        return stream.readline(LONGEST_LINE + 1)
    except (OSError, EOFError) as error:
        raise ReplayError(f"{path} breaks off: {error}") from None


class _Lines:
    """Text lines for `csv.reader`; remembers those that the record in hand was made of."""

    def __init__(self, stream: io.BufferedIOBase, path: Path, encoding: str) -> None:
        self._stream = stream
        self._path = path
        self._encoding = "utf-8-sig" if encoding.lower() in {"utf-8", "utf8"} else encoding
        self.number = 0
        self.record: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = _take(self._stream, self._path)
        if not line:
            raise StopIteration
        self.number += 1
        text = line.decode(
            self._encoding if self.number == 1 else self._encoding.removesuffix("-sig"), "surrogateescape"
        )
        if len(line) > LONGEST_LINE:
            self.record.append(text[:1_000])
            while line and not line.endswith(b"\n"):
                line = _take(self._stream, self._path)
            raise csv.Error(f"a line of more than {LONGEST_LINE} bytes")
        self.record.append(text)
        return text


def read_csv(path: Path, file: Counted, delimiter: str = ",", encoding: str = "utf-8") -> Iterator[Row | Unreadable]:
    """The rows of a CSV file whose first line names the columns. Raises `ReplayError` when there is no such line."""
    try:
        lines = _Lines(_unpacked(file, path), path, encoding)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(reader)]
    except StopIteration:
        raise ReplayError(f"{path} is empty: a first line with the names of the columns is needed") from None
    except (csv.Error, LookupError, TypeError) as error:
        raise ReplayError(f"{path}, line 1: {error}") from None
    if len(set(header)) < len(header):
        raise ReplayError(f"{path}, line 1: a column name comes twice: {', '.join(header)}")
    while True:
        lines.record.clear()
        began = lines.number + 1
        message = None
        values: list[str] = []
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = f"{error}" if lines.number == began else f"{error} (lines {began} to {lines.number})"
        text = "".join(lines.record).rstrip("\r\n")
        if message is None and not values:
            continue
        if message is None and len(values) != len(header):
            message = f"{len(values)} fields; the first line names {len(header)} columns"
        if message is None and not text.isascii() and any("\udc80" <= sign <= "\udcff" for sign in text):
            message = f"not {encoding}"
        if message is None:
            yield Row(path, began, dict(zip(header, values, strict=True)), text)
        else:
            shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            yield Unreadable(path, began, "not_csv", message, shown)
