"""What the trainer remembers, in one SQLite file: cases, reports, what was learned of them, and how far it has read.

Everything that has to agree is committed together: a case's mark that it was learned, the learner's state and the
offsets that were read. After a crash the trainer goes on from the last commit as if what came after had not been read.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from streamer.calls import numbers
from streamer.calls.decisions import Evidence
from streamer.calls.events import SAME_CALL_MS
from streamer.models.labels import Claim, measurable, of_sample, ripens, stands_for, teachable
from streamer.training import reports, tables
from streamer.training.changes import Changes, Mark
from streamer.training.database import trouble
from streamer.training.reports import ORIGINS, Reports

NAMED_AT_MOST: Final = 100
"""A call id names one call. Where it names more, no more than so many, the latest, are looked at for one record."""

AT_ONCE: Final = 500
"""Cases held in memory at once while a report teaches of all that it names."""

_HONEST: Final = 1
_FRAUD: Final = 2
_SAID: Final = 4
"""What `taught` is made of: the labels that a case was learned with, and beside `_HONEST` that somebody said so.

Silence alone does not use that label up: a report of fraud that comes after it can be taken back.
"""

_AS: Final = {True: _FRAUD, False: _HONEST | _SAID}
"""What a report of fraud (True) or of an honest call adds to it."""

_OPEN: Final = {True: (0, _HONEST, _HONEST | _SAID), False: (0, _FRAUD, _HONEST | _FRAUD)}
"""Cases that such a report teaches: those of silence are learned as honest already."""

_ANY: Final = (*_OPEN[True], *_OPEN[False][1:], _HONEST | _FRAUD | _SAID)

_OWN_OF_SAMPLE: Final = len(ORIGINS)
"""The class, in `evidence`, of own-line calls that are known by a sample alone; the others have their origin's code."""

_CASE: Final = "SELECT id, decided_at, weight, score, measured, taught, features FROM evidence "
_TAUGHT: Final = 5
"""Where that is in a row of these."""

_CASES_RIPE: Final = f"{_CASE} WHERE ripens = 1 AND taught = 0 AND decided_at < ? ORDER BY decided_at LIMIT ?"
_NAMED: Final = (
    " WHERE id IN (SELECT id FROM evidence INDEXED BY evidence_call"
    f" WHERE call_id = :call AND at BETWEEN :start AND :end ORDER BY at DESC LIMIT {NAMED_AT_MOST})"
)
_SAME_CALL: Final = (
    f"SELECT id FROM evidence{_NAMED} AND operator = :operator AND caller = :caller AND callee = :callee LIMIT 1"
)
_CASES_BY_ID: Final = (
    f"SELECT origin, {_CASE.removeprefix('SELECT ')}{_NAMED}"
    " AND (:caller IS NULL OR caller = :caller) AND (:callee IS NULL OR callee = :callee) ORDER BY id"
)
_OF_CALLER: Final = "INDEXED BY evidence_caller WHERE caller = :caller"
_OF_PAIR: Final = "INDEXED BY evidence_pair WHERE caller = :caller AND callee = :callee"
_IN_SPAN: Final = " AND origin IN (:origin, :beside) AND at BETWEEN :start AND :end AND taught IN "


class Lesson(NamedTuple):
    """One case to learn: its vector, label and weight; the score it had; whether the other label was learned before."""

    features: dict[str, float | None]
    fraud: bool
    weight: float
    score: float | None
    decided_at: int
    measured: bool
    corrects: bool


def _class(evidence: Evidence) -> int:
    """The class of a case in `evidence`."""
    own_of_sample = evidence.origin == "own_line" and of_sample(evidence)
    return _OWN_OF_SAMPLE if own_of_sample else ORIGINS.index(evidence.origin)


def _classes(claim: Claim, origin: int) -> tuple[int, int]:
    """The classes (or twice the one) of cases of an origin that a report labels."""
    with_sample = claim.sampled and ORIGINS[origin] == "own_line"
    return origin, _OWN_OF_SAMPLE if with_sample else origin


