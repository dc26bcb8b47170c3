"""What a batch comes to: decisions and evidence as bytes ready to send, and what the shells count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import orjson

from streamer import columns, features
from streamer.calls.decisions import ACTIONS, MODES, Policy
from streamer.detectors import DETECTORS
from streamer.models.scorer import contributions
from streamer.policy import MODEL_ROW, REASONS, names_of


class Said(NamedTuple):
    """Every policy and model that a verdict may have been made with, oldest first; a verdict names them by place."""

    policies: list[Policy]
    models: list[str | None]


@dataclass
class Outcomes:
    """Rows are indices into the batch. Values are bytes as they go on the wire.

    `decisions` (row, call id, value), exactly one a valid set-up and one a broken one that can still be answered, in
    batch order; `evidence` (row, caller key, value); `rejected` (row, reason, message) for the dead letters; `misplaced`
    (row, caller key, partition it belongs to); `standing` (operator, trunk, `at`, `streamer.policy.governed` bits) of each
    call from a line in good standing that something in `enforce` judged, for the governor. Counters by action, reason and operator for the metrics.
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
        decision = {
            "call_id": call_id,
            "at": at if isinstance(at, int) and not isinstance(at, bool) and at >= 0 else append_ms,
            "decided_at": now_ms,
            "operator": operator if isinstance(operator, str) and 0 < len(operator) <= 64 else "unknown",
            "caller": found["caller"],
            "callee": callee if isinstance(callee, str) and 0 < len(callee) <= 64 else "unknown",
            "action": "allow",
            "score": None,
            "reasons": ["input.invalid"],
            "shadow_action": "allow",
            "sip_code": None,
            "sip_reason": None,
            "q850": None,
            "cache_until": None,
            "revises": False,
            "late": False,
            "policy": said.policies[-1].version,
            "model": None,
        }
        try:
            value = orjson.dumps(decision)
        except (TypeError, orjson.JSONEncodeError):
            return
        self.decisions.append((row, call_id, value))
        self.actions["allow"] += 1
        self.reasons["input.invalid"] += 1


_NO_REASONS: list[str] = []


def report(
    said: Said,
    batch: Any,
    rows: list[int],
    events: list[Any],
    numbers: Any,
    records: Any,
    skip: Any,
    out: Any,
    deadlines: Any,
    tables: Any,
    lists: Any,
    now_ms: int,
    shed: bool,
    outcomes: Outcomes,
) -> None:
    """Turn the verdicts of a pass into messages and counts."""
    flags = out.columns[:, columns.FLAGS]
    if (flags & columns.CLAMPED).any():
        for at in np.flatnonzero(flags & columns.CLAMPED).tolist():
            outcomes.clamped[events[at].operator] += 1
    outcomes.late_events += int(np.count_nonzero(flags & columns.LATE_EVENT))
    judged = np.flatnonzero((records[:, columns.KIND] == columns.SETUP) & ~skip)
    if not len(judged):
        return
    outcomes.standing = _standing(events, out.columns)
    picked = out.columns[judged].tolist()
    masks = out.reasons[judged].tolist()
    scores = out.millionths[judged].tolist()
    late_after = (records[judged, columns.APPENDED] + deadlines[records[judged, columns.OPERATOR]]).tolist()
    decisions, dumps = outcomes.decisions, orjson.dumps
    policies, models = said.policies, said.models
    acted = [0] * len(ACTIONS)
    shadowed = [0] * len(ACTIONS)
    for at, verdict, mask, score, latest in zip(judged.tolist(), picked, masks, scores, late_after, strict=True):
        event = events[at]
        row = rows[at]
        action = verdict[columns.ACTION]
        flag = verdict[columns.FLAGS]
        acted[action] += 1
        shadowed[verdict[columns.SHADOW]] += 1
        reasons = _NO_REASONS
        if mask:
            reasons = names_of(mask)
            outcomes.reasons.update(reasons)
        late = now_ms > latest
        decision = {
            "call_id": event.call_id,
            "at": verdict[columns.SAID_AT],
            "decided_at": now_ms,
            "operator": event.operator,
            "caller": event.caller,
            "callee": event.callee,
            "action": ACTIONS[action],
            "score": None if score < 0 else score / 1_000_000,
            "reasons": reasons,
            "shadow_action": ACTIONS[verdict[columns.SHADOW]],
            "sip_code": None,
            "sip_reason": None,
            "q850": None,
            "cache_until": None,
            "revises": False,
            "late": late,
            "policy": policies[verdict[columns.POLICY]].version,
            "model": models[verdict[columns.MODEL]],
        }
        if action == len(ACTIONS) - 1:
            policy = policies[verdict[columns.POLICY]]
            decision["sip_code"] = policy.block_sip_code
            decision["sip_reason"] = policy.block_sip_reason
            decision["q850"] = 21
            if verdict[columns.CACHE_S] and not late:
                decision["cache_until"] = verdict[columns.SAID_AT] + 1000 * verdict[columns.CACHE_S]
        decisions.append((row, event.call_id, dumps(decision)))
        if late:
            outcomes.late += 1
        if flag & columns.REPEATED:
            outcomes.repeated += 1
        elif flag & columns.EVIDENCE and not (shed and flag & columns.SAMPLED):
            policy = policies[verdict[columns.POLICY]]
            key = numbers.key_of(at)
            value = _evidence(decision, event, key, batch, row, out, at, flag, policy, tables, lists)
            outcomes.evidence.append((row, key, value))
    for code, name in enumerate(ACTIONS):
        if acted[code]:
            outcomes.actions[name] += acted[code]
        if shadowed[code]:
            outcomes.shadow_actions[name] += shadowed[code]


