"""The tables of the trainer's file: their columns, their number, and how a file is opened."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Final

from streamer.errors import StateError
from streamer.training import changes, reports
from streamer.training.database import Database

LAYOUT: Final = 4
"""Version of the tables; a file of one that is not among `READ` is refused."""

READ: Final = frozenset({3, LAYOUT})
"""Layouts that are taken up: one of 3 does not tell which of its cases are of the sample, and has them as it had them."""

TABLES: Final = (
    """
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
    topic TEXT, part INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, part)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence (
    id INTEGER PRIMARY KEY, operator TEXT NOT NULL, call_id TEXT NOT NULL, caller TEXT NOT NULL, callee TEXT NOT NULL,
    origin INTEGER NOT NULL, at INTEGER NOT NULL, decided_at INTEGER NOT NULL, weight REAL NOT NULL, score REAL,
    measured INTEGER NOT NULL, ripens INTEGER NOT NULL, taught INTEGER NOT NULL, features BLOB NOT NULL,
    part INTEGER NOT NULL, log_offset INTEGER NOT NULL, UNIQUE (part, log_offset)
);
CREATE INDEX IF NOT EXISTS evidence_call ON evidence (call_id, at);
CREATE INDEX IF NOT EXISTS evidence_caller ON evidence (caller, origin, taught, at);
CREATE INDEX IF NOT EXISTS evidence_pair ON evidence (caller, callee, origin, taught, at);
CREATE INDEX IF NOT EXISTS evidence_age ON evidence (decided_at);
CREATE INDEX IF NOT EXISTS evidence_ripe ON evidence (decided_at) WHERE ripens = 1 AND taught = 0;
"""
    + reports.TABLES
    + changes.TABLES
)


def opened(file: Path) -> Database:
    """The file with its tables, in a transaction. Raises `StateError` when it is of a layout that is not read."""
    with ExitStack() as undone:
        found = Database(file, isolation_level=None)
        undone.callback(found.close)
        found.execute("PRAGMA journal_mode = WAL")
        found.execute("PRAGMA synchronous = NORMAL")
        layout = found.execute("PRAGMA user_version").fetchone()[0]
        if layout not in {0} | READ:
            raise StateError(f"{file} has layout {layout}, this release writes {LAYOUT}; move it away to start anew")
        found.executescript(TABLES)
        found.execute(f"PRAGMA user_version = {LAYOUT}")
        found.execute("BEGIN IMMEDIATE")
        undone.pop_all()
    return found
