"""The report of an evaluation on calls whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, isinf, isnan, log10
from typing import Final

from streamer.detectors import DETECTORS
from streamer.lab.evaluation import plots, report_cases
from streamer.lab.evaluation.bars import Bar
from streamer.lab.evaluation.curves import FACTORS, Curve
from streamer.lab.evaluation.figures import WRONG_GOAL, Figures, FraudFigure, Rate
from streamer.lab.evaluation.pages import Heading, Part, Picture, Table, Text
from streamer.lab.evaluation.spread import pair

_PER: Final = 100_000
_STANDINGS: Final = {
    "met": "met",
    "missed": "*missed*",
    "no call counts": "too few calls to tell",
    "no call seen": "no campaign in these calls",
}


def parts(found: Figures) -> Iterator[Part]:
    """Everything but the title and where the calls came from."""
    yield from _opening(found)
    yield from _frauds(found)
    yield from report_cases.parts(found.cases)
    yield from _honest(found)
    yield from _precision(found)
    yield from _contributions(found)
    yield from _curves(found)


def _opening(found: Figures) -> Iterator[Part]:
    judged = [one for one in found.frauds if one.adversary == one.fraud]
    met = sum(one.standing == "met" for one in judged)
    missed = [f"`{one.fraud}`" for one in judged if one.standing == "missed"]
    unseen = [f"`{one.fraud}`" for one in judged if one.standing.startswith("no call")]
    undetected = [f"`{one.fraud}`" for one in judged if not one.has_detector]
    yield Text(
        f"{found.setups:,} set-ups were counted, {found.honest_calls.trials:,} of them honest, and {found.warming:,} that came while"
        f" windows filled were judged and not counted. Of {len(judged)} fraud types {met} are at their bar; missed:"
        f" {', '.join(missed) or 'none'}; nothing to measure on: {', '.join(unseen) or 'none'}; no detector of that name yet:"
        f" {', '.join(undetected) or 'none'}."
    )
    honest = found.honest_calls
    yield Text(
        f"Wrong blocks: {honest.errors:,} of {honest.trials:,} honest calls, {_number(honest.per)} in 100,000 and with 95 %"
        f" confidence not more than {_number(honest.bound)} (the goal is {WRONG_GOAL:g});"
        f" {found.honest_lines.errors:,} of {found.honest_lines.trials:,} honest lines had one,"
        f" {_number(found.honest_lines.per)} in 100,000, not more than {_number(found.honest_lines.bound)}."
        " The bounds are exact (Clopper and Pearson) and take calls as independent, which those of one line are not: the"
        " one by line is the one to trust."
    )


def _frauds(found: Figures) -> Iterator[Part]:
    yield Heading("By fraud type")
    yield Text(
        "A set-up counts for the bar once its campaign has made as many calls as the bar lets pass; it is caught when it has the"
        " counted action, or a more severe one, whoever asked for it. *Until the first* are the median and the ninth decile"
        " of campaigns, ∞ where more were never caught. *Blocked at last* includes revisions, which count for a bar where it says"
        " so. Rows with an arrow are adversaries that leave the published parameters, for"
        " which no bar is promised."
    )
    rows = [_fraud_row(one) for one in found.frauds]
    heads = (
        "fraud type", "bar", "recall ", "counted ", "all calls, blocked at last ", "campaigns caught ", "lines caught ",
        "calls until the first ", "seconds until the first ", "",
    )  # fmt: skip
    yield Table(heads, rows)
    seen = [one for one in found.frauds if one.recall is not None]
    if seen:
        yield Picture("recall", _recall_picture(seen), "Recall of each fraud type beside its bar")
    caught = [one for one in seen if one.campaigns_met]
    if caught:
        yield Picture("until", _until_picture(caught), "Share of campaigns caught by number of calls")


def _fraud_row(one: FraudFigure) -> tuple[str, ...]:
    main = one.adversary == one.fraud
    name = f"`{one.fraud}`" if main else f"→ `{one.adversary}`"
    standing = _STANDINGS[one.standing] if main or one.standing.startswith("no") else ""
    if not one.has_detector and main:
        standing = f"no detector yet; {standing}"
    bar = _bar_said(one.bar) if main else ""
    if not one.calls:
        return name, bar, "", "", "", "", "", "", "", standing
    return (
        name,
        bar,
        "" if one.recall is None else share(one.recall),
        f"{one.counted:,}",
        f"{one.calls:,}, {share(one.blocked / one.calls)}",
        f"{one.campaigns_met:,} of {one.campaigns:,}",
        f"{one.lines_met:,} of {one.lines:,}",
        pair(one.first_calls),
        pair(one.first_s),
        standing,
    )


def _bar_said(bar: Bar) -> str:
    if bar.calls is not None:
        return f"{bar.action}; median of at most {bar.calls} calls {bar.said}"
    after = {
        "campaign": f" after {bar.after}", "trunk": f" after the trunk's first {bar.after}", "victim": "",
    }[bar.of] if bar.after else ""  # fmt: skip
    said = f" ({bar.said})" if bar.said else ""
    return f"{bar.action} ≥ {bar.target:g}{after}{said}"


def _recall_picture(seen: list[FraudFigure]) -> str:
    rows = []
    for one in seen:
        main = one.adversary == one.fraud
        mark = one.bar.target if main and one.bar.calls is None else None
        recall = one.recall or 0.0
        said = f"{share(recall)} of {one.counted:,}" + (f", bar {mark:g}" if mark is not None else "")
        label = one.fraud if main else f"→ {one.adversary}"
        rows.append(plots.Bar(label, recall, mark, said, good=one.standing == "met" or not main))
    return plots.bars(rows, 1.0, "part of the counted calls with the counted action; the line across is the bar")


def _until_picture(caught: list[FraudFigure]) -> str:
    most = max(calls for one in caught for calls in one.over_calls if not isinf(calls))
    places = [10 ** (tenth / 10) for tenth in range(1 + ceil(10 * log10(max(most, 10.0))))]
    series = [
        plots.Series(
            one.adversary, [(n, sum(calls <= n for calls in one.over_calls) / len(one.over_calls)) for n in places]
        )
        for one in caught
    ]
    return plots.lines(series, "calls of a campaign", "part of campaigns caught by then", decades=True)


def _honest(found: Figures) -> Iterator[Part]:
    yield Heading("Honest calls, by kind of line")
    backs = any(one.kind == "call_back" for one in found.kinds)
    yield Text(
        "The worst-hit kinds come first. *Labelled* calls were let through with a mark, or with their number withheld."
        + " Those of `call_back`, to a number that rang for a moment, should be." * backs
    )
    yield Table(
        ("kind of line", "calls ", "wrongly blocked ", "in 100,000 ", "at most ", "lines ", "with a wrong block ", "in 100,000 ",
         "at most ", "labelled ", "blocked and labelled by"),
        [
            (
                one.kind, *_rate_said(one.calls), *_rate_said(one.lines), f"{one.labelled:,}",
                ", ".join(f"`{reason}` {count:,}" for reason, count in (*one.reasons, *one.labels)),
            )
            for one in found.kinds
        ],
    )  # fmt: skip
    if found.kinds:
        most = max(*(one.calls.per for one in found.kinds), 2 * found.honest_calls.bound, 2 * WRONG_GOAL)
        rows = [
            plots.Bar(
                one.kind, one.calls.per, one.calls.bound, f"{_number(one.calls.per)}, at most {_number(one.calls.bound)}",
                good=one.calls.per <= WRONG_GOAL,
            )
            for one in found.kinds
        ]  # fmt: skip
        picture = plots.bars(
            rows,
            most,
            "wrong blocks in 100,000 calls; the line across is the 95 % bound, at the edge where it is larger",
        )
        yield Picture("wrong", picture, "Wrong blocks by kind of honest line")


def _precision(found: Figures) -> Iterator[Part]:
    yield Heading("Precision where fraud is rare")
    yield Text(
        f"Simulated and labelled calls hold far more fraud than live ones. With the recall of these ({share(found.recall)} of all"
        " fraudulent calls blocked, each campaign's first ones included, in the mix of these calls) and their wrong blocks, this part"
        " of all blocks would hit fraud; the last column has wrong blocks at their bound."
    )
    yield Table(
        ("fraud among calls ", "precision ", "at least "),
        [
            (
                f"{one.prevalence:.1%}",
                *("no block" if isnan(part) else share(part) for part in (one.measured, one.at_least)),
            )
            for one in found.precisions
        ],
    )


def _contributions(found: Figures) -> Iterator[Part]:
    yield Heading("What each detector adds")
    yield Text(
        "*Alone*: nothing else asked for that block, so that without the detector the call would have passed. Detectors that lead to"
        " no block, or run in shadow, have none here."
    )
    rows = []
    for name, one in found.contributions.items():
        most = ", ".join(f"`{fraud}` {count:,}" for fraud, count in one.frauds.most_common(4))
        rows.append(
            (f"`{name}`", f"{one.alone:,}", f"{one.shared:,}", f"{one.wrong_alone:,}", f"{one.wrong_shared:,}", most)
        )
    yield Table(
        ("detector", "fraud blocked alone ", "with others ", "wrong blocks alone ", "with others ", "most of it"), rows
    )


def _curves(found: Figures) -> Iterator[Part]:
    yield Heading("Thresholds moved")
    moving = [curve for curve in found.curves if curve.moves]
    still = [curve for curve in found.curves if not curve.moves]
    yield Text(
        f"One threshold of one detector at a time, from {FACTORS[0]:g} to {FACTORS[-1]:g} times its value in force (dashed). Recall is"
        " that of the detector by itself on the counted calls of its own fraud type, and the wrong blocks are those it asks for by"
        " itself. Recorded features are judged again: exact at the value in force, elsewhere without what the other verdicts would"
        " have done to later calls."
    )
    if moving:
        yield Picture(
            "thresholds", _curve_picture(moving, found.honest_calls.trials), "Recall and wrong blocks by threshold"
        )
        yield Table(
            ("detector", "threshold", *(f"{factor:g} × " for factor in FACTORS)),
            [(f"`{it.detector}`", f"`{it.threshold}` {it.present:g}", *_points(it, found)) for it in moving],
        )
        yield Text("Cells: recall, and wrong blocks in 100,000 honest calls.")
    if still:
        names = ", ".join(f"`{curve.detector}.{curve.threshold}`" for curve in still)
        yield Text(f"Nothing here changes with {names}.")
    waits = ", ".join(f"`{detector.id}`" for detector in DETECTORS if detector.deferred)
    if waits:
        yield Text(f"{waits} waits for what comes later, which features that are judged again do not tell.")


def _points(curve: Curve, found: Figures) -> Iterator[str]:
    for point in curve.points:
        recall = "–" if point.recall is None else f"{point.recall:.3f}"
        yield f"{recall}, {_number(_PER * point.wrong / max(1, found.honest_calls.trials))}"


def _curve_picture(moving: list[Curve], honest: int) -> str:
    panels = []
    for curve in moving:
        wrong = [_PER * point.wrong / max(1, honest) for point in curve.points]
        panels.append(
            plots.Panel(
                f"{curve.detector}.{curve.threshold}",
                [f"{point.value:.3g}" for point in curve.points],
                FACTORS.index(1.0),
                [point.recall for point in curve.points],
                wrong,
                1.0,
                max(*wrong, 2 * WRONG_GOAL),
            )
        )
    return plots.panels(panels, "recall of its own fraud type", "wrong blocks in 100,000 honest calls")


def _rate_said(rate: Rate) -> tuple[str, str, str, str]:
    return f"{rate.trials:,}", f"{rate.errors:,}", _number(rate.per), _number(rate.bound)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 0.005 or not value else f"{value:.2g}"


def share(value: float) -> str:
    """A part of a whole as it is read."""
    return f"{100 * value:.2f} %"
