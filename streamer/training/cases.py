"""What the trainer remembers, in one SQLite file: cases, reports, what was learned of them, and how far it has read.

Everything that has to agree is committed together: a case's mark that it was learned, the learner's state and the
offsets that were read. After a crash the trainer goes on from the last commit as if what came after had not been read.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from streamer.calls import numbers
from streamer.calls.decisions import Evidence
from streamer.calls.events import LATEST_MS, SAME_CALL_MS
from streamer.errors import StateError
from streamer.models.labels import Claim, Origin, representative, ripens, stands_for, teachable

LAYOUT: Final = 1
"""A call is (operator, call id) within this much event time (the contract)."""

_ORIGINS: Final[tuple[Origin, Origin]] = ("own_line", "interconnect")

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
    topic TEXT, part INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, part)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence (
    id INTEGER PRIMARY KEY, operator TEXT NOT NULL, call_id TEXT NOT NULL, caller TEXT NOT NULL, callee TEXT NOT NULL,
    origin INTEGER NOT NULL, at INTEGER NOT NULL, decided_at INTEGER NOT NULL, weight REAL NOT NULL, score REAL,
    measured INTEGER NOT NULL, ripens INTEGER NOT NULL, honest INTEGER NOT NULL DEFAULT 0,
    fraud INTEGER NOT NULL DEFAULT 0, features BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS evidence_call ON evidence (call_id);
CREATE INDEX IF NOT EXISTS evidence_caller ON evidence (caller, at);
CREATE INDEX IF NOT EXISTS evidence_age ON evidence (decided_at);
CREATE INDEX IF NOT EXISTS evidence_ripe ON evidence (decided_at) WHERE ripens = 1 AND honest = 0 AND fraud = 0;
CREATE TABLE IF NOT EXISTS report (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, call_id TEXT, caller TEXT, callee TEXT, from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL, origins TEXT NOT NULL, fraud INTEGER NOT NULL, origin INTEGER
);
CREATE INDEX IF NOT EXISTS report_call ON report (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS report_caller ON report (caller, from_ms) WHERE call_id IS NULL;
CREATE INDEX IF NOT EXISTS report_age ON report (at);
"""
_CASE: Final = "SELECT id, origin, decided_at, weight, score, measured, honest, fraud, features FROM evidence WHERE "
_CASE_BY_ID: Final = _CASE + "id = ?"
_CASES_RIPE: Final = _CASE + "ripens = 1 AND honest = 0 AND fraud = 0 AND decided_at < ? ORDER BY decided_at LIMIT ?"
_CASES_CLAIMED: Final = " AND (:callee IS NULL OR callee = :callee) AND at BETWEEN :start AND :end ORDER BY id"
_CASES_BY_CALL: Final = _CASE + "call_id = :call AND (:caller IS NULL OR caller = :caller)" + _CASES_CLAIMED
_CASES_BY_CALLER: Final = _CASE + "caller = :caller" + _CASES_CLAIMED


class Lesson(NamedTuple):
    """One case to learn: its vector, label and weight; the score it had; whether the other label was learned before."""

    features: dict[str, float | None]
    fraud: bool
    weight: float
    score: float | None
    decided_at: int
    measured: bool
    corrects: bool


