"""What leaves the detector: decisions for the switches, evidence for analysts and the trainer, models, policy."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from streamer.calls.events import CallId, Millis, Operator, RepeatedCallee, RepeatedCaller

Action = Literal["allow", "label", "withhold_cli", "divert", "block"]
Mode = Literal["off", "shadow", "enforce"]

Whole = Annotated[int, Meta(ge=0, le=9_007_199_254_740_992)]
"""A count or a place: what every JSON reader takes as a whole number."""

ACTIONS: tuple[Action, ...] = ("allow", "label", "withhold_cli", "divert", "block")
"""Actions by rising severity; a compiled action code is an index into this tuple."""

MODES: tuple[Mode, ...] = ("off", "shadow", "enforce")
"""Detector modes; a compiled mode code is an index into this tuple."""


class Decision(Struct, frozen=True, kw_only=True):
    """The verdict on one set-up. The first in log order for a call stands; `revises` marks the one allowed exception, a
    `block` after an `allow` or a `label`.
    """

    call_id: CallId
    at: Millis
    decided_at: Millis
    operator: Operator
    caller: RepeatedCaller
    callee: RepeatedCallee
    action: Action
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    reasons: list[str] = []
    shadow_action: Action = "allow"
    sip_code: int | None = None
    sip_reason: str | None = None
    q850: int | None = None
    cache_until: Millis | None = None
    revises: bool = False
    late: bool = False
    policy: str = ""
    model: str | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """What one detector saw: the value it observed, the threshold it passed, the window it looked at (0: this call)."""

    detector: str
    cause: str
    observed: float
    threshold: float
    window_s: int
    mode: Mode
    action: Action


class Evidence(Struct, frozen=True, kw_only=True):
    """Enough to make a decision again: the decision, every feature, finding, list hit and version it was made with."""

    decision: Decision
    caller_key: str
    origin: Literal["own_line", "interconnect"]
    trunk: str | None
    partition: Whole
    offset: Whole
    features: dict[str, float | None]
    findings: list[Finding] = []
    lists: list[str] = []
    contributions: dict[str, float] = {}
    policy: str = ""
    model: str | None = None
    weight: Annotated[float, Meta(ge=0, le=1_000_000)] = 1.0
    control: bool = False
    propensity: Annotated[float, Meta(gt=0, le=1)] | None = None


class DetectorPolicy(Struct, frozen=True, kw_only=True):
    """How one detector is run: its mode, what each of its causes leads to, its thresholds, and for how many seconds switches may
    repeat its block.

    `cache_s` holds for behaviour detectors that are cached by default alone. Of all others it is not looked at: what they find
    is about this call, or about whom it calls, and no reason to answer other calls of the caller.
    """

    mode: Mode = "enforce"
    actions: dict[str, Action] = {}
    thresholds: dict[str, float] = {}
    cache_s: Annotated[int, Meta(ge=0, le=86_400)] = 0


Bound = Annotated[float, Meta(ge=0, le=1e12)]
"""What a count or a share of counts is held against."""


class CasePolicy(Struct, frozen=True, kw_only=True):
    """From which figures on a subject is a case by one of the rules; `opens` false: by this one never.

    `thresholds` are named as the figures of a case: `sims`, or `victims/calls` for the ratio of two. What is not named is
    held against the rule's own.
    """

    opens: bool = True
    thresholds: dict[str, Bound] = {}


class ModelPolicy(Struct, frozen=True, kw_only=True):
    """How the learned score is used: above `threshold` it asks for `action`, in `mode`."""

    mode: Mode = "shadow"
    threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.95
    action: Action = "block"
    cache_s: Annotated[int, Meta(ge=0, le=86_400)] = 0


class Band(Struct, frozen=True, kw_only=True):
    """The governor's band: the largest share of lines in good standing of which a detector may block calls in an hour.

    Judged from `min_lines` lines on, for each detector, operator and trunk; who leaves it is demoted for `demotion_s`.
    """

    max_share: Annotated[float, Meta(gt=0, le=1)] = 0.002
    min_lines: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 200
    demotion_s: Annotated[int, Meta(ge=1, le=604_800)] = 3_600


class Demotion(Struct, frozen=True, kw_only=True):
    """The governor's word: this detector runs in shadow on this operator's trunk until then.

    `trunk`: null is the operator as a whole, the empty string is its calls that name no trunk. `until` null: until lifted.
    Key: `demotion/<detector>/<operator>/<trunk>`, the last part and its slash left out where `trunk` is null, in the
    names `%` written `%25` and `/` `%2F`; a record under another key is refused. Scoring workers write it when a detector
    leaves its band; people may too. It holds for calls with `at` before `until`. A tombstone lifts it at once; workers
    write one 10 s after `until`, each that sees it, so that several may come. At most 4,096 are heeded at a time.
    """

    detector: str
    operator: Operator
    trunk: str | None = None
    at: Millis = 0
    until: Millis | None = None
    why: str = ""


class Policy(Struct, frozen=True, kw_only=True):
    """The rules in force. A detector, limit or rule of cases that is not named runs by its own defaults.

    `counting` holds limits from which on things that no partition sees whole count and are told of, `cases` the rules by
    which these are cases, named `<kind of subject>_<fraud>_<measure>`.
    """

    version: Annotated[str, Meta(min_length=1, max_length=128)]
    at: Millis = 0
    by: str = ""
    why: str = ""
    kill_switch: bool = False
    detectors: dict[str, DetectorPolicy] = {}
    model: ModelPolicy = ModelPolicy()
    governor: Band = Band()
    counting: dict[str, Bound] = {}
    cases: dict[str, CasePolicy] = {}
    demotions: list[Demotion] = []
    evidence_sample: Annotated[float, Meta(ge=0, le=1)] = 0.05
    control_share: Annotated[float, Meta(ge=0, le=0.2)] = 0.01
    block_sip_code: Literal[603, 607, 608] = 608
    block_sip_reason: str = "Rejected"


class PolicyPointer(Struct, frozen=True, kw_only=True):
    """The record under the key `current`: which version is in force."""

    version: Annotated[str, Meta(min_length=1, max_length=128)]


class ModelSnapshot(Struct, frozen=True, kw_only=True):
    """A linear model over quantile bins, complete: edges and weights a feature, checked by a digest.

    `edges[i]` are the inner bin edges of feature i, rising; a value x falls into the number of edges <= x.
    `weights[i]` has one weight a bin and one more, the last, for a missing value (NaN): len(edges[i]) + 2.
    """

    name: str
    version: Whole
    epoch: Whole
    trained_at: Millis
    cases: Whole
    features: list[str]
    edges: list[list[float]]
    weights: list[list[float]]
    bias: float
    metrics: dict[str, float] = {}
    sha256: str = ""


class ModelPointer(Struct, frozen=True, kw_only=True):
    """The record under the key `current/<name>`: which version scorers use."""

    name: str
    version: Whole
    epoch: Whole
