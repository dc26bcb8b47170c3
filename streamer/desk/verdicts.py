"""All that was decided on a call, in log order, and which of it stands: the contract's rules for whoever reads verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from streamer.calls import codec
from streamer.calls.decisions import Decision, Evidence
from streamer.calls.events import SAME_CALL_MS
from streamer.errors import MessageError
from streamer.kafka.logs import LogRecord

REVISION_MS: Final = 3_000
"""How long after an allow a revision may still block."""

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


def evidence_on(records: Iterable[LogRecord], call_id: str) -> list[Evidence]:
    """The evidence on a call id among these records; what cannot be read is left out."""
    named = msgspec.json.encode(call_id)
    found = []
    for record in records:
        if record.value is None or named not in record.value:
            continue
        try:
            evidence = codec.decode_evidence(record.value)
        except MessageError:
            continue
        if evidence.decision.call_id == call_id:
            found.append(evidence)
    return found


def judged(decisions: Iterable[Told], evidence: Iterable[Evidence]) -> list[list[Judged]]:
    """The decisions by call (operator, partition, within 120 s of event time), each with its standing and evidence."""
    kept = list(evidence)
    calls: list[list[Judged]] = []
    for one in decisions:
        of_call = next((call for call in calls if _same_call(call[0].told, one)), None)
        if of_call is None:
            of_call = []
            calls.append(of_call)
        of_call.append(Judged(one, _standing([before.told for before in of_call], one), _made_with(one, kept)))
    return calls


def _source(headers: Mapping[str, bytes | None]) -> tuple[int, int] | None:
    try:
        return int(headers["source.partition"] or b""), int(headers["source.offset"] or b"")
    except (KeyError, ValueError):
        return None


def _same_call(first: Told, other: Told) -> bool:
    return (
        first.decision.operator == other.decision.operator
        and first.partition == other.partition
        and abs(first.decision.at - other.decision.at) <= SAME_CALL_MS
    )


def _standing(before: list[Told], one: Told) -> Standing:
    if not before:
        return "effective"
    first, revised = before[0].decision, [told.decision for told in before if told.decision.revises]
    late_ms = one.decision.decided_at - first.decided_at
    if one.decision.revises:
        allowed = first.action == "allow" and one.decision.action == "block" and not revised
        return "revision in effect" if allowed and late_ms <= REVISION_MS else "ignored: not the first"
    return "repeats it" if _content(one.decision) == _content(first) else "ignored: not the first"


def _content(decision: Decision) -> Any:
    """What must not differ between a decision and its repetition; a retry may carry another `at`."""
    return decision.action, decision.reasons, decision.score, decision.shadow_action, decision.sip_code, decision.q850


def _made_with(one: Told, evidence: list[Evidence]) -> Evidence | None:
    for found in evidence:
        if one.source is not None and one.source == (found.partition, found.offset):
            return found
    for found in evidence:
        if one.source is None and found.decision == one.decision:
            return found
    return None


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
