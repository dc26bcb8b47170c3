"""One evaluation as a whole: calls made up or read, judged by one policy or two, and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final, NamedTuple

from streamer.calls.decisions import Policy
from streamer.calls.numbers import home_plan
from streamer.errors import MessageError, ReplayError, SettingsError
from streamer.lab import control as controls
from streamer.lab.evaluation import passes
from streamer.lab.evaluation.adversaries import NAMES, SHARE
from streamer.lab.evaluation.asked import Asked
from streamer.lab.evaluation.basis import Basis
from streamer.lab.evaluation.cases import Cases
from streamer.lab.evaluation.changes import Changes
from streamer.lab.evaluation.contributions import Contributions
from streamer.lab.evaluation.curves import Curves
from streamer.lab.evaluation.figures import Figures, figures
from streamer.lab.evaluation.tally import Tally
from streamer.lab.evaluation.verdicts import Judge, Verdict
from streamer.lab.mapping import Mapping as ColumnMapping
from streamer.lab.network import KAZAKHSTAN
from streamer.lab.publishers import PUBLISHERS
from streamer.lab.rejects import Rejects
from streamer.lab.source import Source
from streamer.lab.traffic import DEFAULT_HOUR, DEFAULT_START_MS, FRAUDS, Traffic
from streamer.lab.truth import Truth
from streamer.settings import Settings

SEEDS: Final = (9_301, 9_302)
"""Traffic that no test was written on and no threshold set."""
HOURS: Final = (8, 22)
"""When traffic begins, local time: in office hours, and when offices are empty."""
OFFICE_HOURS: Final = range(8, 20)
SLOW: Final = ("sim_box", "pbx_hacking")
"""Frauds whose published pace shows within a day alone: at the day's low rate others would be slower than theirs."""
SLOWER: Final = 25.0
"""How much slower than the others the calls of a whole day are."""
DAY_S: Final = 86_400.0
WARM_UP: Final = 0.5
"""Part of simulated time that only fills windows, when nothing else is said;"""
WARM_UP_MOST_S: Final = 950.0
"""at most so long: what is usual of a called number is known after a quarter of an hour."""


class Rules(NamedTuple):
    """The policy in force (None: the one of the control records, else the defaults) and one to be tried beside it."""

    present: Policy | None = None
    candidate: Policy | None = None


class Run(NamedTuple):
    """Traffic of one seed, from an hour of the day (local time) on."""

    seed: int
    hour: int
    rate: float
    seconds: float
    warm_up_s: float
    rhythm: bool
    frauds: Mapping[str, float] | None


class Simulation(NamedTuple):
    """Traffic to be made up, once for each seed; see `Traffic`. `warm_up_s` of it is judged and not counted.

    It begins at `hours` of the day in turn. With `day` another one follows: a whole day at a fraction of the rate, with its rhythm.
    """

    seeds: Sequence[int]
    rate: float
    seconds: float
    frauds: Mapping[str, float] | None = None
    subscribers: int | None = None
    warm_up_s: float | None = None
    rhythm: bool = False
    hours: Sequence[int] = HOURS
    day: bool = False
    publishers: str = "good"

    def runs(self) -> list[Run]:
        """What is made up, one after the other."""
        warm_up_s = min(WARM_UP_MOST_S, WARM_UP * self.seconds) if self.warm_up_s is None else self.warm_up_s
        found = [
            Run(seed, hour, self.rate, self.seconds, warm_up_s, self.rhythm, self._frauds(hour))
            for seed, hour in zip(self.seeds, cycle(self.hours), strict=False)
        ]
        if self.day:
            every = FRAUDS if self.frauds is None else self.frauds
            slow = {fraud: share for fraud, share in every.items() if fraud in SLOW}
            found.append(
                Run(self.seeds[-1] + 1, 0, self.rate / SLOWER, DAY_S, WARM_UP_MOST_S, rhythm=True, frauds=slow)
            )
        return found

    def _frauds(self, hour: int) -> Mapping[str, float] | None:
        """By default what happens at that hour: exchanges are broken into when offices are empty."""
        by_day = self.frauds is None and hour in OFFICE_HOURS
        return {fraud: share for fraud, share in FRAUDS.items() if fraud != "pbx_hacking"} if by_day else self.frauds


def adapting(order: Simulation) -> Simulation:
    """Traffic with every adversary, and nothing else that is fraud, for the first of the seeds."""
    return order._replace(seeds=order.seeds[:1], frauds=dict.fromkeys(NAMES, SHARE), day=False)


class Records(NamedTuple):
    """Files of calls, and what `streamer replay` is told of them; see `Source`."""

    files: list[Path]
    mapping: ColumnMapping | None
    control: Path | None
    rejects: Path
    hold: int
    home: str