class Cases:
    """The trainer's file. Not safe for threads; all changes belong to a transaction that `commit` ends.

    Raises `StateError` when the file is of another layout, is no such file or cannot be written, then or later.
    """

    def __init__(self, file: Path, plan: numbers.HomePlan) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.plan = plan
        try:
            self._db = tables.opened(file)
        except sqlite3.Error as error:
            raise trouble(file, error) from error
        self._reports = Reports(self._db)
        self.changes = Changes(self._db)

    def commit(self) -> None:
        """Make everything since the last commit last."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Close the file; what was not committed is gone."""
        self._db.close()

    def forget_all(self) -> None:
        """Empty every table, within the running transaction."""
        for table in ("kept", "position", "evidence", "waiting", "settled", "changed"):
            self._db.execute(f"DELETE FROM {table}")

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

    def add_evidence(self, evidence: Evidence, part: int, offset: int) -> list[Lesson]:
        """Take in a case that lies at `part` and `offset` of its topic; gives what reports that came before it now teach.

        A second record of one call adds none. As to engine and switch, calls of other numbers are others, whatever id they bear.
        """
        decision = evidence.decision
        if not teachable(evidence):
            return []
        caller, callee = self._parties(evidence)
        same = {
            "call": decision.call_id, "operator": decision.operator, "caller": caller, "callee": callee,
            "start": decision.at - SAME_CALL_MS, "end": decision.at + SAME_CALL_MS,
        }  # fmt: skip
        seen = self._db.execute(_SAME_CALL, same).fetchone()
        if seen is not None:
            self._settle(seen[0], evidence)
            return []
        own_of_sample = _class(evidence) == _OWN_OF_SAMPLE
        named = reports.subjects(decision.call_id, caller, callee, own_of_sample=own_of_sample)
        labels = self._reports.of_call(named, ORIGINS.index(evidence.origin), decision.at)
        taught, measured = sum(_AS[fraud] for fraud in labels), measurable(evidence)
        weight = stands_for(evidence)
        self.put(evidence, part, offset, Mark(taught, ripens(evidence), measured, alone=weight == 1))
        return [
            Lesson(evidence.features, fraud, weight, decision.score, decision.decided_at, measured, corrects=turn > 0)
            for turn, fraud in enumerate(labels)
        ]

    def put(self, evidence: Evidence, part: int, offset: int, mark: Mark) -> None:
        """Hold a case that lies at `part` and `offset` of its topic, marked as it was with whoever led before."""
        decision = evidence.decision
        caller, callee = self._parties(evidence)
        kind = ORIGINS.index(evidence.origin) if mark.alone else _class(evidence)
        weight = 1.0 if mark.alone else stands_for(evidence)
        row = (
            decision.operator, decision.call_id, caller, callee, kind, decision.at,
            decision.decided_at, weight, decision.score, mark.measured, mark.ripens, mark.taught,
            zlib.compress(orjson.dumps(evidence.features), 1), part, offset,
        )  # fmt: skip
        # A topic that was made anew has other records at the same places. (OR REPLACE would hold for the trigger too.)
        self._db.execute("DELETE FROM evidence WHERE part = ? AND log_offset = ?", (part, offset))
        self._db.execute(
            "INSERT INTO evidence (operator, call_id, caller, callee, origin, at, decided_at, weight, score,"
            " measured, ripens, taught, features, part, log_offset) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )

    def add_report(self, said_at: int, claim: Claim, *, until: int) -> Iterator[Lesson] | None:
        """Take in a report made at `said_at`; gives what it teaches of the cases that are there already, None if none is.

        It goes on to label calls that come later, up to `until` (both ms since 1970). The lessons have to be taken to
        their end, before anything else is asked of this file.
        """
        if claim.call_id is not None:
            return self._add_named(said_at, claim, until)
        where, span = (_OF_CALLER if claim.callee is None else _OF_PAIR) + _IN_SPAN, self._span(claim)
        for name in claim.origins:
            origin = ORIGINS.index(name)
            span["origin"], span["beside"] = _classes(claim, origin)
            any_there = f"SELECT 1 FROM evidence {where} {_ANY} LIMIT 1"
            if self._db.execute(any_there, span).fetchone() is not None:
                self._reports.settle(claim, origin, said_at, until)
                return self._teach_span(where, span, fraud=claim.fraud)
        self._reports.wait(claim, said_at, until)
        return None

    def ripe(self, decided_before: int, limit: int) -> list[Lesson]:
        """At most `limit` unreported cases decided before `decided_before` (ms since 1970): honest from now on."""
        return self._teach(self._db.execute(_CASES_RIPE, (decided_before, limit)).fetchall(), _HONEST)

    def forget_before(self, at_ms: int) -> None:
        """Drop cases decided before `at_ms`, and reports that speak of no later time."""
        self._db.execute("DELETE FROM evidence WHERE decided_at < ?", (at_ms,))
        self._reports.forget_before(at_ms)

    @property
    def held(self) -> int:
        """How many cases are held, to within those dropped out of order (the span of their row numbers)."""
        first, last = self._db.execute(
            "SELECT (SELECT min(id) FROM evidence), (SELECT max(id) FROM evidence)"
        ).fetchone()
        return 0 if last is None else last - first + 1

    def _settle(self, case: int, evidence: Evidence) -> None:
        """Take in what a call that is held and waited came to: all such calls leave evidence, so that none stands for others.

        One that was learned keeps the weight that it was learned with, by which it would be taken back.
        """
        decision = evidence.decision
        if evidence.control:
            return
        if decision.revises:  # the call ended blocked after all
            self._db.execute("UPDATE evidence SET ripens = 0, measured = 0 WHERE id = ?", (case,))
        if stands_for(evidence) == 1 and (decision.revises or decision.action == "allow"):
            self._db.execute(
                "UPDATE evidence SET weight = 1.0, origin = ? WHERE id = ? AND weight > 1 AND taught = 0",
                (ORIGINS.index(evidence.origin), case),
            )

    def _add_named(self, said_at: int, claim: Claim, until: int) -> Iterator[Lesson] | None:
        """`add_report` for a report that names its call by id."""
        rows = self._db.execute(_CASES_BY_ID, self._span(claim)).fetchall()
        for name in claim.origins:
            origin = ORIGINS.index(name)
            of_class = [row[1:] for row in rows if row[0] in _classes(claim, origin)]
            if of_class:
                self._reports.settle(claim, origin, said_at, until)
                untaught = [row for row in of_class if row[_TAUGHT] in _OPEN[claim.fraud]]
                return iter(self._teach(untaught, _AS[claim.fraud]))
        self._reports.wait(claim, said_at, until)
        return None

    def _parties(self, evidence: Evidence) -> tuple[str, str]:
        """Caller key and called number, as reports name them."""
        return evidence.caller_key, numbers.normalise(evidence.decision.callee, self.plan)

    def _span(self, claim: Claim) -> dict[str, Any]:
        return {
            "call": claim.call_id, "caller": claim.caller, "callee": claim.callee,
            "start": claim.from_ms, "end": claim.to_ms,
        }  # fmt: skip

    def _teach_span(self, where: str, span: Mapping[str, Any], *, fraud: bool) -> Iterator[Lesson]:
        """Lessons of all cases in a span that have not been learned with this label; those learned drop out of the search."""
        untaught = f"{_CASE}{where} {_OPEN[fraud]} LIMIT {AT_ONCE}"
        while rows := self._db.execute(untaught, span).fetchall():
            yield from self._teach(rows, _AS[fraud])

    def _teach(self, rows: Iterable[tuple[Any, ...]], label: int) -> list[Lesson]:
        """Lessons of cases that have not been learned with this label yet; marks them."""
        lessons = []
        for case, decided_at, weight, score, measured, taught, blob in rows:
            self._db.execute("UPDATE evidence SET taught = ? WHERE id = ?", (taught | label, case))
            features = orjson.loads(zlib.decompress(blob))
            fraud, corrects = label == _FRAUD, bool(taught)
            lessons.append(Lesson(features, fraud, weight, score, decided_at, bool(measured), corrects))
        return lessons
