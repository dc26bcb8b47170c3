"""Findings and score to one verdict: modes, actions, lists, exemptions, in the order of the contract.

1. A call to an emergency number is allowed, whatever else holds.
2. A block list blocks. An allow list exempts from behaviour detectors and the model, never from origin detectors.
3. Every finding, but for those that are deferred, asks for its cause's action; the most severe one of the detectors in `enforce` stands. What would stand
   if those in `shadow` were enforced too is the shadow action.
4. A small share of the blocks that only behaviour detectors or the model ask for is let through as `label`, drawn by a
   keyed hash of the call's id, numbers and time, and marked `control`: without it nothing could be learned about blocked
   calls. A call that its switch refused from its cache is never drawn: it reached nobody.
5. The kill switch turns the action into `allow`; the shadow action goes on.

Compiled: a `Rules` of arrays made from the messages by `compile_rules`, and `decide` over one call's findings.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer import counting, grounds
from streamer.calls.decisions import ACTIONS, MODES, Policy
from streamer.compiled import loop
from streamer.detectors import DETECTORS
from streamer.detectors.base import BOUNDS, MAX_THRESHOLDS
from streamer.errors import MessageError
from streamer.reasons import CODING
from streamer.registers.lists import BIT

ALLOW, LABEL, BLOCK = ACTIONS.index("allow"), ACTIONS.index("label"), ACTIONS.index("block")
OFF, SHADOW, ENFORCE = (MODES.index(mode) for mode in ("off", "shadow", "enforce"))
MODEL_ROW: Final = len(DETECTORS)
"""The row of the model in tables that have one row a detector."""
ASKED: Final = 32
"""In what `governed` gives, the bit of a row that asked for a block lies so many bits above the one that says it could."""
CAUSES: Final = 12

_BEHAVIOUR: Final = frozenset({"model", *(detector.id for detector in DETECTORS if detector.kind == "behaviour")})
_ANALYTICS: Final = 603
"""Network blocked (ATIS-1000099)."""
_REJECTED: Final = 608
"""Rejected by a machine (RFC 8688)."""
_CALL_REJECTED: Final = 21
"""Q.850's cause."""
_LIST_BLOCK: Final = np.uint64(CODING.word_of(["list.block"]))
_MODEL_AT: Final = CODING.fields["model"].at
_BLOCK_BIT: Final = BIT["block"]
_ALLOW_BIT: Final = BIT["allow"]
_EMERGENCY_BIT: Final = BIT["emergency"]


class Rules(NamedTuple):
    """A policy as arrays; D detectors and one row more for the model.

    mode uint8[D + 1], action uint8[D + 1, CAUSES], thresholds float64[D, MAX_THRESHOLDS], reason_at int64[D] (where the
    field of a detector begins in a word of reasons), behaviour and deferred bool[D + 1], cache_s int64[D + 1], demoted_until int64[scopes, D + 1] ms,
    numbers float64[4]: the model's threshold, evidence sample, control share, kill switch; counting float64: the limits of
    `streamer.windows.tallies.LIMITS`.
    """

    mode: Any
    action: Any
    thresholds: Any
    reason_at: Any
    behaviour: Any
    deferred: Any
    cache_s: Any
    demoted_until: Any
    numbers: Any
    counting: Any


def check(policy: Policy) -> None:
    """Raises `MessageError` for a detector, cause, threshold, limit or rule of cases that there is not, or cannot be so."""
    counting.check(policy.counting)
    grounds.check(policy.cases)
    known = {detector.id: detector for detector in DETECTORS}
    for name, rule in policy.detectors.items():
        detector = known.get(name)
        if detector is None:
            raise MessageError(
                "unknown_value",
                f"policy {policy.version}: no detector is called {name!r}; there are {', '.join(known)}",
            )
        causes = {cause.name for cause in detector.causes}
        for cause in rule.actions:
            if cause not in causes:
                raise MessageError(
                    "unknown_value",
                    f"policy {policy.version}: {name} has no cause {cause!r}; it has {', '.join(sorted(causes))}",
                )
        for threshold, value in rule.thresholds.items():
            if threshold not in detector.thresholds:
                there = ", ".join(detector.thresholds) or "none"
                raise MessageError(
                    "unknown_value", f"policy {policy.version}: {name} has no threshold {threshold!r}; it has {there}"
                )
            least, most = detector.bounds.get(threshold, BOUNDS)
            if not least <= value <= most:
                raise MessageError(
                    "out_of_range",
                    f"policy {policy.version}: {name}.{threshold} is {value:g}, not {least:g} to {most:g}",
                )


