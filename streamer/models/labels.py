"""Which calls a report speaks of: the contract's rules for `feedback.v1`, as one value that an index can be asked by.

- A call id names its call; without one the caller, the called number if given, and the time span do.
- A label goes to calls of one origin class. A victim sees a number that may be spoofed, so interconnect calls come
  first, and a report by number alone never labels own-line calls: that would let whoever spoofs a number have its
  owner condemned.
- Of calls that were plainly allowed a sample alone leaves evidence: that no interconnect call is known does not say that there
  was none. A report without a call id labels own-line calls of the sample only where it comes from those who can know the line.
- Scope `line` says that the line itself is the fraudster's: it looks at own-line calls first, and is taken only from
  those who can know it.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from streamer.calls import numbers
from streamer.calls.decisions import Evidence
from streamer.calls.events import LATEST_MS, LONGEST_REPEATED, Feedback

Origin = Literal["own_line", "interconnect"]

TRUSTED_WITH_LINES: Final = frozenset({"police", "operator", "analyst"})
"""Sources that can know from which line a call came: whose word that a line itself is a fraudster's is taken."""

DEFAULT_SPAN_MS: Final = 24 * 3_600_000
"""How far before its own `at` a report without `from` reaches."""

HEAVIEST: Final = 1e6
"""Most calls that one case may stand for."""


class Claim(NamedTuple):
    """What calls are labelled: those that fit every field that is not None, of the first class of `origins` with any.

    `caller` and `callee` are normalised (`caller` is a caller key), the span is inclusive, in ms since 1970. `sampled` says whether
    own-line calls of the sample are labelled too; it is false only where both numbers are given and no call id.
    """

    call_id: str | None
    caller: str | None
    callee: str | None
    from_ms: int
    to_ms: int
    origins: tuple[Origin, ...]
    fraud: bool
    sampled: bool


class Refusal(NamedTuple):
    """Why a report is not taken: `untrusted_line`, `no_call_named` or `empty_span`."""

    reason: str


def claim(feedback: Feedback, plan: numbers.HomePlan) -> Claim | Refusal:
    """What a report claims, or why it is not taken."""
    if feedback.scope == "line" and feedback.source not in TRUSTED_WITH_LINES:
        return Refusal("untrusted_line")
    withheld = numbers.is_withheld(feedback.caller)
    callee = numbers.normalise(feedback.callee, plan) if feedback.callee else None
    if withheld and feedback.call_id is not None:
        caller = None
    elif withheld and (feedback.callee is None or not feedback.callee):
        return Refusal("no_call_named")
    else:
        caller = numbers.caller_key(feedback.caller, None, feedback.callee or "", plan)[:LONGEST_REPEATED]
    if feedback.call_id is not None:
        from_ms, to_ms = feedback.from_ or 0, LATEST_MS if feedback.to is None else feedback.to
    else:
        from_ms = max(0, feedback.at - DEFAULT_SPAN_MS) if feedback.from_ is None else feedback.from_
        to_ms = max(feedback.at, from_ms) if feedback.to is None else feedback.to
    if from_ms > to_ms:
        return Refusal("empty_span")
    origins: tuple[Origin, ...]
    if feedback.scope == "line":
        origins = ("own_line", "interconnect")
    elif feedback.call_id is None and callee is None:
        origins = ("interconnect",)
    else:
        origins = ("interconnect", "own_line")
    sampled = feedback.call_id is not None or callee is None or feedback.source in TRUSTED_WITH_LINES
    return Claim(feedback.call_id, caller, callee, from_ms, to_ms, origins, feedback.label == "fraud", sampled)


def ripens(evidence: Evidence) -> bool:
    """Whether silence may make this call an honest example: it was allowed, or let through as a control.

    A blocked call could not have harmed anybody, so that nobody reports it proves nothing.
    """
    return evidence.control or evidence.decision.action == "allow"


def measurable(evidence: Evidence) -> bool:
    """Whether scores may be measured by the call: both labels have to be able to come, and a labelled call is never taught of silence."""
    return ripens(evidence)


def of_sample(evidence: Evidence) -> bool:
    """Whether others like this call left no evidence: it was plainly allowed, and drawn for the sample."""
    return evidence.weight > 1 and not evidence.control


def stands_for(evidence: Evidence) -> float:
    """How many calls a case stands for: its sampling weight over the propensity of having been let through.

    At most `HEAVIEST`: a propensity of next to nothing would make one case outweigh, or overflow, all that was learned.
    """
    propensity = evidence.propensity if evidence.control and evidence.propensity else 1.0
    return min(evidence.weight / propensity, HEAVIEST)


def teachable(evidence: Evidence) -> bool:
    """Whether there is anything to learn from: throttled and broken set-ups have no features of their own."""
    if not evidence.features or not stands_for(evidence) > 0:
        return False
    return not any(reason.startswith("input.") for reason in evidence.decision.reasons)
