"""All that was decided on a call, in log order, and which of it stands: the contract's rules for whoever reads verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from streamer.calls import codec
from streamer.calls.decisions import Decision, Evidence
from streamer.calls.events import SAME_CALL_MS
from streamer.errors import MessageError
from streamer.kafka.logs import LogRecord
from streamer.revisions import REVISION_MS

_MAY_BE_REVISED: Final = ("allow", "label")
"""Actions that let a call ring with what its caller shows: one `block` may still stop it."""

Standing = Literal["effective", "revision in effect", "repeats it", "ignored: not the first"]


class Told(NamedTuple):
    """A decision as it lies in the log. `source`: partition and offset of the set-up that it answers; None when not said."""

    partition: int
    offset: int
    at_ms: int
    decision: Decision
    source: tuple[int, int] | None


class Judged(NamedTuple):
    """A decision, what it counts for, and the evidence that it was made with, where that was kept."""

    told: Told
    standing: Standing
    evidence: Evidence | None


def told(records: Iterable[LogRecord], call_id: str) -> list[Told]:
    """The decisions on a call id among these records, in log order; what cannot be read is left out."""
    found = []
    for record in records:
        try:
            decision = codec.decode_decision(record.value)
        except MessageError:
            continue
        if decision.call_id == call_id:
            found.append(Told(record.partition, record.offset, record.at_ms, decision, _source(dict(record.headers))))
    return sorted(found, key=lambda one: (one.partition, one.offset))


def evidence_on(records: Iterable[LogRecord], call_id: str) -> Iterator[Evidence]:
    """The evidence on a call id among these records; what cannot be read is left out."""
    named = msgspec.json.encode(call_id)
    for record in records:
        if record.value is None or named not in record.value:
            continue
        try:
            evidence = codec.decode_evidence(record.value)
        except MessageError:
            continue
        if evidence.decision.call_id == call_id:
            yield evidence


def judged(decisions: Iterable[Told], evidence: Iterable[Evidence]) -> list[list[Judged]]:
    """The decisions by call (operator, partition, within 120 s of event time), each with its standing and evidence."""
    kept = list(evidence)
    sources = {(found.partition, found.offset): found for found in reversed(kept)}
    calls: list[_Call] = []
    known: dict[tuple[str, int, int], _Call] = {}
    for one in decisions:
        made_with = _alike(one, kept) if one.source is None else sources.get(one.source)
        operator, span = one.decision.operator, one.decision.at // SAME_CALL_MS
        near = (known.get((operator, one.partition, span + beside)) for beside in (-1, 0, 1))
        call = min(
            (call for call in near if call is not None and call.has(one)), key=lambda call: call.number, default=None
        )
        if call is None:
            # Those that calls begin with are further apart than a span is long, so that none has two of them.
            known[operator, one.partition, span] = call = _Call(len(calls))
            calls.append(call)
        call.take(one, made_with)
    return [call.judged for call in calls]


class _Call:
    """A call's decisions so far, and what is to be known of them to judge the next: they may be repeated without end."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._revised = False
        self.judged: list[Judged] = []

    def has(self, one: Told) -> bool:
        """Whether a decision of the same operator and partition is on this call."""
        return abs(one.decision.at - self.judged[0].told.decision.at) <= SAME_CALL_MS

    def take(self, one: Told, made_with: Evidence | None) -> None:
        """Take in its next decision in log order."""
        self.judged.append(Judged(one, self._standing(one.decision), made_with))
        self._revised = self._revised or one.decision.revises

    def _standing(self, decision: Decision) -> Standing:
        if not self.judged:
            return "effective"
        first = self.judged[0].told.decision
        if not decision.revises:
            return "repeats it" if _content(decision) == _content(first) else "ignored: not the first"
        rings = first.action in _MAY_BE_REVISED and decision.action == "block" and not self._revised
        in_time = decision.decided_at - first.decided_at <= REVISION_MS and not decision.late
        return "revision in effect" if rings and in_time else "ignored: not the first"


def _source(headers: Mapping[str, bytes | None]) -> tuple[int, int] | None:
    try:
        return int(headers["source.partition"] or b""), int(headers["source.offset"] or b"")
    except (KeyError, ValueError):
        return None


def _content(decision: Decision) -> Any:
    """What must not differ between a decision and its repetition; a retry may carry another `at`."""
    return decision.action, decision.reasons, decision.score, decision.shadow_action, decision.sip_code, decision.q850


def _alike(one: Told, evidence: list[Evidence]) -> Evidence | None:
    return next((found for found in evidence if found.decision == one.decision), None)


def as_json(call: Iterable[Judged]) -> list[dict[str, Any]]:
    """The decisions on one call as objects, in log order."""
    return [
        {
            "partition": one.told.partition,
            "offset": one.told.offset,
            "appended_at": one.told.at_ms,
            "standing": one.standing,
            "decision": msgspec.to_builtins(one.told.decision),
            "evidence": None if one.evidence is None else msgspec.to_builtins(one.evidence),
        }
        for one in call
    ]
