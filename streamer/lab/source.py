"""Files of call records as one stream of messages in order of time; what cannot be used goes to a rejects file."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal

import msgspec

from streamer.calls.codec import MAX_BYTES, decode_call, encode
from streamer.calls.events import CallEvent, Setup
from streamer.calls.numbers import HomePlan, caller_key
from streamer.errors import MessageError, ReplayError
from streamer.lab import parquet
from streamer.lab.mapping import Mapping, file_word
from streamer.lab.objects import row_of
from streamer.lab.ordering import ROWS, Held, InOrder, Message
from streamer.lab.packed import PACKED, Counted
from streamer.lab.pseudonyms import Given
from streamer.lab.records import Line, Place, Row, Unreadable, read_csv, read_lines
from streamer.lab.rejects import Rejects, UnmappedError, field_in

Form = Literal["json", "csv", "parquet"]

_JSON_LINES: Final = {".jsonl", ".ndjson", ".json"}
_PARQUET: Final = {".parquet", ".pq"}


class Reading(msgspec.Struct):
    """How far a file is read: the place, what is held back, what is next in its order (the next one last)."""

    place: Place
    held: Held
    ready: list[Message] = []


class Reached(msgspec.Struct):
    """How far a source is read, for another one of the same files to go on: see the attributes of `Source`."""

    records: int
    made: int
    out_of_order: int
    files: list[Reading]
    pseudonyms: Given


class Source:
    """The messages of several files, merged by time; to be gone through once.

    Parameters
    ----------
    files
        JSON Lines (``.jsonl``, ``.ndjson``, ``.json``), Parquet (``.parquet``, ``.pq``) or CSV; all but Parquet perhaps
        packed (``.gz``, ``.zst``).
    mapping
        How rows become calls; None: the files are JSON Lines or Parquet with messages of the contract.
    plan
        The home country, for the record keys.
    rejects
        Takes what is of no use.
    hold
        Rows held back per file to put them in order; 0 keeps the order of the files.
    reached
        Where another source of the same was, to go on from there.
    """

    def __init__(
        self,
        files: Sequence[Path],
        mapping: Mapping | None,
        plan: HomePlan,
        rejects: Rejects,
        *,
        hold: int = ROWS,
        reached: Reached | None = None,
    ) -> None:
        self._mapping = mapping
        self._columns = sorted(mapping.columns) if mapping is not None else []
        self._plan = plan
        self._rejects = rejects
        self._hold = hold
        self._refuse_alike(files)
        self._files = [(path, self._form(path), Counted(path)) for path in files]
        if reached is None:
            reached = Reached(0, 0, 0, [Reading(Place(), Held()) for _ in files], Given())
        elif mapping is not None:
            mapping.pseudonyms.take_over(reached.pseudonyms)
        self._reading = reached.files
        self.records = reached.records
        """Records read, the bad ones included."""
        self.made = reached.made
        """Messages made of them so far; those held back to be put in order are among them."""
        self.out_of_order = reached.out_of_order
        """Messages that came after one of a later time."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for _, _, file in self._files)

    @property
    def taken(self) -> int:
        """Bytes read so far."""
        return sum(file.taken for _, _, file in self._files)

    def reached(self) -> Reached:
        """Where the source is, between two messages. It is the source's own: to be written down before the next message."""
        given = self._mapping.pseudonyms.given if self._mapping is not None else Given()
        return Reached(self.records, self.made, self.out_of_order, self._reading, given)

    def __iter__(self) -> Iterator[Message]:
        streams = [
            _Stream(self._rows(*opened, reading.place), reading, self._hold, self._late)
            for opened, reading in zip(self._files, self._reading, strict=True)
        ]
        first = [(stream.next_at(), number) for number, stream in enumerate(streams)]
        turns = [(at if self._hold else 0, number) for at, number in first if at is not None]
        heapq.heapify(turns)
        while turns:
            _, number = turns[0]
            stream = streams[number]
            yield stream.take()
            at = stream.next_at()
            if at is None:
                heapq.heappop(turns)
            else:
                heapq.heapreplace(turns, (at if self._hold else 0, number))

    def _refuse_alike(self, files: Sequence[Path]) -> None:
        """Calls of two files are told apart by the files' names, unless they bring ids of their own."""
        held: dict[str, Path] = {}
        for path in files:
            if str(path) == "-":
                raise ReplayError(
                    "- : standard input is not read, since its name does not tell what it holds; write it to a file first"
                )
            try:
                str(path).encode()
            except UnicodeEncodeError:
                raise ReplayError(
                    f"{path}: this name is not UTF-8, which calls and rejects are told by: rename it"
                ) from None
            name = str(path) if self._mapping is None else file_word(path)
            other = held.setdefault(name, path)
            if other is not path and (self._mapping is None or self._mapping.names_files):
                raise ReplayError(
                    f"{other} and {path}: calls of both would have the same ids; give each file once, and rename one of two"
                )

    def _late(self, _: Message) -> None:
        self.out_of_order += 1

    def _form(self, path: Path) -> Form:
        packed = path.suffix in PACKED
        named = Path(path.stem if packed else path.name).suffix.lower()
        if named in _PARQUET:
            if packed:
                raise ReplayError(f"{path}: Parquet is packed inside; unpack it first")
            return "parquet"
        if named in _JSON_LINES:
            return "json"
        if self._mapping is None:
            if not path.exists() or path.is_dir():
                raise ReplayError(
                    f"{path} cannot be read: {'it is a folder' if path.exists() else 'there is no such file'}"
                )
            raise ReplayError(
                f"{path} is not JSON Lines by its name (.jsonl, .ndjson, .json, perhaps with .gz or .zst), nor Parquet: for"
                " CSV a mapping has to say what its columns mean (--mapping NAME or FILE, or --at-column)"
            )
        return "csv"

    def _read(self, path: Path, form: Form, file: Counted, place: Place) -> Iterator[Line | Row | Unreadable]:
        if form == "json":
            return read_lines(path, file, place)
        if self._mapping is None:
            return parquet.read_messages(path, file, place)
        if form == "parquet":
            self._mapping.check(parquet.columns(path), path)
            return parquet.read_rows(path, file, self._mapping.columns, place)
        layout, check = self._mapping.layout, partial(self._mapping.check, file=path)
        return read_csv(path, file, layout.delimiter, layout.encoding, place, check)

    def _rows(self, path: Path, form: Form, file: Counted, place: Place) -> Iterator[Sequence[Message]]:
        with file:
            for record in self._read(path, form, file, place):
                self.records += 1
                if isinstance(record, Unreadable):
                    self._rejects.add(record)
                    continue
                try:
                    messages = self._messages(record)
                except MessageError as error:
                    text = record.text if isinstance(record, Row) else record.text.decode("utf-8", "backslashreplace")
                    column = error.column if isinstance(error, UnmappedError) else field_in(str(error))
                    self._rejects.add(Unreadable(path, record.line, error.reason, str(error), text, column))
                    continue
                self.made += len(messages)
                yield messages

    def _messages(self, record: Line | Row) -> list[Message]:
        if self._mapping is None:
            assert isinstance(record, Line)
            return [self._message(decode_call(record.text), record.text)]
        row = record if isinstance(record, Row) else row_of(record, self._columns)
        return [self._message(event, self._encoded(event, row)) for event in self._mapping.events(row)]

    def _encoded(self, event: CallEvent, row: Row) -> bytes:
        """As a worker takes it. Raises `UnmappedError` when it is too large for that."""
        value = encode(event)
        if len(value) > MAX_BYTES:
            longest = max(event.__struct_fields__, key=lambda field: len(str(getattr(event, field))))
            told = f"a message of {len(value):,} bytes, most of them in `{longest}`; at most {MAX_BYTES:,} are taken"
            raise UnmappedError("too_large", told, self._mapping.blamed(row, longest) if self._mapping else "")
        return value

    def _message(self, event: CallEvent, value: bytes) -> Message:
        key = caller_key(event.caller, event.asserted, event.callee, self._plan)
        try:
            key.encode()
        except UnicodeEncodeError:
            raise MessageError("wrong_type", "the calling number is not Unicode text") from None
        call = (event.operator, event.call_id) if isinstance(event, Setup) else None
        return Message(event.at, key, value, call)


class _Stream:
    """The messages of one file in their order; `reading` is true whenever a message was taken."""

    def __init__(
        self, rows: Iterator[Sequence[Message]], reading: Reading, hold: int, late: Callable[[Message], None]
    ) -> None:
        self._rows = rows
        self._reading = reading
        self._order = InOrder(hold=hold, out_of_order=late, held=reading.held)

    def next_at(self) -> int | None:
        """The time of the next message; None at the end."""
        ready = self._reading.ready
        while not ready:
            row = next(self._rows, None)
            found = list(self._order.rest()) if row is None else self._order.put(row)
            if row is None and not found:
                return None
            ready.extend(reversed(found))
        return ready[-1].at

    def take(self) -> Message:
        """The next message, which `next_at` has found."""
        return self._reading.ready.pop()
