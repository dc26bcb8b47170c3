"""The learned score as a table look-up, compiled: each feature's bin names a weight, the weights add up to log-odds.

Equal to the River pipeline that `streamer.models.trainer` teaches, to 1e-9, at a fraction of a microsecond a call.
Contributions are exact: the score is the logistic function of their sum and the bias.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer import features
from streamer.calls.decisions import ModelSnapshot
from streamer.compiled import loop
from streamer.models.snapshot import check_layout


class Tables(NamedTuple):
    """A model's k features as arrays, E being the most edges of any of them.

    `column` int32[k] of the feature vector, `edges` float64[k, E] rising and padded with +inf, `n_edges` int32[k],
    `weights` float64[k, E + 2] (a weight a bin, then that of a missing value at `n_edges + 1`), `bias` float64[1].
    With k = 0 there is no model and every score is NaN.
    """

    column: NDArray[np.int32]
    edges: NDArray[np.float64]
    n_edges: NDArray[np.int32]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


def no_model() -> Tables:
    """Tables of no features, whose every score is NaN."""
    return Tables(np.zeros(0, np.int32), np.zeros((0, 1)), np.zeros(0, np.int32), np.zeros((0, 3)), np.zeros(1))


def tables(snapshot: ModelSnapshot | None) -> Tables:
    """The arrays of a snapshot (None: no model); raises `ModelError` when its layout is wrong. Its digest is not looked at."""
    if snapshot is None or not snapshot.features:
        return no_model()
    check_layout(snapshot)
    most = max(1, *(len(edges) for edges in snapshot.edges))
    k = len(snapshot.features)
    made = Tables(
        np.array([features.INDEX[name] for name in snapshot.features], np.int32),
        np.full((k, most), np.inf),
        np.array([len(edges) for edges in snapshot.edges], np.int32),
        np.zeros((k, most + 2)),
        np.array([snapshot.bias], np.float64),
    )
    for row, (edges, weights) in enumerate(zip(snapshot.edges, snapshot.weights, strict=True)):
        made.edges[row, : len(edges)] = edges
        made.weights[row, : len(weights)] = weights
    return made


@loop
def bin_of(value: float, edges: NDArray[np.float64], n_edges: int) -> int:
    """The bin of `value`: the number of edges <= it (the padding left out), or `n_edges + 1` when it is missing (NaN)."""
    if math.isnan(value):
        return n_edges + 1
    found = 0
    for edge in edges:  # no early exit: the whole row is a few vector instructions, a branch a value is not
        found += edge <= value
    return min(found, n_edges)


@loop
def score_row(x: NDArray[np.float64], model: Tables) -> float:
    """The score of one feature vector float64[features.COUNT], in [0, 1]; NaN when there is no model."""
    k = model.column.shape[0]
    if k == 0:
        return math.nan
    logit = model.bias[0]
    for row in range(k):
        logit += model.weights[row, bin_of(x[model.column[row]], model.edges[row], model.n_edges[row])]
    if logit < -700.0:
        return 0.0
    return 1.0 / (1.0 + math.exp(-logit))


@loop
def fill_parts(x: NDArray[np.float64], model: Tables, parts: NDArray[np.float64]) -> None:
    """Fill float64[k] with what each of the model's k features adds to the log-odds, in the order of `model.column`."""
    for row in range(parts.shape[0]):
        parts[row] = model.weights[row, bin_of(x[model.column[row]], model.edges[row], model.n_edges[row])]


def contributions(x: NDArray[np.float64], model: Tables) -> dict[str, float]:
    """What each feature adds to the log-odds of one vector, by name; with the bias they sum to the score's log-odds."""
    parts = np.empty(len(model.column))
    fill_parts(x, model, parts)
    return {features.NAMES[column]: float(part) for column, part in zip(model.column, parts, strict=True)}
