"""From which figures on a hot subject is a case, of which fraud, and what is proposed; the policy may say otherwise.

A figure is a number that the signal gives by its name, or the ratio of two. One that the signal does not give meets no
demand: what is not counted is not known. The names are those of `streamer.signals.hot`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from streamer.calls.cases import Ground, Measure, SubjectKind
from streamer.calls.decisions import CasePolicy
from streamer.calls.events import FraudType
from streamer.errors import MessageError, near


class Demand(NamedTuple):
    """A figure (`what`, or `what` over `over`) that has to be at least `least`, or at most `most`."""

    what: str
    over: str | None = None
    least: float | None = None
    most: float | None = None

    @property
    def name(self) -> str:
        """What the policy and a case's grounds call the figure."""
        return self.what if self.over is None else f"{self.what}/{self.over}"

    def moved(self, bound: float | None) -> Demand:
        """The same with another bound; None leaves it."""
        if bound is None:
            return self
        return self._replace(most=bound) if self.least is None else self._replace(least=bound)

    def met(self, values: Mapping[str, float]) -> Ground | None:
        """The ground that the figure is; None when it is out of bounds, or not known.

        >>> Demand("victims", "calls", least=0.9).met({"victims": 97, "calls": 100})
        Ground(what='victims/calls', observed=0.97, least=0.9, most=None)
        """
        observed = values.get(self.what)
        below = 1.0 if self.over is None else values.get(self.over, 0.0)
        if observed is None or not below:
            return None
        observed /= below
        least, most = (None if bound is None else float(bound) for bound in (self.least, self.most))
        if (least is not None and not observed >= least) or (most is not None and not observed <= most):
            return None
        return Ground(what=self.name, observed=float(observed), least=least, most=most)


class Rule(NamedTuple):
    """When subjects of a kind are a case. `source`: where the figures come from; [BK]: a starting value, to be calibrated."""

    subject: SubjectKind
    fraud: FraudType
    measure: Measure
    demands: tuple[Demand, ...]
    source: str

    @property
    def name(self) -> str:
        """What the policy calls it."""
        return f"{self.subject}_{self.fraud}_{self.measure}"

    @property
    def thresholds(self) -> dict[str, float]:
        """The bound of each figure, by its name."""
        return {it.name: float(bound) for it in self.demands for bound in (it.least, it.most) if bound is not None}


_SPREAD: Final = Demand("victims", "calls", least=0.9)
_SILENT: Final = Demand("incoming", "calls", most=0.05)
_FOUND: Final = Demand("suspect", "calls", least=0.5)
_BOX: Final = (Demand("calls", least=51), _SPREAD, _SILENT)

_PEOPLE: Final = Demand("own", "callers", most=0.2)
_GIVES_WAY: Final = (
    Demand("replaced", least=3),
    Demand("replaced", "lines", least=0.2),
    Demand("answered", least=12),
    Demand("short", "answered", least=0.15),
    Demand("talk", "long", least=20),
    Demand("incoming", "calls", most=0.01),
    Demand("watched_h", least=0.25),
)

