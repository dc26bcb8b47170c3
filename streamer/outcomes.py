"""What a batch comes to: decisions and evidence as bytes ready to send, and what the shells count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson

from streamer import columns
from streamer.calls.compiled_decisions import (
    CACHE_UNTIL,
    CLOSING,
    LATE,
    LINE_COLUMNS,
    ROW,
    SAID_AT,
    SCORE,
    Writer,
    plain,
)
from streamer.calls.decisions import ACTIONS
from streamer.calls.events import LATEST_MS
from streamer.columns import Verdicts
from streamer.compiled import loop
from streamer.detectors import DETECTORS
from streamer.evidence import evidence_of
from streamer.in_force import InForce, Said
from streamer.policy import BLOCK, REASONS, names_of
from streamer.records import Read

_LOW: Final = (1 << 32) - 1
_ANALYTICS: Final = 603
"""Network blocked (ATIS-1000099)."""
_REJECTED: Final = 608
"""Rejected by a machine (RFC 8688)."""
_BEHAVIOUR: Final = frozenset({"model", *(detector.id for detector in DETECTORS if detector.kind == "behaviour")})
_BLOCKED_Q850: Final = 21
"""Call rejected (ITU-T Q.850)."""


@dataclass
class Outcomes:
    """Rows are indices into the batch. Values are bytes as they go on the wire.

    `decisions` (row, call id, value), exactly one a valid set-up and one a broken one that can still be answered, in
    batch order; `evidence` (row, caller key, value); `rejected` (row, reason, message) for the dead letters; `misplaced`
    (row, caller key, partition it belongs to); `standing` (operator, trunk, `at`, `streamer.policy.governed` bits) of each
    call from a line in good standing that something in `enforce` judged, for the governor. Counters by action, reason and
    operator for the metrics.
    """

    decisions: list[tuple[int, str, bytes]] = field(default_factory=list)
    evidence: list[tuple[int, str, bytes]] = field(default_factory=list)
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    misplaced: list[tuple[int, str, int]] = field(default_factory=list)
    standing: list[tuple[str, str, int, int]] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)
    shadow_actions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    clamped: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    late: int = 0
    late_events: int = 0

    def say_invalid(self, row: int, found: dict[str, object], append_ms: int, now_ms: int, said: Said) -> None:
        """Answer a broken set-up whose call id and caller are known: allow, so that no switch waits in vain."""
        at, callee, operator = found.get("at"), found.get("callee"), found.get("operator")
        call_id = str(found["call_id"])
        try:
            value = plain(
                call_id,
                at if isinstance(at, int) and not isinstance(at, bool) and 0 <= at <= LATEST_MS else append_ms,
                now_ms,
                operator if isinstance(operator, str) and 0 < len(operator) <= 64 else "unknown",
                str(found["caller"]),
                callee if isinstance(callee, str) and 0 < len(callee) <= 64 else "unknown",
                -1,
                0,
                False,
                _words(0, 0, ["input.invalid"], said.policy, None),
            )
        except (TypeError, orjson.JSONEncodeError):
            return
        self.decisions.append((row, call_id, value))
        self.actions["allow"] += 1
        self.reasons["input.invalid"] += 1


def _words(action: int, shadow: int, reasons: list[str], policy: Any, model: str | None) -> bytes:
    """The members of a decision that many share, and its closing brace; after a comma."""
    blocks = action == BLOCK
    code = policy.block_sip_code
    if code == _ANALYTICS and not all(reason.split(".")[0] in _BEHAVIOUR for reason in reasons):
        code = _REJECTED  # 603 is for analytics alone
    closing = {
        "action": ACTIONS[action],
        "reasons": reasons,
        "shadow_action": ACTIONS[shadow],
        "sip_code": code if blocks else None,
        "sip_reason": policy.block_sip_reason if blocks else None,
        "q850": _BLOCKED_Q850 if blocks else None,
        "revises": False,
        "policy": policy.version,
        "model": model,
    }
    return b"," + orjson.dumps(closing)[1:]


class Reporter:
    """Turns the verdicts of passes into messages and counts."""

    def __init__(self) -> None:
        self._writer = Writer()

    def report(self, given: Read, out: Verdicts, known: InForce, now_ms: int, shed: bool, outcomes: Outcomes) -> None:
        """Add what a pass said to `outcomes`; `shed` leaves the sampled evidence out."""
        lines = np.empty((len(given.events), LINE_COLUMNS), np.int64)
        counts = np.zeros((4, len(ACTIONS)), np.int64)
        m = _lines(given.columns, out, known.operators.compiled.deadline_ms, now_ms, shed, lines, counts)
        (acted, shadowed, (clamped, late_events, late, repeated, evidence), (reasoned, governed, *_)) = counts.tolist()
        if clamped:
            for at in np.flatnonzero(out.columns[:, columns.FLAGS] & columns.CLAMPED).tolist():
                outcomes.clamped[given.events[at].operator] += 1
        outcomes.late_events += late_events
        if not m:
            return
        lines = lines[:m]
        for code, name in enumerate(ACTIONS):
            if acted[code]:
                outcomes.actions[name] += acted[code]
            if shadowed[code]:
                outcomes.shadow_actions[name] += shadowed[code]
        if reasoned:
            for mask, times in Counter(lines[lines[:, CLOSING + 1] != 0, CLOSING + 1].tolist()).items():
                for reason in names_of(mask):
                    outcomes.reasons[reason] += times
        outcomes.late += late
        outcomes.repeated += repeated
        if governed:
            outcomes.standing = _standing(given.events, out.columns)
        values = self._written(given, lines, known.said, now_ms)
        rows, events = given.rows, given.events
        places = lines[:, ROW].tolist()
        outcomes.decisions = [(rows[at], events[at].call_id, value) for at, value in zip(places, values, strict=True)]
        if evidence:
            asked = columns.EVIDENCE if not shed else columns.EVIDENCE | columns.SAMPLED
            flags = out.columns[lines[:, ROW], columns.FLAGS] & (asked | columns.REPEATED)
            for place in np.flatnonzero(flags == columns.EVIDENCE).tolist():
                at = places[place]
                record = evidence_of(values[place], at, given, out, known)
                outcomes.evidence.append((rows[at], given.numbers.key_of(at), record))

    def _written(self, given: Read, lines: Any, said: Said, now_ms: int) -> list[bytes]:
        """The decision of each line."""
        ready = lines
        if given.numbers.odd:
            ready = lines.copy()
            ready[np.isin(lines[:, ROW], list(given.numbers.odd)), CLOSING:] = -1
        raw, begins, ends = self._writer.write(given.texts, ready, now_ms)
        values = [raw[begin:end] for begin, end in zip(begins, ends, strict=True)]
        if not all(values):
            for place, value in enumerate(values):
                if not value:
                    values[place] = self._plainly(given, lines[place].tolist(), said, now_ms)
        return values

    def _plainly(self, given: Read, line: list[int], said: Said, now_ms: int) -> bytes:
        """A decision whose texts or closing the writer does not know; it knows the closing from then on."""
        key = tuple(line[CLOSING:])
        closing = self._writer.closings.get(key)
        if closing is None:
            actions, mask, versions = key
            policy, model = said.policies[versions >> 32], said.models[versions & _LOW]
            closing = _words(actions & 0xFF, actions >> 8, names_of(mask), policy, model)
            self._writer.learn(key, closing)
        event = given.events[line[ROW]]
        return plain(
            event.call_id, line[SAID_AT], now_ms, event.operator, event.caller, event.callee, line[SCORE],
            line[CACHE_UNTIL], bool(line[LATE]), closing,
        )  # fmt: skip


@loop
def _lines(batch: Any, out: Any, deadlines: Any, now_ms: int, shed: bool, lines: Any, counts: Any) -> int:
    """Fill `lines` with what is said of each set-up, and `counts` int64[4, actions]; returns the number of lines.

    Counted: by action; by shadow action; clamped, late events, late, repeated, with evidence; with reasons, governed.
    """
    m = 0
    for row in range(batch.records.shape[0]):
        if batch.skip[row]:
            continue
        record = batch.records[row]
        verdict = out.columns[row]
        flags = verdict[columns.FLAGS]
        counts[2, 0] += 1 if flags & columns.CLAMPED else 0
        counts[2, 1] += 1 if flags & columns.LATE_EVENT else 0
        if record[columns.KIND] != columns.SETUP:
            continue
        action = verdict[columns.ACTION]
        late = now_ms > record[columns.APPENDED] + deadlines[record[columns.OPERATOR]]
        line = lines[m]
        line[ROW] = row
        line[SAID_AT] = verdict[columns.SAID_AT]
        line[SCORE] = out.millionths[row]
        line[CACHE_UNTIL] = 0
        if action == BLOCK and verdict[columns.CACHE_S] > 0 and not late:
            line[CACHE_UNTIL] = verdict[columns.SAID_AT] + 1000 * verdict[columns.CACHE_S]
        line[LATE] = late
        line[CLOSING] = verdict[columns.SHADOW] << 8 | action
        line[CLOSING + 1] = out.reasons[row]
        line[CLOSING + 2] = verdict[columns.POLICY] << 32 | verdict[columns.MODEL]
        counts[0, action] += 1
        counts[1, verdict[columns.SHADOW]] += 1
        counts[2, 2] += 1 if late else 0
        if flags & columns.REPEATED:
            counts[2, 3] += 1
        elif flags & columns.EVIDENCE and not (shed and flags & columns.SAMPLED):
            counts[2, 4] += 1
        counts[3, 0] += 1 if out.reasons[row] != 0 else 0
        counts[3, 1] += 1 if verdict[columns.GOVERNED] != 0 else 0
        m += 1
    return m


def _standing(events: list[Any], verdicts: Any) -> list[tuple[str, str, int, int]]:
    """What the governor counts: see `Outcomes.standing`. Repeats of a call have no bits, so they count once."""
    rows = np.flatnonzero(verdicts[:, columns.GOVERNED])
    told = verdicts[rows][:, (columns.SAID_AT, columns.GOVERNED)].tolist()
    return [
        (events[row].operator, events[row].trunk or "", at, bits)
        for row, (at, bits) in zip(rows.tolist(), told, strict=True)
    ]


assert len(REASONS) <= 63, "a verdict's mask has 63 bits"
