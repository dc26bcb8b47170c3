"""Evidence of verdicts: enough to make each decision again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import orjson

from streamer import columns, features
from streamer.calls.decisions import MODES, Policy
from streamer.columns import Verdicts
from streamer.compiled import loop
from streamer.detectors import DETECTORS
from streamer.in_force import InForce
from streamer.models.scorer import contributions
from streamer.policy import BLOCK, MODEL_ROW
from streamer.records import Read

_NAMES: Final = [(b"," if place else b"{") + orjson.dumps(name) + b":" for place, name in enumerate(features.NAMES)]
_NAMES_DATA: Final = np.frombuffer(b"".join(_NAMES), np.uint8).copy()
_NAMES_ENDS: Final = np.cumsum([len(name) for name in _NAMES])
_COMMA, _OPENING, _CLOSING, _BRACE = b",[]}"


def evidence_of(
    places: Sequence[int], decisions: Sequence[bytes], keys: Sequence[str], given: Read, out: Verdicts, known: InForce
) -> list[bytes]:
    """The records for `evidence.v1` on the verdicts in these rows of a pass; decisions and caller keys are there already."""
    texts = _named(out.x[places])
    return [
        _record(at, decision, key, text, given, out, known)
        for at, decision, key, text in zip(places, decisions, keys, texts, strict=True)
    ]


def _record(at: int, decision: bytes, key: str, text: bytes, given: Read, out: Verdicts, known: InForce) -> bytes:
    verdict = out.columns[at].tolist()
    flags, word = verdict[columns.FLAGS], verdict[columns.VERSIONS]
    policy = known.versions.policy_of(word)
    row = given.rows[at]
    control = bool(flags & columns.CONTROL)
    record = given.columns.records[at]
    # Its switch refused it, whatever was said: that nobody complains of it says nothing.
    unheard = record[columns.CACHED] != 0 and verdict[columns.ACTION] != BLOCK
    return orjson.dumps(
        {
            "decision": orjson.Fragment(decision),
            "caller_key": key,
            "origin": "own_line" if record[columns.INGRESS] == 0 else "interconnect",
            "trunk": given.way_of(at).trunk,
            "partition": given.batch.partitions[row],
            "offset": given.batch.offsets[row],
            "features": orjson.Fragment(text),
            "findings": _findings(at, out, policy),
            "lists": _lists(verdict[columns.CALLER_LISTS], verdict[columns.CALLEE_LISTS], known),
            "contributions": contributions(out.x[at], known.tables) if len(known.tables.column) else {},
            "policy": policy.version,
            "model": known.versions.model_of(word),
            "weight": 0.0 if unheard else 1.0 / policy.evidence_sample if flags & columns.SAMPLED else 1.0,
            "control": control,
            "propensity": policy.control_share if control else None,
        }
    )


def _lists(caller: int, callee: int, known: InForce) -> list[str]:
    return [
        *(f"caller.{name}" for name in known.lists.names(caller)),
        *(f"called.{name}" for name in known.lists.names(callee)),
    ]


def _findings(at: int, out: Verdicts, policy: Policy) -> list[dict[str, Any]]:
    """What detectors and the model found, those that are off left out."""
    found = []
    for row in out.found[at, :, 0].nonzero()[0].tolist():
        mode = MODES[out.modes[at, row]]
        if mode != "off":
            cause, observed, threshold, window_s = out.found[at, row].tolist()
            detector = DETECTORS[row]
            what = detector.causes[int(cause) - 1]
            rule = policy.detectors.get(detector.id)
            action = rule.actions.get(what.name, what.action) if rule else what.action
            found.append(_finding(detector.id, what.name, observed, threshold, int(window_s), mode, action))
    score, model = float(out.score[at]), policy.model
    if score > model.threshold and (mode := MODES[out.modes[at, MODEL_ROW]]) != "off":
        found.append(_finding("model", "score", score, model.threshold, 0, mode, model.action))
    return found


def _finding(
    detector: str, cause: str, observed: float, threshold: float, window_s: int, mode: str, action: str
) -> dict[str, Any]:
    return {
        "detector": detector, "cause": cause, "observed": observed, "threshold": threshold, "window_s": window_s,
        "mode": mode, "action": action,
    }  # fmt: skip


def _named(x: Any) -> list[bytes]:
    """Rows of features, float64[n, COUNT], as JSON objects, what is missing as null."""
    numbers = np.frombuffer(orjson.dumps(x, option=orjson.OPT_SERIALIZE_NUMPY), np.uint8)
    out = np.empty(numbers.size + len(x) * (_NAMES_DATA.size + 1), np.uint8)
    ends = np.empty(len(x), np.int64)
    _name(numbers, _NAMES_DATA, _NAMES_ENDS, out, ends)
    text, bounds = out[: ends[-1]].tobytes(), [0, *ends.tolist()]
    return [text[begin:end] for begin, end in itertools.pairwise(bounds)]


@loop
def _name(numbers: Any, names: Any, name_ends: Any, out: Any, ends: Any) -> None:
    """Put names between the numbers of a list of lists, and note in `ends` int64[n] where each object ends."""
    to = 0
    line = 0
    which = -1
    for at in range(1, numbers.size - 1):
        char = numbers[at]
        if char == _CLOSING:
            out[to] = _BRACE
            to += 1
            ends[line] = to
            line += 1
            which = -1
        elif char == _OPENING or (char == _COMMA and which >= 0):
            which += 1
            begin = name_ends[which - 1] if which > 0 else 0
            for place in range(begin, name_ends[which]):
                out[to] = names[place]
                to += 1
        elif char != _COMMA:
            out[to] = char
            to += 1
