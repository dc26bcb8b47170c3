"""One simulated call before it happens, and how honest people make theirs."""

from __future__ import annotations

from random import Random
from typing import Final, Literal, NamedTuple

from streamer.calls.events import FraudType
from streamer.lab.population import Population

CENTRES: Final = 0.06
"""Part of honest set-ups that comes from conversational business lines, about one a minute and line."""

COURIERS: Final = 0.06
"""Part of honest set-ups that comes from brief business lines, about 0.3 a minute and line."""

MAX_TALK_MS: Final = 3_600_000
"""Longest conversation: it bounds the calls under way."""

Ingress = Literal["subscriber", "national", "international"]
Releaser = Literal["caller", "callee", "network"]


Course = tuple[int, int, int, Releaser]
"""How a call goes: ring time and talk time in ms (0: not answered), Q.850 cause, who releases it."""


class Draft(NamedTuple):
    """One call as its maker would have it.

    `talk_ms` above 0 means that it is answered after `ring_ms`; `line` is the index of the subscriber who calls from his
    own line, or -1; `sighting` says that the called line's operator reports the call as well, under an id of its own;
    `campaign` is the undertaking that a fraudulent call belongs to, `kind` the kind of line that an honest one comes from.
    """

    operator: str
    caller: str
    callee: str
    ingress: Ingress
    trunk: str | None
    country: str | None
    ring_ms: int
    talk_ms: int
    cause: int
    released_by: Releaser
    label: FraudType | None
    line: int = -1
    sighting: str = ""
    campaign: str | None = None
    kind: str | None = None


def honest(population: Population, rng: Random) -> Draft:
    """One honest call: among acquaintances, to or from a business, a landline, a foreigner or a guest abroad.

    Answered in 61 % (set so that all traffic gives 1 : 0.6 : 1); talk times are lognormal with a median of 45 s and a
    mean of 78 s, the mean of the honest subscribers of the Sichuan records.
    """
    ring, talk, cause, by = _course(rng)
    draw = rng.random()
    if draw < 0.68:
        index = population.someone(rng)
        operator, caller = population.line(index)
        if draw < 0.06:
            callee, there = population.fixed(rng), ""
        else:
            there, callee = population.line(population.acquaintance(index, rng))
        sighting = there if there != operator and draw < 0.30 else ""
        return Draft(
            operator,
            caller,
            callee,
            "subscriber",
            None,
            None,
            ring,
            talk,
            cause,
            by,
            None,
            index,
            sighting,
            None,
            "subscriber",
        )
    if draw < 0.68 + CENTRES + COURIERS:
        lively = draw < 0.68 + CENTRES
        index = population.centre(rng) if lively else population.courier(rng)
        operator, caller = population.line(index)
        callee = population.line(population.someone(rng))[1]
        if talk:
            talk = min(MAX_TALK_MS, talk * 2) if lively else 10_000 + talk // 4
        kind = "call_centre" if lively else "courier"
        return Draft(operator, caller, callee, "subscriber", None, None, ring, talk, cause, by, None, index, kind=kind)
    operator, callee = population.line(population.someone(rng))
    if draw < 0.90:
        trunk, caller = f"transit-{operator}", population.fixed(rng)
        return Draft(operator, caller, callee, "national", trunk, None, ring, talk, cause, by, None, kind="landline")
    trunk = f"igw-{operator}"
    if draw < 0.97:
        near = population.network.neighbours
        country, prefix, digits = near[int(len(near) * rng.random())]
        caller, kind = f"{prefix}{int(10**digits * rng.random()):0{digits}d}", "foreign"
    else:
        index, country = population.roamer(rng)
        caller, kind = population.line(index)[1], "roamer"
    return Draft(operator, caller, callee, "international", trunk, country, ring, talk, cause, by, None, kind=kind)


def _course(rng: Random) -> Course:
    """How an honest call goes."""
    draw = rng.random()
    if draw < 0.61:
        talk = min(MAX_TALK_MS, 1_000 + int(rng.lognormvariate(10.71, 1.05)))
        return 2_000 + int(12_000 * rng.random()), talk, 16, "caller" if draw < 0.3 else "callee"
    if draw < 0.80:
        return 25_000 + int(20_000 * rng.random()), 0, 19, "network"
    if draw < 0.89:
        return 6_000 + int(14_000 * rng.random()), 0, 16, "caller"
    if draw < 0.96:
        return 0, 0, 17, "network"
    return (0, 0, 20, "network") if draw < 0.994 else (0, 0, 1, "network")
