"""The compiled scorer says what River says, to 1e-9, whatever the vector."""

import json
import math

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import features
from streamer.models.binning import Bins, refined
from streamer.models.scorer import contributions, no_model, score_row, tables
from streamer.models.trainer import SAMPLE, Trainer

CLOSE = 1e-9


def draw(random: np.random.Generator, *, fraud: bool) -> dict[str, float | None]:
    x = random.exponential(3.0, features.COUNT)
    x[features.INDEX["attempts_10m"]] = random.poisson(30 if fraud else 2)
    x[features.INDEX["distinct_10m"]] = random.poisson(28 if fraud else 1.5)
    x[random.random(features.COUNT) < 0.1] = math.nan
    return {name: None if math.isnan(v) else float(v) for name, v in zip(features.NAMES, x, strict=True)}


def row(x: dict[str, float | None]) -> np.ndarray:
    return np.array([math.nan if x[name] is None else x[name] for name in features.NAMES], np.float64)


@pytest.fixture(scope="module")
def taught() -> Trainer:
    """Taught past its first sample, so that its edges were split."""
    random, trainer = np.random.default_rng(7), Trainer()
    for number in range(4 * SAMPLE):
        fraud = number % 3 == 0
        trainer.learn_case(draw(random, fraud=fraud), fraud=fraud, weight=1.0 if fraud else 20.0)
    assert trainer.edges_version == 2
    return trainer


def test_equals_river_on_whole_batches(taught):
    random = np.random.default_rng(8)
    drawn = [draw(random, fraud=bool(n % 2)) for n in range(500)]
    model = tables(taught.snapshot(1, 1, 0, {}))
    scores = np.array([score_row(row(x), model) for x in drawn])
    assert np.abs(scores - [taught.score(x) for x in drawn]).max() < CLOSE


@settings(max_examples=200)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=features.COUNT, max_size=features.COUNT)
)
def test_equals_river_on_any_values_unseen_bins_and_infinities_included(taught, values):
    x = dict(zip(features.NAMES, values, strict=True))
    assert score_row(row(x), tables(taught.snapshot(1, 1, 0, {}))) == pytest.approx(taught.score(x), abs=CLOSE)


def test_equals_river_on_the_edges_themselves(taught):
    model = tables(taught.snapshot(1, 1, 0, {}))
    for name, edges in taught.edges.items():
        for edge in edges:
            for value in (edge, math.nextafter(edge, -math.inf), math.nextafter(edge, math.inf)):
                x = dict.fromkeys(features.NAMES, 0.0) | {name: value}
                assert score_row(row(x), model) == pytest.approx(taught.score(x), abs=CLOSE)


def test_contributions_are_exact(taught):
    snapshot = taught.snapshot(1, 1, 0, {})
    x = row(draw(np.random.default_rng(9), fraud=True))
    parts = contributions(x, tables(snapshot))
    assert list(parts) == snapshot.features
    assert 1 / (1 + math.exp(-sum(parts.values()) - snapshot.bias)) == pytest.approx(
        score_row(x, tables(snapshot)), abs=CLOSE
    )


def test_no_model_gives_no_score():
    assert math.isnan(score_row(np.zeros(features.COUNT), no_model()))
    assert math.isnan(score_row(np.zeros(features.COUNT), tables(None)))


def test_an_untaught_model_is_undecided():
    assert score_row(np.zeros(features.COUNT), tables(Trainer().snapshot(1, 1, 0, {}))) == 0.5


def test_splitting_bins_changes_no_score(taught):
    random, trainer = np.random.default_rng(10), Trainer()
    probes = [draw(random, fraud=bool(n % 2)) for n in range(100)]
    while trainer.edges_version == 1:
        fraud = trainer.fraud <= trainer.honest
        before = Trainer.from_state(trainer.state())
        x = draw(random, fraud=fraud)
        trainer.learn_case(x, fraud=fraud)
    before._sample = None
    before.learn_case(x, fraud=fraud)
    assert before.edges_version == 1
    assert any(len(trainer.edges[name]) > len(before.edges[name]) for name in trainer.edges)
    for probe in probes:
        assert trainer.score(probe) == pytest.approx(before.score(probe), abs=1e-12)


def test_a_trainer_goes_on_from_its_state_as_if_nothing_had_happened():
    random = np.random.default_rng(11)
    cases = [(draw(random, fraud=n % 4 == 0), n % 4 == 0) for n in range(1_400)]
    one, other = Trainer(), Trainer()
    for number, (x, fraud) in enumerate(cases):
        one.learn_case(x, fraud=fraud, weight=3.0)
        other.learn_case(x, fraud=fraud, weight=3.0)
        if number % 350 == 0:
            other = Trainer.from_state(json.loads(orjson.dumps(other.state())))
    assert one.edges_version == 2
    assert one.snapshot(1, 1, 0, {}) == other.snapshot(1, 1, 0, {})
    assert one.state() == other.state()


def test_a_campaign_is_learned_and_honest_callers_stay_low(taught):
    random = np.random.default_rng(12)
    campaign = np.mean([taught.score(draw(random, fraud=True)) for _ in range(200)])
    honest = np.mean([taught.score(draw(random, fraud=False)) for _ in range(200)])
    assert campaign > 0.75
    assert honest < 0.01


def test_values_move_only_what_they_should():
    edges, origin = refined(
        {"age": [10.0], "own_line": [0.5]}, [[{"age": float(n), "own_line": 0.0} for n in range(60)], []]
    )
    assert 10.0 in edges["age"]
    assert len(edges["age"]) > 3
    assert edges["own_line"] == [0.5]
    assert [place == 1 for place in origin["age"]] == [edge >= 10.0 for edge in [-1.0, *edges["age"]]]
    assert Bins(edges).transform_one({"age": None})["age"] == "missing"
