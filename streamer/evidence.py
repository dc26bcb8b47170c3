"""What is told beside verdicts: evidence, enough to make a decision again, and own lines that call many numbers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import orjson

from streamer import columns, features
from streamer.calls.codec import encode
from streamer.calls.decisions import MODES, Policy
from streamer.calls.events import Setup
from streamer.calls.signals import BusyLine
from streamer.columns import Verdicts
from streamer.detectors import DETECTORS
from streamer.in_force import InForce
from streamer.models.scorer import contributions
from streamer.policy import MODEL_ROW
from streamer.records import Read

_OWN_LINE: Final = features.INDEX["own_line"]
_E164: Final = 10**15
_LONGEST: Final = 64
_IN_A_DAY: Final = [features.INDEX[f"{name}_24h"] for name in ("attempts", "distinct", "answered")]


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


def _named(value: str | None) -> str | None:
    """A device, cell or SIM that can be told apart; publishers may write anything."""
    return value if value is not None and len(value) <= _LONGEST and len(set(value)) > 1 else None


def busy_lines(given: Read, out: Verdicts, known: InForce) -> list[tuple[str, bytes]]:
    """What is told of the own lines of a pass that call many numbers, as (key, value) for `counts.v1`."""
    found = []
    for at in np.flatnonzero(out.columns[:, columns.FLAGS] & columns.BUSY).tolist():
        setup, line = given.events[at], given.numbers.key_of(at)
        if not 0 < given.columns.key[at] < _E164:
            continue  # nobody calls it back
        assert isinstance(setup, Setup)
        attempts, distinct, answered = out.x[at, _IN_A_DAY].tolist()
        told = BusyLine(
            at=int(out.columns[at, columns.SAID_AT]), operator=setup.operator, line=line, call_id=setup.call_id,
            attempts=int(attempts), distinct=int(distinct), answered=int(answered),
            imsi=_named(setup.imsi), imei=_named(setup.imei), cell=_named(setup.cell),
            holder=known.facts.holder_of(int(given.columns.key[at])),
        )  # fmt: skip
        found.append((line, encode(told)))
    return found