def _standing(events: list[Any], verdicts: Any) -> list[tuple[str, str, int, int]]:
    """What the governor counts: see `Outcomes.standing`. Repeats of a call have no bits, so they count once."""
    rows = np.flatnonzero(verdicts[:, columns.GOVERNED])
    if not len(rows):
        return []
    told = verdicts[rows][:, (columns.SAID_AT, columns.GOVERNED)].tolist()
    return [
        (events[row].operator, events[row].trunk or "", at, bits)
        for row, (at, bits) in zip(rows.tolist(), told, strict=True)
    ]


def _evidence(
    decision: dict[str, Any], event: Any, key: str, batch: Any, row: int, out: Any, at: int, flag: int,
    policy: Policy, tables: Any, lists: Any,
) -> bytes:  # fmt: skip
    x = out.x[at]
    hits = [f"caller.{name}" for name in lists.names(int(out.columns[at, columns.CALLER_LISTS]))]
    hits += [f"called.{name}" for name in lists.names(int(out.columns[at, columns.CALLEE_LISTS]))]
    control = bool(flag & columns.CONTROL)
    return orjson.dumps(
        {
            "decision": decision,
            "caller_key": key,
            "origin": "own_line" if x[features.INDEX["own_line"]] == 1.0 else "interconnect",
            "trunk": event.trunk,
            "partition": batch.partitions[row],
            "offset": batch.offsets[row],
            "features": dict(zip(features.NAMES, x.tolist(), strict=True)),
            "findings": _findings(out, at, policy, float(out.score[at])),
            "lists": hits,
            "contributions": contributions(x, tables) if len(tables.column) else {},
            "policy": decision["policy"],
            "model": decision["model"],
            "weight": 1.0 / policy.evidence_sample if flag & columns.SAMPLED else 1.0,
            "control": control,
            "propensity": policy.control_share if control else None,
        }
    )


def _findings(out: Any, at: int, policy: Policy, score: float) -> list[dict[str, Any]]:
    found = []
    for row, detector in enumerate(DETECTORS):
        cause, observed, threshold, window_s = out.found[at, row].tolist()
        mode = MODES[out.modes[at, row]]
        if cause and mode != "off":
            what = detector.causes[int(cause) - 1]
            given = policy.detectors.get(detector.id)
            action = given.actions.get(what.name, what.action) if given else what.action
            found.append(
                {
                    "detector": detector.id,
                    "cause": what.name,
                    "observed": observed,
                    "threshold": threshold,
                    "window_s": int(window_s),
                    "mode": mode,
                    "action": action,
                }
            )
    mode = MODES[out.modes[at, MODEL_ROW]]
    if score > policy.model.threshold and mode != "off":
        found.append(
            {
                "detector": "model",
                "cause": "score",
                "observed": score,
                "threshold": policy.model.threshold,
                "window_s": 0,
                "mode": mode,
                "action": policy.model.action,
            }
        )
    return found


assert len(REASONS) <= 64, "a verdict's mask has 64 bits"
