"""What a batch comes to: decisions and evidence as bytes ready to send, and what the shells count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson

from streamer import columns
from streamer.calls.compiled_decisions import (
    ACTIONS_SAID,
    CACHE_UNTIL,
    LATE,
    LINE_COLUMNS,
    REASONS_SAID,
    ROW,
    SAID_AT,
    SCORE,
    VERSIONS_SAID,
    Writer,
    plain,
)
from streamer.calls.decisions import ACTIONS, Policy
from streamer.calls.events import LATEST_MS
from streamer.columns import Verdicts
from streamer.compiled import loop
from streamer.evidence import evidence_of
from streamer.in_force import InForce, Versions
from streamer.policy import BLOCK, refusal
from streamer.reasons import THROTTLED, names_of
from streamer.records import Read, trunk_of
from streamer.revisions import Came, Pended, Revision

# what a line has beside what the writer reads
_EVIDENCE: Final = LINE_COLUMNS
"""Whether evidence goes out."""
_STANDS: Final = LINE_COLUMNS + 1
"""Whether it was said before a restart: it is not said again."""
_WAITS: Final = LINE_COLUMNS + 2
"""Whether the call waits for its origination."""
_LINE_COLUMNS: Final = LINE_COLUMNS + 3

# what is counted of a pass: verdicts by action, by shadow action from `_SHADOW` on, and then
_SHADOW: Final = len(ACTIONS)
(
    _CLAMPED, _LATE_EVENTS, _LATE, _REPEATED, _WITH_EVIDENCE, _REASONED, _GOVERNED, _SAID_BEFORE,
    _WAITING,
) = range(2 * _SHADOW, 2 * _SHADOW + 9)  # fmt: skip
_COUNTS: Final = 2 * _SHADOW + 9

_NO_REFUSAL: Final = {"sip_code": None, "sip_reason": None, "q850": None}


@dataclass
class Outcomes:
    """Rows are indices into the batch. Values are bytes as they go on the wire.

    `decisions` (row, call id, value), exactly one a valid set-up and one a broken one that can still be answered, in
    batch order, those left out that were said before a restart (`said_before` counts them); `evidence` (row, caller key, value); `rejected` (row, reason, message) for the dead letters; `misplaced`
    (row, caller key, partition it belongs to); `standing` (operator, trunk, `at`, `streamer.policy.governed` bits, keyed
    hash of the line) of each call from a line in good standing that something in `enforce` judged, for the governor.
    Counters by action, reason and operator for the metrics; `setups` and `throttled` by operator, `blocked` by (operator, trunk or "",
    word of reasons); `delays` is append time less `at`, ms, of the last set-up of each operator.

    `counts` (key, value) for whoever merges what no partition sees whole: partial sums and busy lines.

    Of calls that waited for their origination: `pended` (partition, offset, what was said) of those that begin to, `revisions`
    what is to be said of those whose time is up, `came` how many by what came of them.
    """

    decisions: list[tuple[int, str, bytes]] = field(default_factory=list)
    evidence: list[tuple[int, str, bytes]] = field(default_factory=list)
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    misplaced: list[tuple[int, str, int]] = field(default_factory=list)
    standing: list[tuple[str, str, int, int, int]] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)
    shadow_actions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    clamped: Counter[str] = field(default_factory=Counter)
    setups: Counter[str] = field(default_factory=Counter)
    blocked: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    delays: dict[str, int] = field(default_factory=dict)
    pended: list[tuple[int, int, Pended]] = field(default_factory=list)
    revisions: list[Revision] = field(default_factory=list)
    came: Counter[Came] = field(default_factory=Counter)
    counts: list[tuple[str, bytes]] = field(default_factory=list)
    repeated: int = 0
    said_before: int = 0
    late: int = 0
    late_events: int = 0

    def say_invalid(self, row: int, found: dict[str, object], append_ms: int, now_ms: int, policy: Policy) -> None:
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
                _words(0, 0, ["input.invalid"], policy, None),
            )
        except (TypeError, orjson.JSONEncodeError):
            return
        self.decisions.append((row, call_id, value))
        self.actions["allow"] += 1
        self.reasons["input.invalid"] += 1


def _words(action: int, shadow: int, reasons: list[str], policy: Policy, model: str | None) -> bytes:
    """The members of a decision that many share, and its closing brace; after a comma."""
    closing = {
        "action": ACTIONS[action],
        "reasons": reasons,
        "shadow_action": ACTIONS[shadow],
        **(refusal(policy, reasons) if action == BLOCK else _NO_REFUSAL),
        "revises": False,
        "policy": policy.version,
        "model": model,
    }
    return b"," + orjson.dumps(closing)[1:]


class Reporter:
    """Turns the verdicts of passes into messages and counts."""

    def __init__(self) -> None:
        self._writer = Writer()

    def report(
        self, given: Read, out: Verdicts, hashes: Any, known: InForce, now_ms: int, shed: bool, outcomes: Outcomes
    ) -> None:
        """Add what a pass said to `outcomes`; `shed` leaves the sampled evidence out.

        `hashes` int64[n]: of each record's caller, with its partition and origin class, keyed.
        """
        lines = np.empty((len(given.events), _LINE_COLUMNS), np.int64)
        counts = np.zeros(_COUNTS, np.int64)
        lines = lines[: _lines(given.columns, out, known.operators.compiled.deadline_ms, now_ms, shed, lines, counts)]
        counted = counts.tolist()
        if counted[_CLAMPED]:
            for at in np.flatnonzero(out.columns[:, columns.FLAGS] & columns.CLAMPED).tolist():
                outcomes.clamped[given.events[at].operator] += 1
        outcomes.late_events += counted[_LATE_EVENTS]
        outcomes.late += counted[_LATE]
        outcomes.repeated += counted[_REPEATED]
        for code, name in enumerate(ACTIONS):
            if counted[code]:
                outcomes.actions[name] += counted[code]
            if counted[_SHADOW + code]:
                outcomes.shadow_actions[name] += counted[_SHADOW + code]
        if counted[_REASONED]:
            words = lines[:, REASONS_SAID]
            for mask, times in Counter(words[words != 0].tolist()).items():
                for reason in names_of(mask):
                    outcomes.reasons[reason] += times
        if counted[_GOVERNED]:
            outcomes.standing = _standing(given.events, out.columns, hashes)
        values = self._written(given, lines, known.versions, now_ms)
        rows, events, places = given.rows, given.events, lines[:, ROW].tolist()
        call_ids, operators = given.call_ids, given.operators
        if len(places) < len(events):
            rows, call_ids, operators = ([column[at] for at in places] for column in (rows, call_ids, operators))
        outcomes.decisions = list(zip(rows, call_ids, values, strict=True))
        if counted[_SAID_BEFORE]:
            outcomes.said_before = counted[_SAID_BEFORE]
            stands = lines[:, _STANDS].tolist()
            outcomes.decisions = [one for one, stand in zip(outcomes.decisions, stands, strict=True) if not stand]
        outcomes.setups.update(operators)
        for operator, at in dict(zip(operators, places, strict=True)).items():
            outcomes.delays[operator] = int(given.columns.records[at, columns.APPENDED]) - events[at].at
        if counted[_REASONED]:
            unjudged = np.flatnonzero(lines[:, REASONS_SAID] & THROTTLED).tolist()
            outcomes.throttled.update(operators[line] for line in unjudged)
        if counted[BLOCK]:
            for line in np.flatnonzero(lines[:, ACTIONS_SAID] & 0xFF == BLOCK).tolist():
                at = places[line]
                outcomes.blocked[operators[line], trunk_of(events[at]), int(lines[line, REASONS_SAID])] += 1
        if counted[_WITH_EVIDENCE] or counted[_WAITING]:
            told = np.flatnonzero(lines[:, _EVIDENCE] | lines[:, _WAITS]).tolist()
            _tell(given, out, known, [(lines[line], places[line], values[line]) for line in told], outcomes)

    def _written(self, given: Read, lines: Any, versions: Versions, now_ms: int) -> list[bytes]:
        """The decision of each line."""
        values = self._writer.write(given.ids, given.numbers.texts, lines, now_ms)
        if not all(values):
            for line, value in enumerate(values):
                if not value:
                    values[line] = self._plainly(given, lines[line].tolist(), versions, now_ms)
        return values

    def _plainly(self, given: Read, line: list[int], versions: Versions, now_ms: int) -> bytes:
        """A decision whose texts or closing the writer does not know; it knows the closing from then on."""
        key = (line[ACTIONS_SAID], line[REASONS_SAID], line[VERSIONS_SAID])
        closing = self._writer.closings.get(key)
        if closing is None:
            actions, mask, word = key
            reasons, policy, model = [*names_of(mask)], versions.policy_of(word), versions.model_of(word)
            closing = _words(actions & 0xFF, actions >> 8, reasons, policy, model)
            self._writer.learn(key, closing)
        event = given.events[line[ROW]]
        return plain(
            event.call_id, line[SAID_AT], now_ms, event.operator, event.caller, event.callee, line[SCORE],
            line[CACHE_UNTIL], bool(line[LATE]), closing,
        )  # fmt: skip


def _tell(given: Read, out: Verdicts, known: InForce, told: list[tuple[Any, int, bytes]], outcomes: Outcomes) -> None:
    """The evidence that goes out now, and that of calls that wait, which may; `told`: their lines, rows and decisions."""
    batch = given.batch
    keys = [given.numbers.key_of(at) for _, at, _ in told]
    records = evidence_of([at for _, at, _ in told], [value for _, _, value in told], keys, given, out, known)
    for (line, at, value), key, record in zip(told, keys, records, strict=True):
        row = given.rows[at]
        if line[_EVIDENCE]:
            outcomes.evidence.append((row, key, record))
        if line[_WAITS]:
            pended = Pended(given.call_ids[at], key, batch.append_ms[row], value, record)
            outcomes.pended.append((batch.partitions[row], batch.offsets[row], pended))


@loop
def _lines(batch: Any, out: Any, deadlines: Any, now_ms: int, shed: bool, lines: Any, counts: Any) -> int:
    """Fill `lines` int64[n, _LINE_COLUMNS] with what is said of each set-up, and `counts` int64[_COUNTS]; returns how many."""
    m = 0
    for row in range(batch.records.shape[0]):
        if batch.skip[row]:
            continue
        record = batch.records[row]
        verdict = out.columns[row]
        flags = verdict[columns.FLAGS]
        counts[_CLAMPED] += flags & columns.CLAMPED != 0
        counts[_LATE_EVENTS] += flags & columns.LATE_EVENT != 0
        if record[columns.KIND] != columns.SETUP:
            continue
        action = verdict[columns.ACTION]
        shadow = verdict[columns.SHADOW]
        late = now_ms > record[columns.APPENDED] + deadlines[record[columns.OPERATOR]]
        repeated = flags & columns.REPEATED != 0
        evidence = flags & columns.EVIDENCE != 0 and not repeated and not (shed and flags & columns.SAMPLED != 0)
        line = lines[m]
        line[ROW] = row
        line[SAID_AT] = verdict[columns.SAID_AT]
        line[SCORE] = out.millionths[row]
        line[CACHE_UNTIL] = 0
        if action == BLOCK and verdict[columns.CACHE_S] > 0 and not late:
            line[CACHE_UNTIL] = verdict[columns.SAID_AT] + 1000 * verdict[columns.CACHE_S]
        line[LATE] = late
        line[ACTIONS_SAID] = shadow << 8 | action
        line[REASONS_SAID] = out.reasons[row]
        line[VERSIONS_SAID] = verdict[columns.VERSIONS]
        line[_EVIDENCE] = evidence
        line[_STANDS] = flags & columns.SAID_BEFORE != 0
        line[_WAITS] = flags & columns.WAITS != 0
        counts[_WAITING] += line[_WAITS]
        counts[_SAID_BEFORE] += line[_STANDS]
        counts[action] += 1
        counts[_SHADOW + shadow] += 1
        counts[_LATE] += late
        counts[_REPEATED] += repeated
        counts[_WITH_EVIDENCE] += evidence
        counts[_REASONED] += out.reasons[row] != 0
        counts[_GOVERNED] += verdict[columns.GOVERNED] != 0
        m += 1
    return m


def _standing(events: list[Any], verdicts: Any, hashes: Any) -> list[tuple[str, str, int, int, int]]:
    """What the governor counts: see `Outcomes.standing`. Repeats of a call have no bits, so they count once."""
    rows = np.flatnonzero(verdicts[:, columns.GOVERNED])
    told = verdicts[rows][:, (columns.SAID_AT, columns.GOVERNED)].tolist()
    return [
        (events[row].operator, trunk_of(events[row]), at, bits, line)
        for row, (at, bits), line in zip(rows.tolist(), told, hashes[rows].tolist(), strict=True)
    ]
