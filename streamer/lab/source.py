"""Files of call records as one stream of messages in order of time; what cannot be used goes to a rejects file."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import orjson

from streamer.calls.codec import decode_call, encode
from streamer.calls.events import CallEvent, Setup
from streamer.calls.numbers import HomePlan, caller_key
from streamer.errors import MessageError, ReplayError
from streamer.lab.files import written
from streamer.lab.mapping import Mapping, file_word
from streamer.lab.ordering import ROWS, Message, in_time_order
from streamer.lab.records import Counted, Line, Row, Unreadable, read_csv, read_lines

_JSON_LINES: Final = {".jsonl", ".ndjson", ".json"}


class Rejects:
    """Where records go that are of no use: a JSON Lines file, made when the first one comes.

    Parameters
    ----------
    path
        The file, replaced if it exists.
    strict
        Raise `ReplayError` at the first such record.
    """

    def __init__(self, path: Path, *, strict: bool = False) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        """Records by reason code."""
        self.first: list[str] = []
        """The first few, in words."""
        self._strict = strict
        self._file: BinaryIO | None = None

    def add(self, bad: Unreadable) -> None:
        """Count and write down one record."""
        words = f"{bad.file}, line {bad.line}: {bad.message}"
        if self._file is None:
            self._file = written(self.path)
        told = {
            "file": str(bad.file),
            "line": bad.line,
            "reason": bad.reason,
            "message": bad.message.encode("utf-8", "backslashreplace").decode(),
            "record": bad.text.encode("utf-8", "backslashreplace").decode(),
        }
        self._file.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
        if self._strict:
            raise ReplayError(words)
        self.counts[bad.reason] += 1
        if len(self.first) < 5:
            self.first.append(words)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


class Source:
    """The messages of several files, merged by time.

    Parameters
    ----------
    files
        JSON Lines (``.jsonl``, ``.ndjson``, ``.json``) or CSV, each perhaps with ``.gz``.
    mapping
        How rows become calls; None: the files are JSON Lines with messages of the contract, passed on as they are.
    plan
        The home country, for the record keys.
    rejects
        Takes what is of no use.
    hold
        Rows held back per file to put them in order; 0 keeps the order of the files.
    """

    def __init__(
        self, files: Sequence[Path], mapping: Mapping | None, plan: HomePlan, rejects: Rejects, *, hold: int = ROWS
    ) -> None:
        self._mapping = mapping
        self._plan = plan
        self._rejects = rejects
        self._hold = hold
        self._refuse_alike(files)
        self._files = [(path, self._is_json(path), Counted(path)) for path in files]
        self.records = 0
        """Records read, the bad ones included."""
        self.made = 0
        """Messages made of them so far; those held back to be put in order are among them."""
        self.out_of_order = 0
        """Messages that came after one of a later time."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for _, _, file in self._files)

    @property
    def taken(self) -> int:
        """Bytes read so far."""
        return sum(file.taken for _, _, file in self._files)

    def __iter__(self) -> Iterator[Message]:
        streams = [
            in_time_order(self._rows(*opened), hold=self._hold, out_of_order=self._late) for opened in self._files
        ]
        if len(streams) == 1:
            return streams[0]
        return heapq.merge(*streams, key=_time_of) if self._hold else itertools.chain.from_iterable(streams)

    def _refuse_alike(self, files: Sequence[Path]) -> None:
        """Calls of two files are told apart by the files' names, unless they bring ids of their own."""
        held: dict[str, Path] = {}
        for path in files:
            if str(path) == "-":
                raise ReplayError(
                    "- : standard input is not read, since its name does not tell what it holds; write it to a file first"
                )
            name = str(path) if self._mapping is None else file_word(path)
            other = held.setdefault(name, path)
            if other is not path and (self._mapping is None or self._mapping.names_files):
                raise ReplayError(
                    f"{other} and {path}: calls of both would have the same ids; give each file once, and rename one of two"
                )

    def _late(self, _: Message) -> None:
        self.out_of_order += 1

    def _is_json(self, path: Path) -> bool:
        named = Path(path.name.removesuffix(".gz")).suffix.lower()
        if named in _JSON_LINES:
            return True
        if self._mapping is None:
            raise ReplayError(
                f"{path} is not JSON Lines by its name (.jsonl, .ndjson, .json, perhaps with .gz): for CSV a mapping has to"
                " say what its columns mean (--mapping NAME or FILE, or --at-column)"
            )
        return False

    def _rows(self, path: Path, is_json: bool, file: Counted) -> Iterator[Sequence[Message]]:
        layout = self._mapping.layout if self._mapping else None
        records: Iterator[Line | Row | Unreadable]
        if is_json or layout is None:
            records = read_lines(path, file)
        else:
            records = read_csv(path, file, layout.delimiter, layout.encoding)
        checked = False
        with file:
            for record in records:
                self.records += 1
                if isinstance(record, Unreadable):
                    self._rejects.add(record)
                    continue
                if isinstance(record, Row) and not checked and self._mapping is not None:
                    self._mapping.check(record.fields, path)
                    checked = True
                try:
                    messages = self._messages(record)
                except MessageError as error:
                    text = record.text if isinstance(record, Row) else record.text.decode("utf-8", "backslashreplace")
                    self._rejects.add(Unreadable(path, record.line, error.reason, str(error), text))
                    continue
                self.made += len(messages)
                yield messages

    def _messages(self, record: Line | Row) -> list[Message]:
        if self._mapping is None:
            assert isinstance(record, Line)
            return [self._message(decode_call(record.text), record.text)]
        row = record if isinstance(record, Row) else _row(record)
        return [self._message(event, encode(event)) for event in self._mapping.events(row)]

    def _message(self, event: CallEvent, value: bytes) -> Message:
        key = caller_key(event.caller, event.asserted, event.callee, self._plan)
        try:
            key.encode()
        except UnicodeEncodeError:
            raise MessageError("wrong_type", "the calling number is not Unicode text") from None
        call = (event.operator, event.call_id) if isinstance(event, Setup) else None
        return Message(event.at, key, value, call)


def _time_of(message: Message) -> int:
    return message.at


def _row(record: Line) -> Row:
    """A JSON object as a row: numbers and words as text, null as nothing, objects inside by ``outer.inner``."""
    try:
        found = orjson.loads(record.text)
    except orjson.JSONDecodeError as error:
        raise MessageError("not_json", f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise MessageError("wrong_type", "not a JSON object")
    fields: dict[str, str] = {}
    inner: list[tuple[str, object]] = list(found.items())
    while inner:
        name, value = inner.pop()
        if isinstance(value, dict):
            inner += [(f"{name}.{key}", part) for key, part in value.items()]
        else:
            fields[name] = "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
    return Row(record.file, record.line, fields, record.text.decode("utf-8", "backslashreplace"))
