"""Fraudsters that adapt to being watched, and how far they have to go until they are not seen: rate against detection."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final, NamedTuple

from streamer.lab.campaigns import Habits
from streamer.lab.evaluation.figures import FraudFigure

_HABITS: Final = {
    "slower": (2, 4, 8, 16),
    "rotating": (2, 4, 8, 16),
    "mixed": (0.2, 0.4, 0.6, 0.8),
    "spread": (2, 4, 8),
}
"""How far each goes; what each means is told in `streamer.lab.campaigns.Habits`."""
_ADAPTING: Final = {
    "robocall": ("slower", "rotating", "mixed"),
    "wangiri": ("slower", "rotating", "mixed"),
    "range_probing": ("slower", "rotating", "mixed"),
    "scam_centre": ("slower", "mixed", "spread"),
    "flash_call": ("spread",),
    "neighbour_spoofing": ("spread",),
    "number_rotation": ("spread",),
    "trunk_mismatch": ("spread",),
    "tdos": ("slower",),
    "irsf": ("slower",),
}
_OTHERS: Final = (
    "spoofed_bank",
    "spoofed_roamer@0.5",
    "spoofed_roamer@1",
    "spoofed_active",
    "scam_line@15",
    "scam_line@30",
    "flood_from_lines@1",
    "flood_from_lines@4",
    "flood_from_lines@16",
    "flood_from_lines@30",
)

SHARE: Final = 0.004
"""Part of all set-ups that each has, so that its campaigns make calls enough to be counted."""
NAMES: Final = (
    *(f"{fraud}+{habit}@{far}" for fraud, habits in _ADAPTING.items() for habit in habits for far in _HABITS[habit]),
    *_OTHERS,
)
"""Every adversary that is measured, as `streamer.lab.adversaries` names them."""


class Row(NamedTuple):
    """One adversary at each of the measures it was tried at, the published fraud first where that is the beginning of it."""

    name: str
    steps: list[tuple[str, FraudFigure]]


def rows(adapting: Iterable[FraudFigure], published: Iterable[FraudFigure]) -> list[Row]:
    """The adversaries among `adapting`, each with the figures of the fraud itself as its first step."""
    known = {one.fraud: one for one in published if one.adversary == one.fraud and one.recall is not None}
    usual = Habits()._asdict()
    found = []
    far = sorted((one for one in adapting if one.adversary != one.fraud), key=lambda one: (_name(one), _measure(one)))
    for name, ones in groupby(far, key=_name):
        steps = [(f"{_measure(one):g}" if "@" in one.adversary else "", one) for one in ones]
        fraud, _, habit = name.partition("+")
        if habit in usual and steps[0][1].fraud == fraud and fraud in known:
            steps.insert(0, (f"{usual[habit]:g}", known[steps[0][1].fraud]))
        found.append(Row(name, steps))
    return found


def _name(one: FraudFigure) -> str:
    return one.adversary.rpartition("@")[0] or one.adversary


def _measure(one: FraudFigure) -> float:
    return float(one.adversary.rpartition("@")[2]) if "@" in one.adversary else 0.0
