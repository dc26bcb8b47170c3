"""The trainer's SQLite file as a connection that says which file it is when that can no longer be read or written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from streamer.errors import StateError

_T = TypeVar("_T")

_OF_THE_FILE: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
    }
)
"""What is wrong with the file or its disk, whatever was asked of it."""


def trouble(file: Path, error: object) -> StateError:
    """What is said of a file that is of no use."""
    return StateError(
        f"{file} cannot be used: {error}; see who may write there and whether its disk is full; a damaged one is moved"
        " away, and the trainer goes on from what it published"
    )


class Database(sqlite3.Connection):
    """A connection to `file`. Raises `StateError` where file or disk are at fault, and then ever after.

    SQLite takes a transaction back by itself when its disk is full; what was done after that would last without what had
    been done before.
    """

    def __init__(self, file: Path, **given: Any) -> None:
        self._file: Final = file
        self._broken: StateError | None = None
        super().__init__(file, **given)

    def cursor(self, *_: Any, **__: Any) -> Any:
        """As that of `sqlite3`, for one that tells of the file."""
        return super().cursor(_Cursor)

    def execute(self, *given: Any) -> Any:
        """As that of `sqlite3`."""
        return self.cursor().execute(*given)

    def executemany(self, *given: Any) -> Any:
        """As that of `sqlite3`."""
        return self.cursor().executemany(*given)

    def executescript(self, *given: Any) -> Any:
        """As that of `sqlite3`."""
        return self.cursor().executescript(*given)

    def close(self) -> None:
        """Close; what was not committed is gone."""
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()

    def told(self, work: Callable[..., _T], *given: Any) -> _T:
        """What `work` gives."""
        if self._broken is not None:
            raise self._broken
        try:
            return work(*given)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _OF_THE_FILE:
                raise
            self._broken = trouble(self._file, error)
            raise self._broken from error


class _Cursor(sqlite3.Cursor):
    connection: Database

    def execute(self, *given: Any) -> Any:
        return self.connection.told(super().execute, *given)

    def executemany(self, *given: Any) -> Any:
        return self.connection.told(super().executemany, *given)

    def executescript(self, *given: Any) -> Any:
        return self.connection.told(super().executescript, *given)

    def fetchone(self) -> Any:
        return self.connection.told(super().fetchone)

    def fetchall(self) -> Any:
        return self.connection.told(super().fetchall)

    def __next__(self) -> Any:
        return self.connection.told(super().__next__)
