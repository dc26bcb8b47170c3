"""Verdicts counted against the truth: recall by fraud type and campaign, wrong blocks by call, line and kind of line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streamer.calls.events import FraudType
from streamer.lab.adversaries import NAMED
from streamer.lab.evaluation.bars import BARS, Bar
from streamer.lab.evaluation.verdicts import Verdict
from streamer.lab.truth import Truth

UNKNOWN: Final = "unknown"
"""The kind of an honest line that the truth says nothing more of."""


@dataclass
class Campaign:
    """How one undertaking fared: its calls, those that count and those of them that were met by the counted action; `first_calls`
    and `first_s` are how many calls it made and how long it took until the first one was, None while none was.
    """

    begun_ms: int
    calls: int = 0
    counted: int = 0
    met: int = 0
    first_calls: int | None = None
    first_s: float | None = None


@dataclass
class Caught:
    """Of one fraud type, or of one adversary of it: all its calls, those that count for its bar, and its campaigns."""

    calls: int = 0
    blocked: int = 0
    counted: int = 0
    met: int = 0
    campaigns: dict[tuple[str, ...], Campaign] = field(default_factory=dict)
    lines: set[tuple[str, ...]] = field(default_factory=set)
    lines_met: set[tuple[str, ...]] = field(default_factory=set)

    @property
    def recall(self) -> float | None:
        """Part of the counted calls that were met by the counted action."""
        return self.met / self.counted if self.counted else None


@dataclass
class Spared:
    """Of one kind of honest line: calls and lines, those of them that were blocked, what asked for that, and for labels."""

    calls: int = 0
    wrong: int = 0
    lines: set[tuple[str, ...]] = field(default_factory=set)
    wrong_lines: set[tuple[str, ...]] = field(default_factory=set)
    labelled: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)


class Counted(NamedTuple):
    """What a verdict was counted as: whether it counts for its fraud type's bar."""

    counts: bool
    warm: bool


def adversary_of(truth: Truth) -> str:
    """The name of what a fraudulent call's campaign does: that of its simulation, up to the number behind its last dot, else its
    fraud type.

    >>> adversary_of(Truth("a", "robocall", "robocall+slower@1.5.17")), adversary_of(Truth("b", "robocall", "case.9.17"))
    ('robocall+slower@1.5', 'robocall')
    """
    name = (truth.campaign or "").rpartition(".")[0]
    simulated = name.partition("+")[0].partition("@")[0] in NAMED
    return name if simulated else truth.fraud or ""


class Tally:
    """Counts as verdicts come in the order of the set-ups."""

    def __init__(self) -> None:
        self._run = ""
        self._warm_ms = 0
        self.caught: dict[tuple[FraudType, str], Caught] = {}
        """By fraud type and adversary."""
        self.spared: dict[str, Spared] = {}
        """By kind of honest line."""
        self.warming = 0
        """Set-ups that came too early to be counted."""
        self._of_trunk: Counter[tuple[str, ...]] = Counter()
        self._victims: dict[tuple[str, ...], list[str]] = {}

    def begin(self, run: str, warm_ms: int) -> None:
        """Traffic of its own, whose lines and campaigns are none of another's; what is set up before `warm_ms` only makes
        campaigns go on.
        """
        self._run, self._warm_ms = run, warm_ms

    @property
    def setups(self) -> int:
        """Set-ups that were counted, or came too early to be."""
        return self.warming + sum(one.calls for found in (self.caught, self.spared) for one in found.values())

    def add(self, truth: Truth, verdict: Verdict) -> Counted:
        """Count one set-up."""
        warm = verdict.said.at >= self._warm_ms
        self.warming += not warm
        if truth.fraud is None:
            if warm:
                self._spare(truth, verdict)
            return Counted(False, warm)
        return Counted(self._catch(truth, truth.fraud, verdict, warm), warm)

    def _spare(self, truth: Truth, verdict: Verdict) -> None:
        spared = self.spared.setdefault(truth.kind or UNKNOWN, Spared())
        line = (self._run, *verdict.line)
        spared.calls += 1
        spared.lines.add(line)
        if verdict.action == "block":
            spared.wrong += 1
            spared.wrong_lines.add(line)
            spared.reasons.update(verdict.asking())
        elif verdict.action != "allow":
            spared.labelled += 1
            spared.labels.update(verdict.said.reasons)

    def _catch(self, truth: Truth, fraud: FraudType, verdict: Verdict, warm: bool) -> bool:
        bar, said, features = BARS[fraud], verdict.said, verdict.features()
        caught = self.caught.setdefault((fraud, adversary_of(truth)), Caught())
        line = (self._run, *verdict.line)
        name = line if bar.calls is not None or truth.campaign is None else (self._run, truth.campaign)
        campaign = caught.campaigns.setdefault(name, Campaign(said.at))
        campaign.calls += 1
        met = bar.met(verdict.action if bar.revised or verdict.came != "revised" else said.action, features)
        if met and campaign.first_calls is None:
            campaign.first_calls, campaign.first_s = campaign.calls, max(0, said.at - campaign.begun_ms) / 1000
        counts = self._before(bar, verdict, campaign) >= bar.after and bar.counts(features) and warm
        if warm:
            caught.calls += 1
            caught.blocked += verdict.action == "block"
            caught.lines.add(line)
            if met:
                caught.lines_met.add(line)
        if counts:
            for one in (caught, campaign):
                one.counted += 1
                one.met += met
        return counts

    def _before(self, bar: Bar, verdict: Verdict, campaign: Campaign) -> int:
        """How many calls, or victims, came before this one, as the bar counts them."""
        if bar.of == "campaign":
            return campaign.calls - 1
        where = self._run, bar.fraud, verdict.trunk
        if bar.of == "trunk":
            self._of_trunk[where] += 1
            return self._of_trunk[where] - 1
        first = self._victims.setdefault(where, [])
        if len(first) < bar.after and verdict.said.callee not in first:
            first.append(verdict.said.callee)
        return first.index(verdict.said.callee) if verdict.said.callee in first else len(first)
