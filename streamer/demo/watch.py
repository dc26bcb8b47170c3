"""What the demonstration counts, from the decisions and evidence that it reads back."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

_COMPARED: Final = 20
"""Calls that a mean score is taken over: enough to be steady, few enough that the first ones were scored by early models."""


@dataclass
class Watch:
    """Counts of one run; times in seconds since the epoch. A latency runs from publishing a set-up to reading its verdict."""

    began: float = 0.0
    published: int = 0
    decided: int = 0
    first_verdict_s: float | None = None
    actions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    blocked: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    latency_ms: deque[float] = field(default_factory=lambda: deque(maxlen=20_000))
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=5_000))
    scores: list[tuple[float, bool, float]] = field(default_factory=list)
    reports: int = 0
    model: str | None = None
    wrong: int = 0

    def decision(self, decision: dict[str, Any], sent: float, now: float, label: str | None, campaign: str) -> None:
        """Count one verdict. `label` is the truth about the call, `campaign` the one whose scores are followed."""
        self.decided += 1
        if self.first_verdict_s is None:
            self.first_verdict_s = now - self.began
        self.actions[decision["action"]] += 1
        self.latency_ms.append((now - sent) * 1000)
        self.recent.append(now)
        self.reasons.update(decision["reasons"])
        self.model = decision["model"] or self.model
        if decision["action"] == "block" and label is None:
            self.wrong += 1
        if decision["score"] is not None and label in {None, campaign}:
            self.scores.append((now, label == campaign, decision["score"]))

    def evidence(self, evidence: dict[str, Any]) -> None:
        """Note why a call was blocked."""
        decision = evidence["decision"]
        if decision["action"] != "block":
            return
        why = [
            f"{found['detector']}.{found['cause']} {found['observed']:.3g} (threshold {found['threshold']:.3g}"
            + (f", {found['window_s']} s)" if found["window_s"] else ")")
            for found in evidence["findings"]
            if found["mode"] == "enforce"
        ]
        self.blocked.append(
            f"{decision['caller'] or '(empty)'} → {decision['callee']}: {'; '.join(why or decision['reasons'])}"
        )

    def rate(self, now: float) -> float:
        """Verdicts a second over the last three seconds."""
        return sum(1 for at in self.recent if at > now - 3) / 3

    def percentile(self, share: float) -> float:
        """Of the latencies remembered, ms; 0 before the first."""
        ordered = sorted(self.latency_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def score_turn(self) -> tuple[float, float, float, float] | None:
        """Mean score of the campaign's and of honest calls, (first, latest) each; None before a model scored both.

        First and latest are up to `_COMPARED` calls that never overlap, so that the first stay what they were.
        """
        campaign = [score for _, fraud, score in self.scores if fraud]
        honest = [score for _, fraud, score in self.scores if not fraud]
        if len(campaign) < 10 or len(honest) < 10:
            return None
        means = []
        for found in (campaign, honest):
            part = min(_COMPARED, len(found) // 2)
            means += [sum(found[:part]) / part, sum(found[-part:]) / part]
        return means[0], means[1], means[2], means[3]
