"""The home country of a simulation: its operators, its numbers, those of its neighbours, and its trunks."""

from __future__ import annotations

from typing import Final, NamedTuple

MINOR: Final = 8
"""Small partners of each operator beside its main one, for transit and for traffic from abroad."""


class Carrier(NamedTuple):
    """A mobile operator that reports calls: its id, its name and the prefixes of its own numbers (7 more digits)."""

    operator: str
    name: str
    prefixes: tuple[str, ...]


class Foreign(NamedTuple):
    """Numbers of another country: its code, a prefix that is in use there and how many digits follow it."""

    country: str
    prefix: str
    digits: int


class Network(NamedTuple):
    """The home country of a simulation.

    `fixed` prefixes are followed by 6 digits; numbers that begin with one of `vacant` (7 more digits) are in no plan.
    `banks` are numbers that banks are called at, `premium` ranges that are dear to call, `login` the range of a service that logs people in by one ring (4 more digits).
    """

    country: str
    carriers: tuple[Carrier, ...]
    fixed: tuple[str, ...]
    vacant: tuple[str, ...]
    neighbours: tuple[Foreign, ...]
    far: tuple[Foreign, ...]
    utc_offset_h: int
    banks: tuple[str, ...]
    premium: tuple[Foreign, ...]
    login: str


KAZAKHSTAN: Final = Network(
    country="KZ",
    carriers=(
        Carrier("op-a", "Operator A", ("+7701", "+7702", "+7775", "+7778")),
        Carrier("op-b", "Operator B", ("+7705", "+7771", "+7776", "+7777")),
        Carrier("op-c", "Operator C", ("+7700", "+7707", "+7708", "+7747")),
    ),
    fixed=("+77272", "+77172", "+77212", "+77252"),
    vacant=("+7703", "+7704", "+7709", "+7772"),
    neighbours=(
        Foreign("RU", "+7916", 7),
        Foreign("UZ", "+99890", 7),
        Foreign("TR", "+90532", 7),
        Foreign("CN", "+86138", 8),
        Foreign("DE", "+49151", 8),
        Foreign("GB", "+447400", 6),
    ),
    far=(Foreign("TN", "+21629", 6), Foreign("CU", "+535", 7), Foreign("LV", "+3712", 7)),
    utc_offset_h=5,
    banks=("+77272500101", "+77172500202", "+77272500303"),
    premium=(Foreign("LV", "+37190", 6), Foreign("CU", "+5352", 6), Foreign("TN", "+21688", 6)),
    login="+7727258",
)
"""Numbering of Kazakhstan as libphonenumber knows it; operators, banks and services are invented."""