_FLOOD: Final = (
    Demand("callers", least=40),
    Demand("usual", "callers", most=0.2),
    Demand("watched_h", least=0.25),
)
_BY_FEW: Final = (
    Demand("calls", least=50),
    Demand("callers", "calls", most=0.33),
    Demand("usual", "calls", most=0.2),
    Demand("watched_h", least=0.25),
    Demand("answered", "calls", most=0.25),
    Demand("own", "calls", most=0.07),
)

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "sim",
        "sim_swap",
        "alert_bank",
        (Demand("age_h", most=240),),
        "calls of a line to a bank so soon after its SIM was changed; 240 h as its detector has it; honest owners do so too",
    ),
    Rule(
        "sim",
        "sim_box",
        "watch",
        _BOX,
        "more than 50 calls a day, distinct called numbers above 0.9, hardly an incoming call; 0.05 [BK]; a courier's is alike",
    ),
    Rule(
        "imei",
        "sim_box",
        "bar_sim",
        (Demand("sims", least=5), *_BOX),
        "many SIMs in one device, as of one SIM else; 5 [BK]: a telephone holds two, taxi gateways some, which are called back",
    ),
    Rule(
        "imei",
        "sim_box",
        "watch",
        (Demand("sims", least=5), Demand("calls", least=51), _SPREAD),
        "the same where incoming calls are many, or not counted for long enough",
    ),
    Rule(
        "cell",
        "sim_box",
        "bar_sim",
        (Demand("sims", least=10), *_BOX),
        "many SIMs that call much and are not called, in one cell; 10 [BK]",
    ),
    Rule(
        "holder",
        "sim_box",
        "bar_sim",
        (Demand("sims", least=11), *_BOX),
        "at most 10 SIMs a person (law of Kazakhstan), and they call as a SIM box does",
    ),
    Rule(
        "holder",
        "sim_box",
        "watch",
        (Demand("sims", least=11),),
        "at most 10 SIMs a person (law of Kazakhstan); companies hold more",
    ),
    Rule(
        "trunk",
        "number_rotation",
        "notify_partner",
        (Demand("bursts", least=2), Demand("burst", "calls", least=0.8)),
        "two victims of bursts, and what the partner hands over is hardly anything else; 0.8 as its detector has it",
    ),
    Rule(
        "trunk",
        "neighbour_spoofing",
        "notify_partner",
        (Demand("neighbours", least=50), Demand("neighbours", "calls", least=0.1)),
        "far more numbers like the called ones than neighbours make; 0.1 as its detector has it, 50 is where that has to block",
    ),
    Rule(
        "trunk",
        "scam_centre",
        "notify_partner",
        (Demand("calls", least=100), _FOUND, Demand("fresh", least=10)),
        "most of what the partner hands over is suspect and comes from many numbers; 100, 0.5 and 10 [BK]",
    ),
    Rule(
        "trunk",
        "number_rotation",
        "watch",
        (Demand("bursts", least=2),),
        "two victims of bursts on a trunk that carries much else",
    ),
    Rule(
        "block",
        "number_rotation",
        "notify_partner",
        (Demand("burst", least=3), Demand("bursts", least=2)),
        "calls of one block of a thousand numbers in bursts on two called numbers; 3 as its detector has it",
    ),
    Rule(
        "block",
        "robocall",
        "notify_partner",
        (Demand("fresh", least=20), Demand("answered", "brief", most=1.25), Demand("brief", "calls", least=0.3)),
        "numbers of one block that were never seen and whose calls end at once; as the detector of number rotation has it",
    ),
    Rule(
        "block",
        "scam_centre",
        "notify_partner",
        (Demand("calls", least=40), _FOUND, Demand("fresh", least=5)),
        "calling numbers that rotate within a block, most of their calls suspect; 5 numbers as in number rotation, 40 and 0.5 [BK]",
    ),
    Rule(
        "campaign",
        "scam_centre",
        "notify_partner",
        (*_GIVES_WAY, Demand("over_trunk", least=0.5)),
        "new lines of one range of ten thousand that give way to one another, as the detector of scam centres has it",
    ),
    Rule(
        "campaign",
        "scam_centre",
        "watch",
        (*_GIVES_WAY, Demand("over_trunk", most=0.5)),
        "the same of an operator's own lines: whether they are new is for him to say",
    ),
    Rule(
        "callee",
        "tdos",
        "notify_partner",
        _BY_FEW,
        "a flood from few lines as its detector has it: whoever hands their calls over can stop them",
    ),
    Rule(
        "callee",
        "scam_centre",
        "alert_bank",
        (Demand("callers", least=5), _FOUND, Demand("answered", least=1), _PEOPLE),
        "one person called from 5 numbers or more within a minute, most of the calls suspect, and he answered; 0.5 [BK]; not by a crowd of own lines",
    ),
    Rule(
        "callee",
        "tdos",
        "alert_bank",
        (*_FLOOD, _PEOPLE, Demand("short_number", most=0.5)),
        "a flood as its detector has it, after 50 calls in 30 s that were seen; its owner cannot be reached meanwhile, by his bank neither [BK]; a crowd that calls a quiz does so from own lines",
    ),
    Rule(
        "callee",
        "tdos",
        "watch",
        (*_FLOOD, Demand("short_number", least=0.5)),
        "the same on a short number: emergency services and hotlines, which answer themselves",
    ),
)
"""Of each kind of subject the strongest measure first."""


def check(given: Mapping[str, CasePolicy]) -> None:
    """Raises `MessageError` for a rule or threshold that there is not, with the nearest one that there is.

    >>> check({"imei_sim_box_barsim": CasePolicy()})
    Traceback (most recent call last):
    streamer.errors.MessageError: no rule of cases is called 'imei_sim_box_barsim'; did you mean 'imei_sim_box_bar_sim'?
    """
    known = {rule.name: rule.thresholds for rule in RULES}
    for name, own in given.items():
        if name not in known:
            raise MessageError("unknown_value", f"no rule of cases is called {name!r}{near(name, known)}")
        for threshold in own.thresholds:
            if threshold not in known[name]:
                there = ", ".join(known[name])
                raise MessageError("unknown_value", f"{name} has no threshold {threshold!r}; it has {there}")


def in_force(given: Mapping[str, CasePolicy]) -> tuple[Rule, ...]:
    """The rules that open cases under a policy that says this of them, with the bounds that hold then, in the order of `RULES`."""
    found = []
    for rule in RULES:
        own = given.get(rule.name, CasePolicy())
        if own.opens:
            demands = tuple(demand.moved(own.thresholds.get(demand.name)) for demand in rule.demands)
            found.append(rule._replace(demands=demands))
    return tuple(found)


def judged(kind: str, values: Mapping[str, float], rules: Iterable[Rule] = RULES) -> tuple[Rule, list[Ground]] | None:
    """The first rule whose demands are all met, and what met them; None when there is none.

    >>> rule, grounds = judged("holder", {"sims": 14})
    >>> rule.measure, grounds[0].observed, judged("holder", {"sims": 10})
    ('watch', 14.0, None)
    """
    for rule in rules:
        if rule.subject != kind:
            continue
        grounds = [found for demand in rule.demands if (found := demand.met(values)) is not None]
        if len(grounds) == len(rule.demands):
            return rule, grounds
    return None


assert len({rule.name for rule in RULES}) == len(RULES), "each rule of cases has a name of its own"
