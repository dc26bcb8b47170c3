"""What is said of a pass: its verdicts as messages, and what is counted of them."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np

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
    repeated,
)
from streamer.calls.decisions import ACTIONS
from streamer.calls.events import LONGEST_REPEATED
from streamer.calls.texts import CALL_ID, CALLEE, CALLER, OPERATOR
from streamer.columns import Verdicts
from streamer.compiled import Straight, loop
from streamer.evidence import evidence_of
from streamer.in_force import InForce, Versions
from streamer.outcomes import Outcomes, closing_of
from streamer.policy import BLOCK
from streamer.reasons import THROTTLED, names_of
from streamer.records import Read
from streamer.revisions import Pended

# what a line has beside what the writer reads
_EVIDENCE: Final = LINE_COLUMNS
"""Whether evidence goes out."""
_STANDS: Final = LINE_COLUMNS + 1
"""Whether it was said before a restart: it is not said again."""
_WAITS: Final = LINE_COLUMNS + 2
"""Whether the call waits for its origination."""
_OPERATOR: Final = LINE_COLUMNS + 3
"""Which of the operators that were met it is of."""
_LINE_COLUMNS: Final = LINE_COLUMNS + 4

# what is counted of a pass: verdicts by action, by shadow action from `_SHADOW` on, and then
_SHADOW: Final = len(ACTIONS)
(
    _CLAMPED, _LATE_EVENTS, _LATE, _REPEATED, _WITH_EVIDENCE, _REASONED, _GOVERNED, _SAID_BEFORE,
    _WAITING,
) = range(2 * _SHADOW, 2 * _SHADOW + 9)  # fmt: skip
_COUNTS: Final = 2 * _SHADOW + 9

ToTell = tuple[Any, int, bytes]
"""A line of which evidence is to be told: what it holds, its row and its decision."""


class Reporter:
    """Turns the verdicts of passes into messages and counts."""

    def __init__(self) -> None:
        self._writer = Writer()
        self._lines = Straight(_lines)

    def report(
        self, given: Read, out: Verdicts, hashes: Any, known: InForce, now_ms: int, shed: bool, outcomes: Outcomes
    ) -> list[ToTell]:
        """Add what a pass said to `outcomes`; `shed` leaves the sampled evidence out. Gives what `tell` is to be asked of.

        `hashes` int64[n]: of each record's caller, with its partition and origin class, keyed.
        """
        lines = np.empty((len(given.rows), _LINE_COLUMNS), np.int64)
        counts = np.zeros(_COUNTS, np.int64)
        by_operator = np.zeros((len(given.taken.operators), 2), np.int64)
        deadlines = known.operators.compiled.deadline_ms
        of = given.columns, given.taken.operator
        lines = lines[: self._lines((deadlines,), *of, out, now_ms, shed, lines, counts, by_operator)]
        counted = counts.tolist()
        if counted[_CLAMPED]:
            for at in np.flatnonzero(out.columns[:, columns.FLAGS] & columns.CLAMPED).tolist():
                outcomes.clamped[given.way_of(at).operator] += 1
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
            outcomes.standing = _standing(given, out.columns, hashes)
        values = self._written(given, lines, known.versions, now_ms)
        rows, call_ids, places = given.rows, given.call_ids(), lines[:, ROW].tolist()
        if len(places) < len(rows):
            rows, call_ids = [rows[at] for at in places], [call_ids[at] for at in places]
        outcomes.decisions = list(zip(rows, call_ids, values, strict=True))
        if counted[_SAID_BEFORE]:
            outcomes.said_before = counted[_SAID_BEFORE]
            stands = lines[:, _STANDS].tolist()
            outcomes.decisions = [one for one, stand in zip(outcomes.decisions, stands, strict=True) if not stand]
        _count_ways(given, lines, by_operator, counted, outcomes)
        if not (counted[_WITH_EVIDENCE] or counted[_WAITING]):
            return []
        told = np.flatnonzero(lines[:, _EVIDENCE] | lines[:, _WAITS]).tolist()
        return [(lines[line], places[line], values[line]) for line in told]

    def _written(self, given: Read, lines: Any, versions: Versions, now_ms: int) -> list[bytes]:
        """The decision of each line."""
        values = self._writer.write(given.texts, lines, now_ms)
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
            closing = closing_of(actions & 0xFF, actions >> 8, reasons, policy, model)
            self._writer.learn(key, closing)
        call_id, operator, caller, callee = (
            given.texts.required(which, line[ROW]) for which in (CALL_ID, OPERATOR, CALLER, CALLEE)
        )
        plan = given.numbers.plan
        return plain(
            call_id, line[SAID_AT], now_ms, operator, repeated(caller, plan), repeated(callee, plan), line[SCORE],
            line[CACHE_UNTIL], bool(line[LATE]), closing,
        )  # fmt: skip


def _count_ways(given: Read, lines: Any, by_operator: Any, counted: list[int], outcomes: Outcomes) -> None:
    """Count by operator and trunk; `by_operator` see `_lines`."""
    operators = given.taken.operators
    (present,) = by_operator[:, 0].nonzero()
    for which, (times, delay) in zip(present.tolist(), by_operator[present].tolist(), strict=True):
        outcomes.setups[operators[which]], outcomes.delays[operators[which]] = times, delay
    if counted[_REASONED]:
        for which in lines[lines[:, REASONS_SAID] & THROTTLED != 0, _OPERATOR].tolist():
            outcomes.throttled[operators[which]] += 1
    if counted[BLOCK]:
        blocked = lines[lines[:, ACTIONS_SAID] & 0xFF == BLOCK]
        over, reasons = given.taken.way[blocked[:, ROW]].tolist(), blocked[:, REASONS_SAID].tolist()
        for (way, word), times in Counter(zip(over, reasons, strict=True)).items():
            by = given.taken.ways[way]
            outcomes.blocked[by.operator, by.counted, word] += times


def tell(given: Read, out: Verdicts, known: InForce, to_tell: list[ToTell], outcomes: Outcomes) -> None:
    """Add the evidence that goes out now to `outcomes`, and that of calls that wait, which may."""
    if not to_tell:
        return
    batch = given.batch
    keys = [given.numbers.key_of(at)[:LONGEST_REPEATED] for _, at, _ in to_tell]
    records = evidence_of([at for _, at, _ in to_tell], [value for _, _, value in to_tell], keys, given, out, known)
    for (line, at, value), key, record in zip(to_tell, keys, records, strict=True):
        row = given.rows[at]
        if line[_EVIDENCE]:
            outcomes.evidence.append((row, key, record))
        if line[_WAITS]:
            pended = Pended(given.call_id(at), key, batch.append_ms[row], value, record, given.way_of(at).counted)
            outcomes.pended.append((batch.partitions[row], batch.offsets[row], pended))


@loop
def _lines(
    deadlines: Any,
    batch: Any,
    operator: Any,
    out: Any,
    now_ms: int,
    shed: bool,
    lines: Any,
    counts: Any,
    by_operator: Any,
) -> int:
    """Fill `lines` int64[n, _LINE_COLUMNS] with what is said of each set-up, `counts` int64[_COUNTS], and `by_operator`, int64[operators, 2]:
    how many set-ups an operator has, and append time less `at` of its last one; returns how many lines there are.
    """
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
        line[_OPERATOR] = operator[row]
        by_operator[operator[row], 0] += 1
        by_operator[operator[row], 1] = record[columns.APPENDED] - record[columns.AT]
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


def _standing(given: Read, verdicts: Any, hashes: Any) -> list[tuple[str, str, int, int, int]]:
    """What the governor counts: see `Outcomes.standing`. Repeats of a call have no bits, so they count once."""
    rows = np.flatnonzero(verdicts[:, columns.GOVERNED])
    told = verdicts[rows][:, (columns.SAID_AT, columns.GOVERNED)].tolist()
    return [
        (by.operator, by.counted, at, bits, line)
        for by, (at, bits), line in zip(map(given.way_of, rows.tolist()), told, hashes[rows].tolist(), strict=True)
    ]
