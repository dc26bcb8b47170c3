"""Evidence of one verdict: enough to make the decision again."""

from __future__ import annotations

from typing import Any, Final

import orjson

from streamer import columns, features
from streamer.calls.decisions import MODES, Policy
from streamer.calls.events import Setup
from streamer.columns import Verdicts
from streamer.detectors import DETECTORS
from streamer.in_force import InForce
from streamer.models.scorer import contributions
from streamer.policy import MODEL_ROW
from streamer.records import Read

_OWN_LINE: Final = features.INDEX["own_line"]


def evidence_of(decision: bytes, key: str, at: int, given: Read, out: Verdicts, known: InForce) -> bytes:
    """The record for `evidence.v1` on the verdict in row `at` of a pass; decision and caller key are there already."""
    verdict = out.columns[at].tolist()
    flags = verdict[columns.FLAGS]
    policy = known.versions.policy_of(verdict[columns.VERSIONS])
    setup = given.events[at]
    assert isinstance(setup, Setup)
    x = out.x[at]
    control = bool(flags & columns.CONTROL)
    row = given.rows[at]
    return orjson.dumps(
        {
            "decision": orjson.Fragment(decision),
            "caller_key": key,
            "origin": "own_line" if x[_OWN_LINE] == 1.0 else "interconnect",
            "trunk": setup.trunk,
            "partition": given.batch.partitions[row],
            "offset": given.batch.offsets[row],
            "features": dict(zip(features.NAMES, x.tolist(), strict=True)),
            "findings": _findings(at, out, policy),
            "lists": [
                *(f"caller.{name}" for name in known.lists.names(verdict[columns.CALLER_LISTS])),
                *(f"called.{name}" for name in known.lists.names(verdict[columns.CALLEE_LISTS])),
            ],
            "contributions": contributions(x, known.tables) if len(known.tables.column) else {},
            "policy": policy.version,
            "model": known.versions.model_of(verdict[columns.VERSIONS]),
            "weight": 1.0 / policy.evidence_sample if flags & columns.SAMPLED else 1.0,
            "control": control,
            "propensity": policy.control_share if control else None,
        }
    )


def _findings(at: int, out: Verdicts, policy: Policy) -> list[dict[str, Any]]:
    found = []
    for row, (cause, observed, threshold, window_s) in enumerate(out.found[at].tolist()):
        if not cause:
            continue
        mode = MODES[out.modes[at, row]]
        if mode != "off":
            detector = DETECTORS[row]
            what = detector.causes[int(cause) - 1]
            rule = policy.detectors.get(detector.id)
            found.append(
                {
                    "detector": detector.id,
                    "cause": what.name,
                    "observed": observed,
                    "threshold": threshold,
                    "window_s": int(window_s),
                    "mode": mode,
                    "action": rule.actions.get(what.name, what.action) if rule else what.action,
                }
            )
    score, mode = float(out.score[at]), MODES[out.modes[at, MODEL_ROW]]
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