def compile_rules(policy: Policy, demoted_until: Any) -> Rules:
    """The arrays of a policy; `demoted_until` as in `Rules` (see `streamer.demotions`)."""
    check(policy)
    rows = len(DETECTORS) + 1
    rules = Rules(
        np.zeros(rows, np.uint8),
        np.zeros((rows, CAUSES), np.uint8),
        np.zeros((len(DETECTORS), MAX_THRESHOLDS)),
        np.zeros(len(DETECTORS), np.int64),
        np.ones(rows, np.bool_),
        np.zeros(rows, np.bool_),
        np.zeros(rows, np.int64),
        demoted_until,
        np.array([policy.model.threshold, policy.evidence_sample, policy.control_share, float(policy.kill_switch)]),
        counting.of_scorers(policy.counting),
    )
    for row, detector in enumerate(DETECTORS):
        given = policy.detectors.get(detector.id)
        rules.mode[row] = MODES.index(given.mode if given else "enforce")
        for place, cause in enumerate(detector.causes):
            action = given.actions.get(cause.name, cause.action) if given else cause.action
            rules.action[row, place + 1] = ACTIONS.index(action)
        for place, (name, value) in enumerate(detector.thresholds.items()):
            rules.thresholds[row, place] = given.thresholds.get(name, value) if given else value
        rules.reason_at[row] = CODING.fields[detector.id].at
        rules.behaviour[row] = detector.kind == "behaviour"
        rules.deferred[row] = detector.deferred
        # What hangs on the called number is no reason to answer other calls so, whatever a policy says.
        cache_s = given.cache_s if given else detector.cache_s
        rules.cache_s[row] = cache_s if detector.kind == "behaviour" and detector.cache_s else 0
    rules.mode[MODEL_ROW] = MODES.index(policy.model.mode)
    rules.action[MODEL_ROW, 1] = ACTIONS.index(policy.model.action)
    rules.cache_s[MODEL_ROW] = policy.model.cache_s
    return rules


@loop
def mode_of(rules: Rules, operator_mode: int, row: int, operator: int, scope: int, at_ms: int) -> int:
    """The mode that a detector (or the model) runs in for one call."""
    mode = min(np.int64(rules.mode[row]), operator_mode)
    if mode == ENFORCE and (rules.demoted_until[scope, row] > at_ms or rules.demoted_until[operator, row] > at_ms):
        return SHADOW
    return mode


@loop
def decide(
    rules: Rules,
    operator_mode: int,
    operator: int,
    scope: int,
    at_ms: int,
    caller_lists: int,
    callee_lists: int,
    emergency: bool,
    score: float,
    found: Any,
    draw: float,
    modes: Any,
) -> tuple[int, int, Any, int, bool]:
    """(action, shadow action, word of reasons, cache seconds, control) of one call.

    `found` float64[D, 4] as the detectors left it, `score` NaN without a model, `draw` in [0, 1) from the call's hash, 1 where it may not be let through;
    `modes` uint8[D + 1] is filled with the mode each ran in (off where an allow list exempts).
    """
    detectors = rules.thresholds.shape[0]
    for row in range(detectors + 1):
        modes[row] = OFF
    reasons = np.uint64(0)
    if emergency or callee_lists & _EMERGENCY_BIT or operator_mode == OFF:
        return ALLOW, ALLOW, reasons, 0, False
    action = ALLOW
    shadow = ALLOW
    cache = -1
    sure = False
    if caller_lists & _BLOCK_BIT or callee_lists & _BLOCK_BIT:
        shadow = BLOCK
        if operator_mode == ENFORCE:
            action = BLOCK
            reasons |= _LIST_BLOCK
            sure = True
            cache = 0
    exempt = (caller_lists & _ALLOW_BIT) != 0 or (callee_lists & _ALLOW_BIT) != 0
    for row in range(detectors + 1):
        behaviour = rules.behaviour[row]
        if exempt and behaviour:
            continue
        mode = mode_of(rules, operator_mode, row, operator, scope, at_ms)
        modes[row] = mode
        if rules.deferred[row]:
            if found[row, 0] != 0.0:
                cache = 0  # who calls is in doubt: what this call did must not be answered to the line itself
            continue
        if mode == OFF:
            continue
        if row < detectors:
            cause = np.int64(found[row, 0])
            place = np.int64(rules.reason_at[row])
        else:
            cause = 1 if score > rules.numbers[0] else 0
            place = np.int64(_MODEL_AT)
        if cause == 0:
            continue
        asked = np.int64(rules.action[row, cause])
        shadow = max(shadow, asked)
        if mode == ENFORCE:
            reasons |= np.uint64(cause) << np.uint64(place)
            action = max(action, asked)
            if not behaviour:
                cache = 0  # whatever it leads to: an origin finding is about this call alone
                sure = sure or asked == BLOCK
            elif asked == BLOCK:
                cache = rules.cache_s[row] if cache < 0 else min(cache, rules.cache_s[row])
    control = action == BLOCK and not sure and draw < rules.numbers[2]
    if control:
        action = LABEL
    if rules.numbers[3] != 0.0:
        action = ALLOW
        control = False
    if action != BLOCK:
        cache = 0
    return action, shadow, reasons, max(cache, 0), control


@loop
def governed(rules: Rules, score: float, found: Any, modes: Any) -> int:
    """What the governor counts of a call: bit r for each row that ran in `enforce`, bit ASKED + r if it asked for a block.

    Arguments as `decide` got and left them. A block let through as control was asked for all the same.
    """
    detectors = rules.thresholds.shape[0]
    bits = 0
    for row in range(detectors + 1):
        if modes[row] != ENFORCE or rules.deferred[row]:
            continue
        bits |= 1 << row
        over = np.int64(1 if score > rules.numbers[0] else 0)
        cause = np.int64(found[row, 0]) if row < detectors else over
        if cause != 0 and rules.action[row, cause] == BLOCK:
            bits |= 1 << (ASKED + row)
    return bits


def refusal(policy: Policy, reasons: list[str]) -> dict[str, Any]:
    """The codes that a block for these reasons carries: members of a decision."""
    code = policy.block_sip_code
    if code == _ANALYTICS and not all(reason.split(".")[0] in _BEHAVIOUR for reason in reasons):
        code = _REJECTED  # 603 is for analytics alone
    return {"sip_code": code, "sip_reason": policy.block_sip_reason, "q850": _CALL_REJECTED}


assert MODEL_ROW < ASKED - 1, "what is governed of a call fits into 63 bits"
