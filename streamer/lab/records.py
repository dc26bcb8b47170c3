"""Files of call records, read as a stream: JSON Lines and CSV, plain or packed, of any size.

A record that cannot be read is handed on as `Unreadable`, with its place and its text, and reading goes on behind it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from streamer.errors import ReplayError
from streamer.lab.encodings import Encoding, encoding_of
from streamer.lab.packed import Counted, take, unpacked

LONGEST_LINE: Final = 262_144
"""Bytes of one line, and of all lines of a CSV record; what is longer is unreadable, so that memory stays bounded."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPED: Final = re.compile("[\udc80-\udcff]")
"""Bytes that are no text in the encoding."""


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
    """A record that is of no use: where it stands, a reason code, what is wrong, what stood there (its beginning), and the
    columns that are to blame, if the fault is in some.
    """

    file: Path
    line: int
    reason: str
    message: str
    text: str
    column: str = ""


class Place(msgspec.Struct):
    """How far a file is read, after the record given out last: lines (rows, in Parquet) and the bytes of them, unpacked."""

    lines: int = 0
    bytes: int = 0


def read_lines(path: Path, file: Counted, place: Place | None = None) -> Iterator[Line | Unreadable]:
    """The lines of a JSON Lines file; blank ones are passed over. Raises `ReplayError` when the file breaks off.

    Reading begins at `place`, which is moved along.
    """
    place = Place() if place is None else place
    stream = unpacked(file, path, place.bytes)
    while text := take(stream, path, LONGEST_LINE + 1):
        place.lines += 1
        place.bytes += len(text)
        if len(text) > LONGEST_LINE:
            shown = text[:1_000].decode("utf-8", "backslashreplace")
            while text and not text.endswith(b"\n"):
                text = take(stream, path, LONGEST_LINE + 1)
                place.bytes += len(text)
            yield Unreadable(path, place.lines, "too_large", f"a line of more than {LONGEST_LINE} bytes", shown)
        elif stripped := text.strip():
            yield Line(path, place.lines, stripped)


class _Lines:
    """Text lines for `csv.reader`; remembers those that the record in hand was made of."""

    def __init__(self, stream: io.BufferedIOBase, path: Path, encoding: str) -> None:
        self.stream = stream
        self._path = path
        self.encoding = Encoding(encoding, b"")
        """As it was named; what it is shows in the first line."""
        self.place = Place()
        self.record: list[str] = []
        self._bytes = 0

    def begin(self) -> None:
        """The next line is the first one of a record."""
        self.record.clear()
        self._bytes = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._take()
        if not line:
            raise StopIteration
        self.place.lines += 1
        name, line_feed = self.encoding
        if len(line) > LONGEST_LINE:
            self.record.append(line[:1_000].decode(name, "backslashreplace"))
            while line and not line.endswith(line_feed):
                line = self._take()
            raise csv.Error(f"a line of more than {LONGEST_LINE} bytes")
        try:
            text = line.decode(name, "surrogateescape")
        except UnicodeError:
            self.record.append(line.decode(name, "backslashreplace"))
            raise csv.Error(f"not {name}") from None
        if self.place.lines == 1:
            text = text.removeprefix("\ufeff")
        self.record.append(text)
        self._bytes += len(line)
        if self._bytes > LONGEST_LINE:
            raise csv.Error(f"a record of more than {LONGEST_LINE} bytes: close the quotation mark that it opens")
        return text

    def _take(self) -> bytes:
        """The next line, or as much of it as is one code unit too long."""
        line = bytearray(take(self.stream, self._path, LONGEST_LINE + 1))
        if not self.encoding.line_feed:
            self.encoding = encoding_of(self.encoding.name, bytes(line[:2]), self._path)
        line_feed = self.encoding.line_feed
        unit = len(line_feed)
        most = LONGEST_LINE + unit
        while len(line) < most and not (line.endswith(line_feed) and len(line) % unit == 0):
            more = take(self.stream, self._path, -len(line) % unit or most - len(line))
            if not more:
                break
            line += more
        self.place.bytes += len(line)
        return bytes(line)


def read_csv(
    path: Path,
    file: Counted,
    delimiter: str = ",",
    encoding: str = "utf-8",
    place: Place | None = None,
    check: Callable[[list[str]], None] | None = None,
) -> Iterator[Row | Unreadable]:
    """The rows of a CSV file whose first line names the columns. Raises `ReplayError` when there is no such line.

    A file in UTF-16 with a byte order mark is read as such also where UTF-8 is said.

    Reading begins at `place`, which is moved along. `check` is given the columns before the first row, and where there is none.
    """
    try:
        lines = _Lines(unpacked(file, path), path, encoding)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(reader)]
    except StopIteration:
        raise ReplayError(f"{path} is empty: a first line with the names of the columns is needed") from None
    except (csv.Error, TypeError) as error:
        raise ReplayError(f"{path}, line 1: {error}") from None
    if len(set(header)) < len(header):
        raise ReplayError(f"{path}, line 1: a column name comes twice: {', '.join(header)}")
    if check is not None:
        check(header)
    if place is None:
        place = lines.place
    elif place.bytes:
        lines.stream = unpacked(file, path, place.bytes)
    else:
        place.lines, place.bytes = lines.place.lines, lines.place.bytes
    lines.place = place
    while True:
        lines.begin()
        began = place.lines + 1
        message = None
        values: list[str] = []
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = f"{error}" if place.lines == began else f"{error} (lines {began} to {place.lines})"
        text = "".join(lines.record).rstrip("\r\n")
        if message is None and not values:
            continue
        if message is None and len(values) != len(header):
            message = f"{len(values)} fields; the first line names {len(header)} columns"
        if message is None and not text.isascii() and _SURROGATE.search(text):
            message = f"not {lines.encoding.name}"
        if message is None:
            yield Row(path, began, dict(zip(header, values, strict=True)), text)
        else:
            shown = _ESCAPED.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text)
            yield Unreadable(path, began, "not_csv", message, shown)
