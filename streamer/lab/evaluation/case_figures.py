"""The figures of cases on calls whose truth is known: by fraud type, and about honest subjects."""

from __future__ import annotations

from math import inf
from statistics import median
from typing import Final, Literal, NamedTuple

from streamer.calls.cases import MEASURES, Measure
from streamer.calls.events import FraudType
from streamer.grounds import RULES
from streamer.lab.evaluation.bars import BARS
from streamer.lab.evaluation.cases import Cases, Undertaking, WrongCase
from streamer.lab.evaluation.spread import spread

MOST_CALLS: Final[dict[FraudType, int]] = {"sim_box": 60}
"""The bar of cases: the median of the calls of an undertaking until it has one, at most."""
PROPOSED: Final[dict[FraudType, Measure]] = {
    fraud: max((rule.measure for rule in RULES if rule.fraud == fraud), key=MEASURES.index)
    for fraud in dict.fromkeys(rule.fraud for rule in RULES)
}
"""The strongest measure that cases of a fraud type propose, where there are any."""

Standing = Literal["met", "missed", "no bar", "none counts"]


class CaseFigure(NamedTuple):
    """How one fraud type, or one adversary of it, comes to cases.

    `campaigns` are those that made more calls than the bar of verdicts lets pass, or had a case; of a SIM box each SIM is one.
    `with_case` had one that proposes more than to watch, `watched` any; `first_calls` and `first_s` are the median and the ninth
    decile, over the campaigns, of calls and seconds until the former; infinite where there was none. `seen_as` counts the
    frauds that cases took the campaigns for.
    """

    fraud: FraudType
    adversary: str
    standing: Standing
    campaigns: int
    with_case: int
    watched: int
    first_calls: tuple[float, float] | None
    first_s: tuple[float, float] | None
    seen_as: dict[FraudType, int]


class CaseFigures(NamedTuple):
    """All of it: `opened` counts cases by fraud and measure, `wrong` those about honest subjects; both from the warm-up on."""

    frauds: list[CaseFigure]
    opened: dict[tuple[FraudType, Measure], int]
    wrong: dict[WrongCase, int]


def case_figures(cases: Cases) -> CaseFigures:
    """What the counts come to."""
    cases.settle(None)
    found = []
    for fraud in BARS:
        names = sorted(
            (name for kind, name in cases.undertakings if kind == fraud), key=lambda name: (name != fraud, name)
        )
        for name in names:
            one = _figure(fraud, name, [*cases.undertakings[fraud, name].values()])
            if fraud in PROPOSED or one.watched:
                found.append(one)
    return CaseFigures(found, dict(sorted(cases.opened.items())), dict(sorted(cases.wrong.items())))


def _figure(fraud: FraudType, name: str, every: list[Undertaking]) -> CaseFigure:
    counting = [one for one in every if one.calls > BARS[fraud].after or one.watched]
    calls = sorted(inf if one.first_calls is None else float(one.first_calls) for one in counting)
    seconds = sorted(inf if one.first_s is None else one.first_s for one in counting)
    most = MOST_CALLS.get(fraud) if name == fraud else None
    standing: Standing = "no bar"
    if not counting:
        standing = "none counts"
    elif most is not None:
        standing = "met" if median(calls) <= most else "missed"
    seen_as: dict[FraudType, int] = {}
    for one in counting:
        for kind, count in one.seen_as.items():
            seen_as[kind] = seen_as.get(kind, 0) + count
    return CaseFigure(
        fraud, name, standing, len(counting), sum(one.first_calls is not None for one in counting),
        sum(one.watched for one in counting), spread(calls), spread(seconds), seen_as,
    )  # fmt: skip
