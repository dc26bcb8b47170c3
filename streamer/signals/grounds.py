"""From which figures on a hot subject is a case, of which fraud, and what is proposed.

A figure is a number that the signal gives by its name, or the ratio of two. One that the signal does not give meets no
demand: what is not counted is not known. The names, of one subject within the signal's window, which is a day at most:

``calls`` outgoing calls (of a callee: calls to it), ``victims`` distinct called numbers, ``callers`` distinct calling
numbers, ``sims`` and ``cells`` distinct SIMs and cells, ``incoming`` calls to the subject's numbers, ``suspect`` calls on
which a detector found something, ``answered`` of the suspect calls those that were answered, ``bank_calls`` calls to
protected numbers from a SIM changed ``sim_age_h`` hours before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from streamer.calls.cases import Ground, Measure, SubjectKind
from streamer.calls.events import FraudType


class Demand(NamedTuple):
    """A figure (`what`, or `what` over `over`) that has to be at least `least` and at most `most`."""

    what: str
    over: str | None = None
    least: float | None = None
    most: float | None = None

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
        what = self.what if self.over is None else f"{self.what}/{self.over}"
        return Ground(what=what, observed=float(observed), least=least, most=most)


class Rule(NamedTuple):
    """When subjects of a kind are a case. `source`: where the figures come from; [BK]: a starting value, to be calibrated."""

    subject: SubjectKind
    fraud: FraudType
    measure: Measure
    demands: tuple[Demand, ...]
    source: str


_SPREAD: Final = Demand("victims", "calls", least=0.9)
_SILENT: Final = Demand("incoming", "calls", most=0.05)
_FOUND: Final = Demand("suspect", "calls", least=0.5)

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "sim",
        "sim_box",
        "bar_sim",
        (Demand("calls", least=51), _SPREAD, _SILENT, Demand("cells", most=3)),
        "more than 50 calls a day, distinct called numbers above 0.9, hardly an incoming call, one or few cells; 0.05 and 3 [BK]",
    ),
    Rule(
        "sim",
        "sim_swap",
        "alert_bank",
        (Demand("bank_calls", least=1), Demand("sim_age_h", most=240)),
        "a bank called within 240 h of a SIM change; look-back of 1 to 2,400 h in CAMARA's SIM Swap API",
    ),
    Rule(
        "imei",
        "sim_box",
        "bar_sim",
        (Demand("sims", least=5), Demand("calls", least=51), _SPREAD, _SILENT),
        "many SIMs in one device, as of one SIM else; 5 [BK], since a telephone holds two and taxi gateways, which are called, some",
    ),
    Rule(
        "imei",
        "sim_box",
        "watch",
        (Demand("sims", least=5), Demand("calls", least=51), _SPREAD),
        "the same where incoming calls are many, or not counted",
    ),
    Rule(
        "cell",
        "sim_box",
        "bar_sim",
        (Demand("sims", least=10), Demand("calls", "sims", least=20), _SPREAD, _SILENT),
        "many SIMs that call much and are not called in one cell; 10 and 20 [BK]: honest lines of the Sichuan records make 3 and 7 calls an active day",
    ),
    Rule(
        "holder",
        "sim_box",
        "bar_sim",
        (Demand("sims", least=11), Demand("calls", least=51), _SPREAD, _SILENT),
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
        "scam_centre",
        "notify_partner",
        (Demand("calls", least=100), _FOUND, Demand("callers", least=10)),
        "most of what the partner hands over is suspect and comes from many numbers; 100, 0.5 and 10 [BK]",
    ),
    Rule(
        "block",
        "scam_centre",
        "notify_partner",
        (Demand("calls", least=40), _FOUND, Demand("callers", least=5), _SPREAD),
        "calling numbers that rotate within a block, hardly twice to one victim; 5 numbers as in number rotation, 40 and 0.5 [BK]",
    ),
    Rule(
        "callee",
        "scam_centre",
        "alert_bank",
        (Demand("callers", least=5), _FOUND, Demand("answered", least=1)),
        "one person called from 5 numbers or more, most of the calls suspect, and he talked with one of them; 0.5 [BK]",
    ),
    Rule(
        "callee",
        "tdos",
        "watch",
        (Demand("calls", least=50), _FOUND),
        "50 calls on one line in 30 s; 1,144 in ten minutes were seen for real",
    ),
)
"""Of each kind of subject the strongest measure first."""


def judged(kind: str, values: Mapping[str, float]) -> tuple[Rule, list[Ground]] | None:
    """The first rule whose demands are all met, and what met them; None when there is none.

    >>> rule, grounds = judged("holder", {"sims": 14})
    >>> rule.measure, grounds[0].observed, judged("holder", {"sims": 10})
    ('watch', 14.0, None)
    """
    for rule in RULES:
        if rule.subject != kind:
            continue
        grounds = [found for demand in rule.demands if (found := demand.met(values)) is not None]
        if len(grounds) == len(rule.demands):
            return rule, grounds
    return None
