"""What would have been blocked on calls of which nobody knows the truth: which lines, why, over which trunks, at what hours."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from streamer.calls.decisions import Finding
from streamer.lab.evaluation.verdicts import Verdict

_MS_AN_HOUR: Final = 3_600_000


def words(verdict: Verdict) -> str:
    """What asked for a block, with what it saw.

    Said as `robocall.short_calls 0.83 over 0.6 in 3600 s`, one after another.
    """
    saw = {f"{one.detector}.{one.cause}": one for one in verdict.told.findings}
    return "; ".join(_seen(reason, saw.get(reason)) for reason in verdict.asking(shadow=True))


def _seen(reason: str, finding: Finding | None) -> str:
    if finding is None:
        return reason
    window = f" in {finding.window_s} s" if finding.window_s else ""
    return f"{reason} {finding.observed:.4g} of {finding.threshold:.4g}{window}"


@dataclass
class AskedLine:
    """A line of which calls would have been blocked; times of the first and last of them, and what was seen at the first."""

    first_ms: int
    why: str
    calls: int = 0
    last_ms: int = 0
    callees: set[str] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)


class Asked:
    """Counts what the rules ask for, those in shadow included, since nothing is switched on yet."""

    def __init__(self) -> None:
        self.setups = 0
        self.lines: set[tuple[str, str]] = set()
        self.asked = 0
        """Calls that would have been blocked."""
        self.milder: Counter[str] = Counter()
        """Calls of which something milder was asked for, by action."""
        self.milder_by: Counter[str] = Counter()
        """By reason."""
        self.by_reason: Counter[str] = Counter()
        self.by_trunk: Counter[str] = Counter()
        self.of_trunk: Counter[str] = Counter()
        """All calls of each trunk."""
        self.by_hour: Counter[int] = Counter()
        self.of_hour: Counter[int] = Counter()
        """All calls of each hour of the day, UTC."""
        self.by_line: dict[tuple[str, str], AskedLine] = {}

    def add(self, verdict: Verdict) -> None:
        """Count one set-up."""
        said = verdict.said
        hour = said.at // _MS_AN_HOUR % 24
        self.setups += 1
        self.lines.add(verdict.line)
        self.of_trunk[verdict.trunk] += 1
        self.of_hour[hour] += 1
        if verdict.shadow != "block":
            if verdict.shadow != "allow":
                self.milder[verdict.shadow] += 1
                self.milder_by.update(
                    f"{it.detector}.{it.cause}" for it in verdict.told.findings if it.action != "block"
                )
            return
        reasons = verdict.asking(shadow=True)
        self.asked += 1
        self.by_reason.update(reasons)
        self.by_trunk[verdict.trunk] += 1
        self.by_hour[hour] += 1
        line = self.by_line.get(verdict.line)
        if line is None:
            line = self.by_line[verdict.line] = AskedLine(said.at, words(verdict))
        line.calls += 1
        line.last_ms = said.at
        line.callees.add(said.callee)
        line.reasons.update(reasons)
