"""What the police and the operators act on: cases, for `cases.v1`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from streamer.calls.decisions import Whole
from streamer.calls.events import CallId, FraudType, Millis, Operator

SubjectKind = Literal["sim", "imei", "cell", "holder", "trunk", "block", "callee", "campaign"]
CaseStatus = Literal["open", "closed"]
Measure = Literal["watch", "alert_bank", "notify_partner", "bar_sim"]

MEASURES: Final[tuple[Measure, ...]] = ("watch", "alert_bank", "notify_partner", "bar_sim")
"""Measures by rising strength."""

Called = Annotated[str, Meta(max_length=16, pattern="^[+]?[0-9]{1,15}$")]
"""A called number: `+` and digits, or the digits of a short one."""
SharingLine = Annotated[str, Meta(max_length=16, pattern="^[+][0-9]{1,15}$")]
"""An own line that shares something with others, by its caller key."""
Figure = Annotated[float, Meta(ge=-1e300, le=1e300)]


class Ground(Struct, frozen=True, kw_only=True):
    """A figure that made a case, and the bound that it reached: at least `least`, at most `most`."""

    what: str
    observed: Figure
    least: Figure | None = None
    most: Figure | None = None


class Case(Struct, frozen=True, kw_only=True):
    """A SIM, IMEI, cell, holder, trunk, number block, called line or campaign, and the measure that is proposed.

    `subject` is `<kind of subject>/<its name>`, `evidence` ids of some of its calls, `calls` and `victims` the most that was
    counted at a time, `called` the banks' numbers that a SIM called, `lines` some of those that share the IMEI, cell or holder, `grounds` what was demanded of it by the version `policy` of the
    policy. All times are event times but
    `changed_at`, when a person last changed the status (`by`, `why`). The record with the highest (`changed_at`, `revision`)
    says what the status is: a later one in the log with a lower pair was written by somebody who did not know of that change.
    """

    case: Annotated[str, Meta(min_length=1, max_length=512)]
    opened_at: Millis
    kind: FraudType
    subject: Annotated[str, Meta(max_length=300, pattern="^(sim|imei|cell|holder|trunk|block|callee|campaign)/")]
    operators: list[Operator] = []
    measure: Measure
    status: CaseStatus
    calls: Whole = 0
    victims: Whole = 0
    called: list[Called] = []
    lines: list[SharingLine] = []
    evidence: list[CallId] = []
    first_at: Millis | None = None
    last_at: Millis | None = None
    grounds: list[Ground] = []
    policy: Annotated[str, Meta(max_length=128)] = ""
    revision: Whole = 0
    changed_at: Millis | None = None
    by: Annotated[str, Meta(max_length=255)] = ""
    why: Annotated[str, Meta(max_length=1024)] = ""

    @property
    def heard_at(self) -> int:
        """When its subject was last seen at it, event time in ms."""
        return self.opened_at if self.last_at is None else self.last_at
