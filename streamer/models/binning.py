"""Bins: a number becomes the name of the interval it lies in, so that a linear model can follow any shape.

Learning starts at once on edges declared by unit. When a first sample of cases of both labels is complete, bins that
hold too much of it are split at the sample's quantiles (`refined`). Splitting only ever adds edges, so each new bin
lies in one old bin and takes over its weight as it is: what was learned is kept and no score changes at that moment.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from river import base

from streamer import features

MISSING: Final = "missing"
"""Name of the bin of a value that is not known."""

Edges = dict[str, list[float]]
"""Inner bin edges by feature, rising; a value x lies in the bin numbered by how many edges are <= x."""

_COUNT: Final = (0.5, 1.5, 2.5, 3.5, 5.5, 8.5, 12.5, 20.5, 35.5, 60.5, 120.5, 300.5, 1000.5)
_BY_UNIT: Final[dict[str, tuple[float, ...]]] = {
    "calls": _COUNT,
    "lines": _COUNT,
    "s": (0.5, 2.0, 4.0, 6.0, 10.0, 20.0, 40.0, 90.0, 180.0, 600.0, 1800.0, 7200.0, 28_800.0),
    "ratio": (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5),
    "0/1": (0.5,),
    "digits": (2.5, 3.5, 4.5, 5.5, 6.5, 7.5),
    "level": (1.5, 2.5),
}
_REFINABLE: Final = frozenset({"calls", "lines", "s", "ratio"})
_PARTS: Final = 6
"""A bin with more than this part (1/6) of either label's sample is split."""


def declared_edges() -> Edges:
    """The edges that learning starts on, for every feature that a model may learn from, by the feature's unit.

    >>> declared_edges()["attested"]
    [1.5, 2.5]
    """
    return {feature.name: list(_BY_UNIT[feature.unit]) for feature in features.FEATURES if feature.learnable}


def bin_of(value: float | None, edges: Sequence[float]) -> int | str:
    """The bin of one value: how many edges are <= it, or `MISSING` for None and NaN.

    >>> bin_of(1.5, [0.5, 1.5]), bin_of(-7.0, [0.5, 1.5]), bin_of(math.nan, [0.5])
    (2, 0, 'missing')
    """
    if value is None or math.isnan(value):
        return MISSING
    return bisect_right(edges, value)


class Bins(base.Transformer):
    """River transformer from values to bins, by edges that do not change while it lives.

    Parameters
    ----------
    edges
        Inner edges by feature. A feature that a vector lacks is missing; one that has no edges here is left out.
    """

    def __init__(self, edges: Edges) -> None:
        self.edges = edges

    def transform_one(self, x: dict[Any, Any]) -> dict[Any, Any]:
        """The bin of every feature that has edges.

        >>> Bins({"age": [1.0, 60.0]}).transform_one({"age": 7.0, "other": 1.0})
        {'age': 1}
        """
        return {name: bin_of(x.get(name), edges) for name, edges in self.edges.items()}


def refined(
    edges: Edges, samples: Iterable[Sequence[Mapping[str, float | None]]]
) -> tuple[Edges, dict[str, list[int]]]:
    """The edges with crowded bins split, and for each new bin (missing left out) the number of the old one it lies in.

    `samples` has one sequence of feature vectors a label; each counts alike, however many vectors it has. New edges
    lie half-way between neighbouring values of the sample.
    """
    drawn = [list(sample) for sample in samples]
    unit = {feature.name: feature.unit for feature in features.FEATURES}
    made: Edges = {}
    origin: dict[str, list[int]] = {}
    for name, old in edges.items():
        new = set(old)
        if unit[name] in _REFINABLE:
            for sample in drawn:
                new |= _splits([v for x in sample if (v := x.get(name)) is not None and math.isfinite(v)], old)
        made[name] = sorted(new)
        origin[name] = [0, *(bisect_right(old, edge) for edge in made[name])]
    return made, origin


def _splits(values: list[float], old: Sequence[float]) -> set[float]:
    """Edges that split what lies crowded in one bin: quantiles of `values` in bins with more than 1/`_PARTS` of them."""
    found: set[float] = set()
    if not values:
        return found
    ordered = np.sort(np.array(values))
    places = np.searchsorted(old, ordered, side="right")
    for place in np.unique(places):
        inside = ordered[places == place]
        cuts = len(inside) * _PARTS // len(ordered)
        distinct = np.unique(inside)
        if cuts < 1 or len(distinct) < 2:
            continue
        for level in range(1, cuts + 1):
            at = inside[len(inside) * level // (cuts + 1)]
            above = int(np.searchsorted(distinct, at, side="left"))
            if above > 0:
                found.add(float(distinct[above - 1] / 2 + distinct[above] / 2))  # halved first: their sum may overflow
    return found
