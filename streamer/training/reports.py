"""What was said, kept so that a call finds the reports that speak of it without looking at the others.

A report names a subject (any of call id, caller, called number) and a span of time. Until it meets a call it waits,
one row a report, found by the interval tree below. Once it has met one its origin class is settled, and all that
still counts is which times are spoken of: settled reports of one subject, class and label are joined into spans
that do not touch, so that a number reported ten thousand times costs a call no more than one reported once.

In the tree a span lies at the roundest number in it (the one that most powers of two divide). Whatever span a time
lies in, that number is the time with some of its low bits cleared, or one such step above: about 80 places to look.

References
----------
Kriegel, Pötke, Seidl: Managing intervals efficiently in object-relational databases, VLDB 2000.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

import orjson

from streamer.models.labels import Claim, Origin

ORIGINS: Final[tuple[Origin, Origin]] = ("own_line", "interconnect")
"""Origin classes; the code of one is its index."""

_BITS: Final = 42
"""Binary digits of the latest time that a message may carry (2099, in ms)."""

TABLES: Final = """
CREATE TABLE IF NOT EXISTS waiting (
    subject BLOB, classes INTEGER, node INTEGER, to_ms INTEGER, from_ms INTEGER, fraud INTEGER, said_at INTEGER NOT NULL,
    PRIMARY KEY (subject, classes, node, to_ms, from_ms, fraud)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting_from ON waiting (subject, classes, node, from_ms);
CREATE INDEX IF NOT EXISTS waiting_age ON waiting (to_ms);
CREATE TABLE IF NOT EXISTS settled (
    subject BLOB, origin INTEGER, fraud INTEGER, from_ms INTEGER, to_ms INTEGER NOT NULL, said_at INTEGER NOT NULL,
    PRIMARY KEY (subject, origin, fraud, from_ms)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS settled_age ON settled (to_ms);
"""
_BOTH: Final = 0b11
_WAITS: Final = f"FROM waiting WHERE subject = ? AND classes IN (?, {_BOTH}) AND node IN "
_BELOW: Final = f"{_WAITS} ({', '.join('?' * (_BITS + 1))}) AND to_ms >= ?"
_ABOVE: Final = f"{_WAITS} ({', '.join('?' * _BITS)}) AND from_ms <= ?"
_MET: Final = (
    "SELECT fraud, min(from_ms), max(to_ms), min(said_at) FROM ("
    f"SELECT fraud, from_ms, to_ms, said_at {_BELOW} UNION ALL SELECT fraud, from_ms, to_ms, said_at {_ABOVE})"
    " GROUP BY fraud"
)
_KNOWN: Final = (
    "WITH asked (subject) AS (VALUES {}) SELECT subject,"
    " EXISTS (SELECT 1 FROM waiting WHERE waiting.subject = asked.subject),"
    " EXISTS (SELECT 1 FROM settled WHERE settled.subject = asked.subject) FROM asked"
)
_SPANS: Final = "FROM settled WHERE subject = ? AND origin = ? AND fraud = ? AND from_ms "


def roundest(start: int, end: int) -> int:
    """The number in [start, end] that most powers of two divide; both are >= 0.

    >>> roundest(5, 7), roundest(5, 9), roundest(6, 6), roundest(0, 9)
    (6, 8, 6, 0)
    """
    if start == 0:
        return 0
    low = ((start - 1) ^ end).bit_length() - 1
    return end >> low << low


def around(at: int) -> tuple[list[int], list[int]]:
    """Where spans that `at` lies in may be kept: numbers up to `at`, and numbers above it."""
    return (
        [at >> low << low for low in range(_BITS + 1)],
        [((at >> low) + 1) << low for low in range(_BITS)],
    )


def subject(call_id: str | None, caller: str | None, callee: str | None, *more: bool) -> bytes:
    """What a report names, as one key; `more` is True after both numbers where own-line calls of the sample are named too."""
    return orjson.dumps([call_id, caller, callee, *more])


def subjects(call_id: str, caller: str, callee: str, *, own_of_sample: bool) -> tuple[bytes, ...]:
    """Every way of naming a call: by its id, by its caller or by both, with the called number or without.

    One way less where it is an own-line call of the sample: both numbers alone do not name it.
    """
    by_numbers = () if own_of_sample else ((None, caller, callee),)
    return tuple(
        subject(*named)
        for named in (
            (call_id, caller, callee), (call_id, caller, None), (call_id, None, callee), (call_id, None, None),
            (None, caller, callee, True), (None, caller, None), *by_numbers,
        )
    )  # fmt: skip


def _subject(claim: Claim) -> bytes:
    by_numbers = claim.call_id is None and claim.callee is not None
    return subject(claim.call_id, claim.caller, claim.callee, *((True,) if by_numbers and claim.sampled else ()))


class Reports:
    """The reports in the trainer's file, within its running transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def wait(self, claim: Claim, said_at: int, until: int) -> None:
        """Keep a report that speaks of no call so far; said again it is kept once. Later calls than `until` are not its."""
        end = min(claim.to_ms, until)
        if claim.from_ms <= end:
            classes = sum(1 << ORIGINS.index(name) for name in claim.origins)
            self._db.execute(
                "INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_subject(claim), classes, roundest(claim.from_ms, end),
                 end, claim.from_ms, claim.fraud, said_at),
            )  # fmt: skip

    def settle(self, claim: Claim, origin: int, said_at: int, until: int) -> None:
        """Keep a report that has met calls of `origin`: it goes on to speak of those alone."""
        end = min(claim.to_ms, until)
        if claim.from_ms <= end:
            self._join(_subject(claim), origin, claim.fraud, claim.from_ms, end, said_at)

    def of_call(self, named: Sequence[bytes], origin: int, at: int) -> list[bool]:
        """The labels (True: fraud) that reports give a call of `origin` at `at`, each once, in the order first said."""
        first: dict[bool, int] = {}
        known = _KNOWN.format(", ".join(["(?)"] * len(named)))
        for about, waits, settled in self._db.execute(known, named).fetchall():
            met = waits and self._meet(about, origin, at)
            if settled or met:
                for fraud in (False, True):
                    row = self._db.execute(
                        f"SELECT to_ms, said_at {_SPANS} <= ? ORDER BY from_ms DESC LIMIT 1",
                        (about, origin, fraud, at),
                    ).fetchone()
                    if row is not None and row[0] >= at:
                        first[fraud] = min(row[1], first.get(fraud, row[1]))
        return sorted(first, key=lambda fraud: (first[fraud], fraud))

    def forget_before(self, at_ms: int) -> None:
        """Drop what speaks of no later time than `at_ms`."""
        self._db.execute("DELETE FROM waiting WHERE to_ms < ?", (at_ms,))
        self._db.execute("DELETE FROM settled WHERE to_ms < ?", (at_ms,))

    def _meet(self, about: bytes, origin: int, at: int) -> bool:
        """Settle the waiting reports that speak of `at`; gives whether there were any."""
        below, above = around(at)
        key = (about, 1 << origin)
        asked = (*key, *below, at), (*key, *above, at)
        # All of them hold `at`, so those of one label together are one span.
        met = self._db.execute(_MET, asked[0] + asked[1]).fetchall()
        if met:
            self._db.execute(f"DELETE {_BELOW}", asked[0])
            self._db.execute(f"DELETE {_ABOVE}", asked[1])
        for fraud, start, end, said_at in met:
            self._join(about, origin, bool(fraud), start, end, said_at)
        return bool(met)

    def _join(self, about: bytes, origin: int, fraud: bool, start: int, end: int, said_at: int) -> None:
        """Add a span, made one with those that it touches; each span is taken up so once, however many come."""
        key = (about, origin, fraud)
        row = self._db.execute(
            f"SELECT from_ms, to_ms {_SPANS} <= ? ORDER BY from_ms DESC LIMIT 1",
            (*key, start),
        ).fetchone()
        if row is not None and row[1] >= start:
            start = row[0]
        last, earliest = self._db.execute(
            f"SELECT max(to_ms), min(said_at) {_SPANS} BETWEEN ? AND ?",
            (*key, start, end),
        ).fetchone()
        if last is not None:
            self._db.execute(f"DELETE {_SPANS} BETWEEN ? AND ?", (*key, start, end))
            end, said_at = max(last, end), min(earliest, said_at)
        self._db.execute("INSERT INTO settled VALUES (?, ?, ?, ?, ?, ?)", (*key, start, end, said_at))
