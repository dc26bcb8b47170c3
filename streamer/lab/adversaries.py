"""Campaigns by name, and adversaries that adapt: a campaign's name and, after plus signs, what it does and how far it goes.

``robocall+slower@4`` calls at a quarter of the pace; ``wangiri+rotating@10`` needs ten times as many numbers for its calls;
``scam_centre+mixed@0.5`` makes half of its calls to accomplices; ``flash_call+spread@8`` comes in over eight trunks;
``spoofed_roamer@0.5`` shows roamers' numbers in half of its calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

from streamer.lab.campaigns import Campaign, Habits
from streamer.lab.frauds import ADVERSARIES, CAMPAIGNS
from streamer.lab.population import Population

NAMED: Final[dict[str, type[Campaign]]] = {
    campaign.name or campaign.label: campaign for campaign in (*CAMPAIGNS, *ADVERSARIES)
}
"""Every campaign by its name."""


def campaign(named: str, population: Population, rng: Random, calls_a_second: float) -> Campaign:
    """The campaign of that name. Raises `ValueError` when there is none, or not so far.

    >>> from streamer.lab.network import KAZAKHSTAN
    >>> people = Population(KAZAKHSTAN, 10_000, {"office": 5})
    >>> len(campaign("robocall+slower@4", people, Random(1), 1.0).lines)
    8
    """
    kind, extent, habits = parsed(named)
    return kind(population, rng, calls_a_second, habits=habits, extent=extent, named=named)


def parsed(named: str) -> tuple[type[Campaign], float, Habits]:
    """Class, extent and habits that a name stands for. Raises `ValueError`."""
    first, *adapted = named.split("+")
    name, extent = _measured(first, 1.0)
    if name not in NAMED:
        raise ValueError(f"no fraud is called {name!r}; known are {', '.join(NAMED)}")
    found: dict[str, float] = {}
    for each in adapted:
        habit, how_far = _measured(each, None)
        if habit not in Habits._fields:
            raise ValueError(f"{named!r}: no adversary is {habit!r}; they are {', '.join(Habits._fields)}")
        found[habit] = how_far
    if found.get("mixed", 0.0) >= 1 or any(found.get(habit, 1.0) < 1 for habit in ("slower", "rotating", "spread")):
        raise ValueError(f"{named!r}: mixed is below 1, all else at least 1")
    return NAMED[name], extent, Habits(**found)


def _measured(text: str, default: float | None) -> tuple[str, float]:
    name, _, measure = text.partition("@")
    try:
        how_far = float(measure) if measure or default is None else default
    except ValueError:
        raise ValueError(f"{text!r} does not say how far it goes, as slower@4 does") from None
    if not 0 < how_far < float("inf"):
        raise ValueError(f"{text!r}: how far it goes is above 0")
    return name, how_far


def checked(shares: Mapping[str, float]) -> Mapping[str, float]:
    """Names of campaigns and their part of all set-ups. Raises `ValueError` when that cannot be."""
    for named in shares:
        parsed(named)
    if sum(shares.values()) > 1 or not all(share >= 0 for share in shares.values()):
        raise ValueError("shares of fraud are not below 0 and together at most 1")
    return shares