class Count:
    """Everything that is counted in one evaluation."""

    def __init__(self, home: str, *, labelled: bool, compared: bool) -> None:
        self.tally = Tally()
        self.cases = Cases(home_plan(home))
        self.contributions = Contributions()
        self.curves: Curves | None = None
        self.asked = None if labelled else Asked()
        self.changes = Changes() if compared else None
        self.policies: list[Policy] = []
        self.basis: Basis | None = None
        """Of records: what was read."""
        self.events = 0
        self.forgotten = 0
        self.unnamed = 0
        """Calls of which the truth says nothing."""

    def judges(self, settings: Settings, home: str, rules: Rules, given: Sequence[Any], *, live: bool) -> list[Judge]:
        """Engines that have taken in the control records `given`, by the rules; the curves begin with those in force."""
        found = [Judge(settings, home, live=live, controls=given, policy=rules.present)]
        if rules.candidate is not None:
            found.append(Judge(settings, home, live=live, controls=given, policy=rules.candidate))
        self.policies = [judge.policy for judge in found]
        if self.curves is None and self.asked is None:
            self.curves = Curves(found[0].policy)
        return found

    def begin(self, run: str, warm_ms: int) -> None:
        """Traffic of its own begins, and counts from `warm_ms` on."""
        self.tally.begin(run, warm_ms)
        self.cases.begin(run, warm_ms)

    def file(self, judge: Judge) -> None:
        """Take in the cases that were published beside an engine."""
        for filed in judge.filed():
            self.cases.file(filed)

    def add(self, truth: Truth | None, verdicts: Sequence[Verdict]) -> None:
        """One set-up."""
        present = verdicts[0]
        if self.changes is not None:
            self.changes.add(present, verdicts[1], truth)
        if self.asked is not None:
            self.asked.add(present)
            return
        if truth is None:
            self.unnamed += 1
            return
        self.cases.add(truth, present)
        counted = self.tally.add(truth, present)
        if not counted.warm:
            return
        self.contributions.add(truth, present)
        if self.curves is not None:
            self.curves.add(truth, present, counts=counted.counts)

    def figures(self) -> Figures:
        """What it comes to, where the truth is known."""
        curves = self.curves.curves() if self.curves is not None else []
        return figures(self.tally, self.contributions, curves, self.cases)


def simulate(
    order: Simulation, rules: Rules, settings: Settings, tell: Callable[[float], object] = lambda _: None
) -> Count:
    """Make up the traffic and judge it; `tell` is called with the part of it that is done. Raises `SettingsError`."""
    count = Count(KAZAKHSTAN.country, labelled=True, compared=rules.candidate is not None)
    runs = order.runs()
    for number, run in enumerate(runs):
        try:
            traffic = Traffic(
                run.seed,
                run.rate,
                seconds=run.seconds,
                start_ms=DEFAULT_START_MS + (run.hour - DEFAULT_HOUR) % 24 * 3_600_000,
                frauds=run.frauds,
                subscribers=order.subscribers,
                rhythm=run.rhythm,
                publishers=PUBLISHERS[order.publishers],
            )
        except ValueError as error:
            raise SettingsError(f"--frauds, --rate or --subscribers: {error}") from None
        given = list(controls.of_traffic(traffic))
        judges = count.judges(settings, traffic.population.network.country, rules, given, live=True)
        side = passes.Side(judges, settings.partitions, settings.batch_records)
        begun_ms = traffic.start_ms
        count.begin(f"{run.seed}", begun_ms + int(1000 * run.warm_up_s))

        def done(at_ms: int, begun_ms: int = begun_ms, number: int = number, run: Run = run) -> None:
            part = min(1.0, (at_ms - begun_ms) / 1000 / run.seconds)
            tell((number + part) / len(runs))

        for truth, verdicts in passes.simulated(traffic, side, traffic.population.network.country, done):
            count.file(judges[0])
            count.add(truth, verdicts)
        count.file(judges[0])
        count.events += side.events
        count.forgotten += sum(judge.forgotten for judge in judges)
    return count


def judge_records(
    order: Records,
    truths: Mapping[str, Truth] | None,
    rules: Rules,
    settings: Settings,
    tell: Callable[[float], object] = lambda _: None,
) -> tuple[Count, Rejects]:
    """Read the calls and judge them, against the truths if there are any; `tell` is called with the part that is read.

    Raises `ReplayError` for what cannot be read, and where no call is one that the truths name.
    """
    count = Count(order.home, labelled=truths is not None, compared=rules.candidate is not None)
    count.basis = basis = Basis()
    given = list(controls.read(order.control)) if order.control is not None else []
    try:
        judges = count.judges(settings, order.home, rules, given, live=False)
    except MessageError as error:
        raise ReplayError(f"{order.control}: {error}") from None
    side = passes.Side(judges, settings.partitions, settings.batch_records)
    with Rejects(order.rejects) as bad:
        source = Source(order.files, order.mapping, home_plan(order.home), bad, hold=order.hold)
        for verdicts in passes.recorded(basis.heard(source), side, lambda _: tell(source.taken / max(1, source.size))):
            truth = truths.get(verdicts[0].said.call_id) if truths is not None else None
            count.file(judges[0])
            count.add(truth, verdicts)
    basis.end(source, bad)
    count.file(judges[0])
    count.events = side.events
    count.forgotten = sum(judge.forgotten for judge in judges)
    if truths is not None and basis.setups and not count.tally.setups:
        raise ReplayError(f"none of the {count.unnamed:,} calls is one of the {len(truths):,} that the truth names")
    return count, bad
