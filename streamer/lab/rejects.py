"""Records that are of no use: all of them in a file, and counted by reason and column with the first few as examples."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import msgspec
import orjson

from streamer.errors import MessageError, ReplayError
from streamer.lab.files import opened, synced
from streamer.lab.records import Unreadable

EXAMPLES: Final = 3
"""Examples kept of a reason and column."""
_SHOWN: Final = 300
"""Characters of an example's record."""
_FIELD: Final = re.compile(r"`\$\.(\w+)|required field `(\w+)`")


class UnmappedError(MessageError):
    """A row does not make a call; `column` is what to blame, several separated by commas, or empty."""

    def __init__(self, reason: str, message: str, column: str) -> None:
        super().__init__(reason, message)
        self.column = column


def field_in(message: str) -> str:
    """The field of a message that an error of the codec speaks of, or "".

    >>> field_in("Expected `int` >= 0 - at `$.at`"), field_in("Object missing required field `callee`"), field_in("no")
    ('at', 'callee', '')
    """
    found = _FIELD.search(message)
    return found[1] or found[2] if found else ""


class Example(msgspec.Struct, array_like=True):
    """One record of no use: its file and line, what is wrong, how it begins."""

    file: str
    line: int
    message: str
    record: str


class Group(msgspec.Struct, array_like=True):
    """Records of one reason and column: how many, and the first few."""

    reason: str
    column: str
    count: int = 0
    examples: list[Example] = []


class Told(msgspec.Struct, array_like=True):
    """What was told so far: the groups, and the bytes of the file."""

    groups: list[Group] = []
    bytes: int = 0


class Rejects:
    """Where records go that are of no use: a JSON Lines file, made when the first one comes.

    Parameters
    ----------
    path
        The file, replaced if it exists.
    strict
        Raise `ReplayError` at the first such record.
    told
        What an earlier one told, to go on behind it.
    """

    def __init__(self, path: Path, *, strict: bool = False, told: Told | None = None) -> None:
        self.path = path
        self._strict = strict
        told = Told() if told is None else told
        self._groups = {(group.reason, group.column): group for group in told.groups}
        self._file: BinaryIO | None = opened(path, told.bytes) if told.bytes else None

    @property
    def counts(self) -> Counter[str]:
        """Records by reason code."""
        found: Counter[str] = Counter()
        for group in self._groups.values():
            found[group.reason] += group.count
        return found

    @property
    def groups(self) -> list[Group]:
        """Records by reason and column, the most frequent first."""
        return sorted(self._groups.values(), key=lambda group: -group.count)

    def told(self) -> Told:
        """What was told so far, all of it in the file."""
        place = 0
        if self._file is not None:
            synced(self._file)
            place = self._file.tell()
        return Told(list(self._groups.values()), place)

    def add(self, bad: Unreadable) -> None:
        """Count and write down one record."""
        if self._file is None:
            self._file = opened(self.path)
        message, record = (
            text.encode("utf-8", "backslashreplace").decode() for text in (bad.message, bad.text)
        )  # fmt: skip
        told = {
            "file": str(bad.file),
            "line": bad.line,
            "reason": bad.reason,
            "column": bad.column or None,
            "message": message,
            "record": record,
        }
        self._file.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
        if self._strict:
            raise ReplayError(f"{bad.file}, line {bad.line}: {bad.message}")
        group = self._groups.setdefault((bad.reason, bad.column), Group(bad.reason, bad.column))
        group.count += 1
        if len(group.examples) < EXAMPLES:
            group.examples.append(Example(str(bad.file), bad.line, message, record[:_SHOWN]))

    def document(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "unusable": self.counts.total(),
            "file": str(self.path) if self._groups else None,
            "by_reason_and_column": [
                {
                    "reason": group.reason,
                    "column": group.column or None,
                    "count": group.count,
                    "examples": [{name: getattr(one, name) for name in Example.__struct_fields__} for one in group.examples],
                }
                for group in self.groups
            ],
        }  # fmt: skip

    def lines(self) -> list[str]:
        """The report for people; empty when every record was of use."""
        if not self._groups:
            return []
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.counts.most_common())
        found = [f"{self.counts.total():,} unusable records ({reasons}) in {self.path}; the first ones of each kind:"]
        for group in self.groups:
            blamed = f", column {group.column}" if group.column else ""
            found.append(f"  {group.count:,} {group.reason}{blamed}")
            found += [f"    {one.file}, line {one.line}: {one.message}" for one in group.examples]
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
