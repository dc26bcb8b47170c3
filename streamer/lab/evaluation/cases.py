"""Cases against the truth: after how many calls an undertaking had one, and how many are about honest subjects.

A case of lines (a SIM, an IMEI, a cell, a holder) is right if at least half of them are a fraud's. One of a trunk, a number block
or a called number is right if any of its calls are the fraud's that it names, or at least a tenth of those that it counts (the
smallest share that a rule demands of a trunk) are any fraud's; it is about each campaign that is so by itself. So is one of a range.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streamer.calls.cases import MEASURES, Measure
from streamer.calls.events import FraudType
from streamer.calls.numbers import HomePlan, normalise
from streamer.lab.evaluation.bars import BARS
from streamer.lab.evaluation.filed import Filed
from streamer.lab.evaluation.tally import UNKNOWN, adversary_of
from streamer.lab.evaluation.verdicts import Verdict
from streamer.lab.truth import Truth
from streamer.signals.hot import WINDOW_MS

_PART: Final = 0.1
_STEPS: Final = 7 / 6
"""A window of signals is up to a step longer than its name says."""
_BLOCK_DIGITS: Final = 3
_RANGE_DIGITS: Final = 4


@dataclass
class Undertaking:
    """A campaign, of SIM boxes one SIM: its calls, and how many it had made (and for how long) when a case proposed more than to
    watch; `seen_as` counts the frauds that cases took it for, `watched` whether there was any case.
    """

    fraud: FraudType
    begun_ms: int
    calls: int = 0
    first_calls: int | None = None
    first_s: float | None = None
    watched: bool = False
    seen_as: Counter[FraudType] = field(default_factory=Counter)


class WrongCase(NamedTuple):
    """What a case about honest subjects was: the kind of subject, the fraud, the measure, and the kind of line most of it is."""

    subject: str
    fraud: FraudType
    measure: Measure
    kind: str


class Cases:
    """Counts as set-ups come in their order, and cases in theirs; `plan` is the home country's."""

    def __init__(self, plan: HomePlan) -> None:
        self._plan = plan
        self._run = ""
        self.undertakings: dict[tuple[FraudType, str], dict[tuple[str, ...], Undertaking]] = {}
        """By fraud type and adversary."""
        self.opened: Counter[tuple[FraudType, Measure]] = Counter()
        """Cases, each with every measure that it came to; as `wrong`, without those that were opened while windows filled."""
        self.wrong: Counter[WrongCase] = Counter()
        self._begin(0)

    def _begin(self, warm_ms: int) -> None:
        self._warm_ms = warm_ms
        self._waiting: deque[Filed] = deque()
        self._measures: dict[str, Measure] = {}
        self._of_line: dict[str, Undertaking] = {}
        self._kind_of_line: dict[str, str] = {}
        self._recent: dict[str, deque[tuple[int, Undertaking]]] = {}
        self._honest: dict[str, Counter[str]] = {}

    def begin(self, run: str, warm_ms: int) -> None:
        """Traffic of its own; cases that are opened before `warm_ms` are not counted, but campaigns have them."""
        self.settle(None)
        self._run = run
        self._begin(warm_ms)

    def file(self, filed: Filed) -> None:
        """A case was published: it counts with the set-ups that come after it."""
        self._waiting.append(filed)

    def add(self, truth: Truth, verdict: Verdict) -> None:
        """Count one set-up."""
        said, told = verdict.said, verdict.told
        self.settle(said.at)
        own_line = told.origin == "own_line"
        places = [f"trunk/{said.operator}/{told.trunk}"] if told.trunk else []
        if not own_line and told.caller_key.startswith("+"):
            places.append(f"block/{told.caller_key[:-_BLOCK_DIGITS]}")
        if told.caller_key.startswith("+") and (own_line or told.trunk):
            over = "" if own_line else f"{said.operator}/{told.trunk}/"
            places.append(f"campaign/{over}{told.caller_key[:-_RANGE_DIGITS]}")
        if truth.fraud is None:
            kind = truth.kind or UNKNOWN
            if own_line:
                self._kind_of_line[told.caller_key] = kind
            for place in places:
                self._honest.setdefault(place, Counter())[kind] += 1
            return
        undertaking = self._undertaking(truth, truth.fraud, verdict)
        undertaking.calls += 1
        if own_line:
            self._of_line[told.caller_key] = undertaking
        for place in (*places, f"callee/{normalise(said.callee, self._plan)}"):
            self._recent.setdefault(place, deque()).append((said.at, undertaking))

    def _undertaking(self, truth: Truth, fraud: FraudType, verdict: Verdict) -> Undertaking:
        by_line = BARS[fraud].calls is not None or truth.campaign is None
        name = (self._run, *verdict.line) if by_line else (self._run, truth.campaign or "")
        held = self.undertakings.setdefault((fraud, adversary_of(truth)), {})
        return held.setdefault(name, Undertaking(fraud, verdict.said.at))

    def settle(self, now_ms: int | None) -> None:
        """Count the cases that were published by now, all of them where that is None."""
        while self._waiting and (now_ms is None or self._waiting[0].at_ms <= now_ms):
            self._count(self._waiting.popleft())

    def _count(self, filed: Filed) -> None:
        case, before = filed.case, self._measures.get(filed.case.case)
        if case.status != "open" or (before is not None and MEASURES.index(case.measure) <= MEASURES.index(before)):
            return
        self._measures[case.case] = case.measure
        counts = case.opened_at >= self._warm_ms
        if counts:
            self.opened[case.kind, case.measure] += 1
        found = self._behind(filed)
        if found is None:
            if counts:
                self.wrong[self._wrong(filed)] += 1
            return
        for one in found:
            one.watched = True
            one.seen_as[case.kind] += 1
            if one.first_calls is None and case.measure != "watch":
                one.first_calls, one.first_s = one.calls, max(0, filed.at_ms - one.begun_ms) / 1000

    def _behind(self, filed: Filed) -> list[Undertaking] | None:
        """The undertakings that a right case is about, each once; None for a wrong one."""
        if filed.lines:
            of_lines = [self._of_line[line] for line in filed.lines if line in self._of_line]
            return _once(of_lines) if 2 * len(of_lines) >= len(filed.lines) else None
        case = filed.case
        recent = self._recent.get(case.subject, deque())
        since = case.heard_at - _STEPS * WINDOW_MS[case.subject.partition("/")[0]]
        while recent and recent[0][0] < since:
            recent.popleft()
        part, made = max(1.0, _PART * case.calls), Counter(id(one) for _, one in recent)
        about = _once(one for _, one in recent if one.fraud == case.kind or made[id(one)] >= part)
        return about if about or len(recent) >= part else None

    def _wrong(self, filed: Filed) -> WrongCase:
        case = filed.case
        subject, _, name = case.subject.partition("/")
        if filed.lines:
            kinds = Counter(self._kind_of_line.get(line, UNKNOWN) for line in filed.lines if line not in self._of_line)
        elif subject == "callee":
            kinds = Counter([self._kind_of_line.get(name, UNKNOWN)])
        else:
            kinds = self._honest.get(case.subject, Counter())
        kind = kinds.most_common(1)[0][0] if kinds else UNKNOWN
        return WrongCase(subject, case.kind, case.measure, kind)


def _once(found: Iterable[Undertaking]) -> list[Undertaking]:
    return list({id(one): one for one in found}.values())
