"""What changed in the trainer's file since it was last published, as records from which another trainer builds the same.

What a report taught depends on what had come before it, and in which order: that cannot be found out again by reading
evidence and feedback a second time. So the outcome is published. A case lies in `evidence.v1`, and all that has to be kept
beside it is a byte of marks; those of neighbours stand in one record. Reports are kept as their rows.

Triggers note every row that changes, in the same transaction, so that no change can be forgotten.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from streamer.errors import StateError

BLOCK: Final = 4_096
"""Offsets of a partition of evidence whose marks stand in one record."""

_KEYS: Final = {
    "evidence": f"'marks/' || {{0}}part || '/' || ({{0}}log_offset / {BLOCK})",
    "waiting": "'waiting/' || json_array(CAST({0}subject AS TEXT), {0}classes, {0}node, {0}to_ms, {0}from_ms, {0}fraud)",
    "settled": "'settled/' || json_array(CAST({0}subject AS TEXT), {0}origin, {0}fraud, {0}from_ms)",
}
"""The key of the record that tells of a row, by table."""

TABLES: Final = "CREATE TABLE IF NOT EXISTS changed (key TEXT PRIMARY KEY) WITHOUT ROWID;\n" + "".join(
    f"CREATE TRIGGER IF NOT EXISTS {table}_{event} AFTER {event} ON {table}"
    f" BEGIN INSERT OR IGNORE INTO changed VALUES ({key.format(row)}); END;\n"
    for table, key in _KEYS.items()
    for event, row in (("insert", "new."), ("update", "new."), ("delete", "old."))
)
_MARKS: Final = (
    f"SELECT log_offset % {BLOCK}, 1 + 2 * (taught & 3) + 8 * ripens + 16 * measured + 32 * (taught >> 2) + 64 * (weight = 1)"
    " FROM evidence"
    f" WHERE part = :part AND log_offset BETWEEN :block * {BLOCK} AND :block * {BLOCK} + {BLOCK - 1}"
)
_REST: Final = {
    "waiting": "SELECT said_at FROM waiting"
    " WHERE subject = ? AND classes = ? AND node = ? AND to_ms = ? AND from_ms = ? AND fraud = ?",
    "settled": "SELECT to_ms, said_at FROM settled WHERE subject = ? AND origin = ? AND fraud = ? AND from_ms = ?",
}
"""What a report's row has beside its key."""


class Mark(NamedTuple):
    """What became of a case: the labels it was learned with (`taught` in the file), whether it ripens, whether it is measured.

    `alone`: it stands for itself alone, whatever its evidence says; older trainers did not note that.
    """

    taught: int
    ripens: bool
    measured: bool
    alone: bool


class Marks:
    """Marks of the cases in `evidence.v1`, as they were published."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], bytes] = {}

    def put(self, part: int, block: int, value: bytes) -> None:
        """Take in a record. Raises `ValueError` or zlib's error for what is none."""
        marks = zlib.decompress(value)
        if len(marks) != BLOCK:
            raise ValueError(f"{len(marks)} marks instead of {BLOCK}")
        self._blocks[part, block] = marks

    def of(self, part: int, offset: int) -> Mark | None:
        """The mark of the case there; None where none is held."""
        block = self._blocks.get((part, offset // BLOCK))
        mark = block[offset % BLOCK] if block is not None else 0
        if not mark:
            return None
        return Mark(mark >> 1 & 3 | mark >> 3 & 4, bool(mark & 8), bool(mark & 16), bool(mark & 64))


class Changes:
    """Keeps account of what was published, within the running transaction of the trainer's file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def records(self) -> list[tuple[str, bytes | None]]:
        """Key and value of all that changed; None where nothing is left."""
        keys = self._db.execute("SELECT key FROM changed").fetchall()
        return [(key, self._value(key)) for (key,) in keys]

    def published(self) -> None:
        """Nothing has changed any more."""
        self._db.execute("DELETE FROM changed")

    def publish_again(self, keys: Iterable[str]) -> None:
        """Take what stands under `keys` as changed, whether there is anything here or not."""
        self._db.executemany("INSERT OR IGNORE INTO changed VALUES (?)", ((key,) for key in keys))

    def publish_all(self) -> None:
        """Take everything that is here as changed."""
        for table, key in _KEYS.items():
            self._db.execute(f"INSERT OR IGNORE INTO changed SELECT DISTINCT {key.format('')} FROM {table}")

    def restore(self, published: Mapping[str, bytes]) -> Marks:
        """Take in reports, into tables that are empty; gives the marks. Raises `StateError` for what no trainer wrote."""
        marks = Marks()
        for key, value in published.items():
            kind, _, rest = key.partition("/")
            try:
                if kind == "marks":
                    part, block = rest.split("/")
                    marks.put(int(part), int(block), value)
                else:
                    row = [*_row(rest), *orjson.loads(value)]
                    self._db.execute(f"INSERT INTO {kind} VALUES ({', '.join('?' * len(row))})", row)
            except (ValueError, TypeError, AttributeError, zlib.error, sqlite3.Error) as error:
                raise StateError(f"{key} on trainer.v1 cannot be read: {error}") from error
        return marks

    def _value(self, key: str) -> bytes | None:
        kind, _, rest = key.partition("/")
        if kind == "marks":
            part, block = map(int, rest.split("/"))
            marks = bytearray(BLOCK)
            for place, mark in self._db.execute(_MARKS, {"part": part, "block": block}):
                marks[place] = mark
            return zlib.compress(marks) if any(marks) else None
        row = self._db.execute(_REST[kind], _row(rest)).fetchone()
        return None if row is None else orjson.dumps(row)


def is_ours(key: str) -> bool:
    """Whether a record under this key tells of the trainer's file."""
    return key.partition("/")[0] in {"marks", *_REST}


def _row(key: str) -> list[Any]:
    """Columns of a report's key; its subject is bytes."""
    subject, *rest = orjson.loads(key)
    return [subject.encode(), *rest]
