"""The figures of an evaluation on calls whose truth is known: what a report says, and what machines are given."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from statistics import median
from typing import Final, Literal, NamedTuple

from streamer.calls.events import FraudType
from streamer.detectors import DETECTORS
from streamer.lab.evaluation.bars import BARS, Bar
from streamer.lab.evaluation.bounds import precision, upper_bound
from streamer.lab.evaluation.case_figures import CaseFigures, case_figures
from streamer.lab.evaluation.cases import Cases
from streamer.lab.evaluation.contributions import Contribution, Contributions
from streamer.lab.evaluation.curves import Curve
from streamer.lab.evaluation.spread import spread
from streamer.lab.evaluation.tally import Campaign, Caught, Spared, Tally

PREVALENCES: Final = (0.001, 0.002, 0.005)
"""Parts of live calls that are fraud, as published."""
WRONG_GOAL: Final = 1.0
"""Wrong blocks in 100,000 honest calls that are promised at most."""
_PER: Final = 100_000

Standing = Literal["met", "missed", "no call counts", "no call seen"]


class Rate(NamedTuple):
    """Errors in so many trials; `per` 100,000 of them, and `bound` the same with 95 % confidence."""

    errors: int
    trials: int
    per: float
    bound: float


def rate(errors: int, trials: int) -> Rate:
    """The rate of so many errors."""
    return Rate(errors, trials, _PER * errors / trials if trials else 0.0, _PER * upper_bound(errors, trials))


class FraudFigure(NamedTuple):
    """How one fraud type fares, or one `adversary` of it (whose name is the fraud's own where it keeps to published parameters).

    `recall` is of the calls that count for the bar; `first_calls` and `first_s` are the median and the ninth decile, over
    the `campaigns` that made calls enough, of calls and seconds until the first that was met; infinite where it never was.
    `over_calls` holds, by campaign, how many calls that took.
    """

    fraud: FraudType
    adversary: str
    standing: Standing
    has_detector: bool
    calls: int = 0
    blocked: int = 0
    counted: int = 0
    met: int = 0
    recall: float | None = None
    campaigns: int = 0
    campaigns_met: int = 0
    lines: int = 0
    lines_met: int = 0
    first_calls: tuple[float, float] | None = None
    first_s: tuple[float, float] | None = None
    over_calls: tuple[float, ...] = ()

    @property
    def bar(self) -> Bar:
        """What is asked for."""
        return BARS[self.fraud]


class KindFigure(NamedTuple):
    """How one kind of honest line fares, by call and by line, what blocked it most, and what labelled it."""

    kind: str
    calls: Rate
    lines: Rate
    labelled: int
    reasons: list[tuple[str, int]]
    labels: list[tuple[str, int]]


class PrecisionFigure(NamedTuple):
    """What part of the blocks would hit fraud at a prevalence: as measured, and with wrong blocks at their bound."""

    prevalence: float
    measured: float
    at_least: float


class Figures(NamedTuple):
    """All of it. `recall` is of all fraudulent calls, by blocks alone, the first ones of each campaign included."""

    setups: int
    warming: int
    frauds: list[FraudFigure]
    fraud_calls: int
    recall: float
    honest_calls: Rate
    honest_lines: Rate
    kinds: list[KindFigure]
    precisions: list[PrecisionFigure]
    contributions: dict[str, Contribution]
    curves: list[Curve]
    cases: CaseFigures


def figures(tally: Tally, contributions: Contributions, curves: list[Curve], cases: Cases) -> Figures:
    """What the counts come to."""
    caught, spared = tally.caught.values(), tally.spared.values()
    fraud_calls, blocked = sum(one.calls for one in caught), sum(one.blocked for one in caught)
    honest = rate(sum(one.wrong for one in spared), sum(one.calls for one in spared))
    recall = blocked / fraud_calls if fraud_calls else 0.0
    return Figures(
        fraud_calls + honest.trials,
        tally.warming,
        list(_frauds(tally)),
        fraud_calls,
        recall,
        honest,
        rate(*(len(set().union(*found)) for found in ((one.wrong_lines for one in spared), (one.lines for one in spared)))),
        sorted((_kind(kind, one) for kind, one in tally.spared.items()), key=lambda one: (-one.calls.per, one.kind)),
        [
            PrecisionFigure(part, *(precision(recall, per / _PER, part) for per in (honest.per, honest.bound)))
            for part in PREVALENCES
        ],
        contributions.by,
        curves,
        case_figures(cases),
    )  # fmt: skip


def _frauds(tally: Tally) -> Iterable[FraudFigure]:
    detectors = {detector.id for detector in DETECTORS}
    for fraud, bar in BARS.items():
        names = sorted((name for kind, name in tally.caught if kind == fraud), key=lambda name: (name != fraud, name))
        if fraud not in names:
            yield FraudFigure(fraud, fraud, "no call seen", fraud in detectors)
        for name in names:
            yield _fraud(bar, name, tally.caught[fraud, name], has_detector=fraud in detectors)


def _fraud(bar: Bar, name: str, caught: Caught, *, has_detector: bool) -> FraudFigure:
    counting = [campaign for campaign in caught.campaigns.values() if _tells(bar, campaign)]
    calls = sorted(inf if one.first_calls is None else float(one.first_calls) for one in counting)
    seconds = sorted(inf if one.first_s is None else one.first_s for one in counting)
    return FraudFigure(
        bar.fraud,
        name,
        _standing(bar, caught, calls),
        has_detector,
        caught.calls,
        caught.blocked,
        caught.counted,
        caught.met,
        caught.recall,
        len(counting),
        sum(_is_met(campaign) for campaign in counting),
        len(caught.lines),
        len(caught.lines_met),
        spread(calls),
        spread(seconds),
        tuple(calls),
    )


def _standing(bar: Bar, caught: Caught, calls: list[float]) -> Standing:
    if not calls:
        return "no call counts"
    if bar.calls is not None:
        return "met" if median(calls) <= bar.calls else "missed"
    return "met" if caught.met >= bar.target * caught.counted else "missed"


def _tells(bar: Bar, campaign: Campaign) -> bool:
    """Whether a campaign went on for so long that it can be said to have been caught or not."""
    return campaign.counted > 0 or (bar.calls is not None and campaign.first_calls is not None)


def _is_met(campaign: Campaign) -> bool:
    return campaign.first_calls is not None


def _kind(kind: str, spared: Spared) -> KindFigure:
    return KindFigure(
        kind,
        rate(spared.wrong, spared.calls),
        rate(len(spared.wrong_lines), len(spared.lines)),
        spared.labelled,
        spared.reasons.most_common(3),
        spared.labels.most_common(2),
    )