class Cases:
    """The trainer's file. Not safe for threads; all changes belong to a transaction that `commit` ends."""

    def __init__(self, file: Path, plan: numbers.HomePlan) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.plan = plan
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found not in {0, LAYOUT}:
            self._db.close()
            raise StateError(f"{file} has layout {found}, this release writes {LAYOUT}; move it away to start anew")
        self._db.executescript(_TABLES)
        self._db.execute(f"PRAGMA user_version = {LAYOUT}")
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make everything since the last commit last."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Close the file; what was not committed is gone."""
        self._db.execute("ROLLBACK")
        self._db.close()

    def forget_all(self) -> None:
        """Empty every table, within the running transaction."""
        for table in ("kept", "position", "evidence", "report"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above

    def keep(self, name: str, value: Any) -> None:
        """Keep a JSON value under a name."""
        self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, orjson.dumps(value)))

    def kept(self, name: str) -> Any:
        """The value kept under a name, or None."""
        row = self._db.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def read_to(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Remember the next offset to read of each (topic, partition)."""
        self._db.executemany(
            "INSERT OR REPLACE INTO position VALUES (?, ?, ?)",
            [(topic, part, after) for (topic, part), after in positions.items()],
        )

    def positions(self) -> dict[tuple[str, int], int]:
        """The next offset to read of each (topic, partition) that was read."""
        return {
            (topic, part): after for topic, part, after in self._db.execute("SELECT topic, part, next FROM position")
        }

    def add_evidence(self, evidence: Evidence) -> list[Lesson]:
        """Take in a case; gives what reports that came before it now teach. A second record of one call adds nothing."""
        decision = evidence.decision
        if not teachable(evidence):
            return []
        seen = self._db.execute(
            "SELECT id FROM evidence WHERE call_id = ? AND operator = ? AND at BETWEEN ? AND ?",
            (decision.call_id, decision.operator, decision.at - SAME_CALL_MS, decision.at + SAME_CALL_MS),
        ).fetchone()
        if seen is not None:
            if decision.revises and not evidence.control:  # the call ended blocked after all
                self._db.execute("UPDATE evidence SET ripens = 0, measured = 0 WHERE id = ?", seen)
            return []
        origin = _ORIGINS.index(evidence.origin)
        caller, callee = evidence.caller_key, numbers.normalise(decision.callee, self.plan)
        case = self._db.execute(
            "INSERT INTO evidence (operator, call_id, caller, callee, origin, at, decided_at, weight, score, measured,"
            " ripens, features) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                decision.operator, decision.call_id, caller, callee, origin, decision.at, decision.decided_at,
                stands_for(evidence), decision.score, representative(evidence), ripens(evidence),
                zlib.compress(orjson.dumps(evidence.features), 1),
            ),
        ).lastrowid  # fmt: skip
        reports = self._db.execute(
            "SELECT id, origins, fraud, origin FROM report WHERE ("
            "(call_id = :call AND (caller IS NULL OR caller = :caller)) OR (call_id IS NULL AND caller = :caller))"
            " AND (callee IS NULL OR callee = :callee) AND :at BETWEEN from_ms AND to_ms ORDER BY id",
            {"call": decision.call_id, "caller": caller, "callee": callee, "at": decision.at},
        ).fetchall()
        lessons: list[Lesson] = []
        for report, origins, fraud, chosen in reports:
            if evidence.origin in origins.split() and chosen in {None, origin}:
                self._db.execute("UPDATE report SET origin = ? WHERE id = ?", (origin, report))
                row = self._db.execute(_CASE_BY_ID, (case,)).fetchone()
                lessons += self._teach([row], fraud=bool(fraud))
        return lessons

    def add_report(self, at: int, claim: Claim) -> list[Lesson]:
        """Take in a report made at `at` (ms since 1970); gives what it teaches of the cases that are there already."""
        report = self._db.execute(
            "INSERT INTO report (at, call_id, caller, callee, from_ms, to_ms, origins, fraud) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (at, claim.call_id, claim.caller, claim.callee, claim.from_ms, min(claim.to_ms, LATEST_MS),
             " ".join(claim.origins), claim.fraud),
        ).lastrowid  # fmt: skip
        found = self._db.execute(
            _CASES_BY_CALLER if claim.call_id is None else _CASES_BY_CALL,
            {"call": claim.call_id, "caller": claim.caller, "callee": claim.callee,
             "start": claim.from_ms, "end": claim.to_ms},
        ).fetchall()  # fmt: skip
        for name in claim.origins:
            origin = _ORIGINS.index(name)
            of_class = [row for row in found if row[1] == origin]
            if of_class:
                self._db.execute("UPDATE report SET origin = ? WHERE id = ?", (origin, report))
                return self._teach(of_class, fraud=claim.fraud)
        return []

    def ripe(self, decided_before: int, limit: int) -> list[Lesson]:
        """At most `limit` unreported cases decided before `decided_before` (ms since 1970): honest from now on."""
        rows = self._db.execute(
            _CASES_RIPE,
            (decided_before, limit),
        ).fetchall()
        return self._teach(rows, fraud=False)

    def mark_ripe(self, decided_before: int) -> None:
        """As `ripe` for all of them, without lessons: whoever led before has learned them."""
        self._db.execute(
            "UPDATE evidence SET honest = 1 WHERE ripens = 1 AND honest = 0 AND fraud = 0 AND decided_at < ?",
            (decided_before,),
        )

    def forget_before(self, at_ms: int) -> None:
        """Drop cases decided and reports made before `at_ms`."""
        self._db.execute("DELETE FROM evidence WHERE decided_at < ?", (at_ms,))
        self._db.execute("DELETE FROM report WHERE at < ?", (at_ms,))

    @property
    def held(self) -> int:
        """How many cases are held, to within those dropped out of order (the span of their row numbers)."""
        first, last = self._db.execute(
            "SELECT (SELECT min(id) FROM evidence), (SELECT max(id) FROM evidence)"
        ).fetchone()
        return 0 if last is None else last - first + 1

    def _teach(self, rows: Iterable[tuple[Any, ...]], *, fraud: bool) -> list[Lesson]:
        """Lessons of the cases that have not been learned with this label yet; marks them."""
        lessons = []
        for case, _, decided_at, weight, score, measured, was_honest, was_fraud, blob in rows:
            if was_fraud if fraud else was_honest:
                continue
            column = "fraud" if fraud else "honest"
            self._db.execute(f"UPDATE evidence SET {column} = 1 WHERE id = ?", (case,))  # noqa: S608
            lessons.append(
                Lesson(
                    orjson.loads(zlib.decompress(blob)), fraud, weight, score, decided_at, bool(measured),
                    bool(was_honest if fraud else was_fraud),
                )
            )  # fmt: skip
        return lessons
