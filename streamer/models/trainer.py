"""The learner: bins → one-hot → logistic regression with AdaGrad, in River, one labelled case at a time.

The intercept is not learned apart: each feature's one-hot group sums to one, so that the base rate has its place in
the weights already, where AdaGrad scales its steps (River moves an intercept by plain gradient steps, which cases of
large weight would throw about).

`state` is plain numbers that go through JSON, so that a standby on another machine goes on exactly where this trainer
stopped.

References
----------
Duchi, Hazan, Singer: Adaptive subgradient methods for online learning and stochastic optimization, JMLR 12, 2011.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypedDict

import msgspec
from river import compose, linear_model, optim, preprocessing
from river.utils import VectorDict

from streamer.calls.decisions import ModelSnapshot
from streamer.errors import ModelError
from streamer.models.binning import MISSING, Bins, Edges, declared_edges, refined
from streamer.models.snapshot import CHAMPION, seal

FORMAT: Final = 1
"""Layout of `state`; another one is refused."""

LEARNING_RATE: Final = 0.3
"""AdaGrad's step. Honest cases stand for many calls each and fraud for one: with River's 0.1 a campaign's own bins
would need some thousand reports to outweigh the honest rest of its vector."""

DAMPING: Final = 1.0
"""AdaGrad's epsilon: what the accumulators start from. All of a vector's features step together, and without it the
first case alone would settle the score."""

SAMPLE: Final = 300
"""Cases of each label in the first sample, after which crowded bins are split."""

FIRST_HONEST: Final = 50
FIRST_FRAUD: Final = 10
"""Cases of each label without which there is nothing worth publishing: one label alone teaches "all" or "none"."""

Vector = Mapping[str, float | None]
Rows = list[list[float | None]]


class _State(TypedDict):
    edges_version: int
    edges: dict[str, list[float]]
    weights: dict[str, list[float]]
    g2: dict[str, list[Annotated[float, msgspec.Meta(ge=0)]]]
    intercept: float
    steps: int
    honest: int
    fraud: int
    sample: tuple[Rows, Rows] | None


class Trainer:
    """Learns from labelled cases; its score is that of the snapshot it gives, to 1e-9."""

    def __init__(self) -> None:
        self.edges: Edges = declared_edges()
        self.edges_version = 1
        self.honest = 0
        self.fraud = 0
        self._sample: tuple[list[dict[str, float | None]], list[dict[str, float | None]]] | None = ([], [])
        self._build({}, {}, 0, 0.0)

    def _build(self, weights: dict[str, float], g2: dict[str, float], steps: int, intercept: float) -> None:
        optimizer = optim.AdaGrad(LEARNING_RATE, eps=DAMPING)
        optimizer.g2.update(g2)
        optimizer.n_iterations = steps
        self._regression = linear_model.LogisticRegression(optimizer, intercept_init=intercept, intercept_lr=0.0)
        # River gives weights out (`weights`) but has no public way to put them back.
        self._regression._weights = VectorDict(weights)  # noqa: SLF001
        self.pipeline = compose.Pipeline(
            Bins(self.edges), preprocessing.OneHotEncoder(drop_zeros=True), self._regression
        )

    @property
    def cases(self) -> int:
        """Cases learned so far."""
        return self.honest + self.fraud

    @property
    def ready(self) -> bool:
        """Whether enough of both labels was learned for a model to be worth using."""
        return self.honest >= FIRST_HONEST and self.fraud >= FIRST_FRAUD

    def learn_case(self, x: Vector, *, fraud: bool, weight: float = 1.0) -> None:
        """Learn one case. `x` is the vector at decision time, `weight` how many calls the case stands for (> 0)."""
        if not weight > 0:
            raise ModelError(f"a case's weight must be above 0, not {weight}")
        self.pipeline.learn_one(dict(x), fraud, w=weight)
        if fraud:
            self.fraud += 1
        else:
            self.honest += 1
        if self._sample is not None:
            kept = self._sample[fraud]
            if len(kept) < SAMPLE:
                kept.append({name: x.get(name) for name in self.edges})
            if min(map(len, self._sample)) == SAMPLE:
                self._refine()

    def score(self, x: Vector) -> float:
        """River's own probability of fraud, in [0, 1]."""
        return float(self.pipeline.predict_proba_one(dict(x))[True])

    def _refine(self) -> None:
        """Split crowded bins by the first sample; each new bin takes over its old bin's weight and accumulator."""
        assert self._sample is not None
        weights, g2 = self._rows(self._regression.weights), self._rows(self._regression.optimizer.g2)
        self.edges, origin = refined(self.edges, self._sample)
        self.edges_version += 1
        self._sample = None
        self._restore(
            {name: [*(row[old] for old in origin[name]), row[-1]] for name, row in weights.items()},
            {name: [*(row[old] for old in origin[name]), row[-1]] for name, row in g2.items()},
            self._regression.optimizer.n_iterations,
            self._regression.intercept,
        )

    def _rows(self, values: Mapping[str, float]) -> dict[str, list[float]]:
        """One row a feature: a value a bin, the missing one last; 0 for what was never seen."""
        return {
            name: [float(values.get(f"{name}_{place}", 0.0)) for place in (*range(len(edges) + 1), MISSING)]
            for name, edges in self.edges.items()
        }

    def _restore(
        self, weights: dict[str, list[float]], g2: dict[str, list[float]], steps: int, intercept: float
    ) -> None:
        self._build(self._flat(weights), self._flat(g2), steps, intercept)

    def _flat(self, rows: dict[str, list[float]]) -> dict[str, float]:
        flat = {}
        for name, edges in self.edges.items():
            for place, value in zip((*range(len(edges) + 1), MISSING), rows[name], strict=True):
                if value:
                    flat[f"{name}_{place}"] = value
        return flat

    def snapshot(self, version: int, epoch: int, trained_at: int, metrics: Mapping[str, float]) -> ModelSnapshot:
        """What scorers need, sealed; `trained_at` in ms since 1970, `metrics` are finite numbers to show beside it."""
        weights = self._rows(self._regression.weights)
        return seal(
            ModelSnapshot(
                name=CHAMPION,
                version=version,
                epoch=epoch,
                trained_at=trained_at,
                cases=self.cases,
                features=list(self.edges),
                edges=[list(edges) for edges in self.edges.values()],
                weights=[weights[name] for name in self.edges],
                bias=float(self._regression.intercept),
                metrics={**metrics, "edges_version": float(self.edges_version)},
            )
        )

    def state(self) -> dict[str, Any]:
        """Everything that learning goes on from, as JSON would hold it."""
        return {
            "format": FORMAT,
            "edges_version": self.edges_version,
            "edges": self.edges,
            "weights": self._rows(self._regression.weights),
            "g2": self._rows(self._regression.optimizer.g2),
            "intercept": float(self._regression.intercept),
            "steps": self._regression.optimizer.n_iterations,
            "honest": self.honest,
            "fraud": self.fraud,
            "sample": None
            if self._sample is None
            else [[[x[name] for name in self.edges] for x in kept] for kept in self._sample],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Trainer:
        """The trainer that gave `state`; raises `ModelError` for another format, other features, or numbers that do not fit."""
        made = cls()
        if state.get("format") != FORMAT:
            raise ModelError(
                f"trainer state of format {state.get('format')!r}; this release reads {FORMAT}; start the version that wrote it again"
            )
        try:
            found = msgspec.convert(state, _State)
            if list(found["edges"]) != list(made.edges):
                raise ModelError(
                    "trainer state of other features than this release learns from; start with a new trainer"
                )
            made.edges, made.edges_version = found["edges"], found["edges_version"]
            made.honest, made.fraud = found["honest"], found["fraud"]
            sample = found["sample"]
            made._sample = None
            if sample is not None:
                honest, fraud = ([dict(zip(made.edges, row, strict=True)) for row in kept] for kept in sample)
                made._sample = (honest, fraud)
            made._restore(found["weights"], found["g2"], found["steps"], found["intercept"])
        except (ValueError, KeyError) as error:
            raise ModelError(f"trainer state is damaged ({error!r}); start with a new trainer") from None
        made.snapshot(0, 0, 0, {})  # edges and weights that could not be published are refused now
        return made
