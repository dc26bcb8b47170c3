"""Snapshots: what was altered, misshapen or comes from a trainer that lost its lease is refused."""

import msgspec
import pytest

from streamer.calls import codec
from streamer.errors import ModelError
from streamer.models.scorer import tables
from streamer.models.snapshot import accepts, key, pointer, pointer_key, seal, verify
from streamer.models.trainer import Trainer


@pytest.fixture
def sealed():
    return Trainer().snapshot(7, 2, 1_763_953_123_123, {"log_loss": 0.1})


def altered(snapshot, **changes):
    return msgspec.structs.replace(snapshot, **changes)


def test_survives_the_wire(sealed):
    received = codec.decode_model(codec.encode(sealed))
    verify(received)
    assert received == sealed
    assert (key(received), pointer_key(received.name)) == ("champion@7", "current/champion")
    assert codec.decode_model_pointer(codec.encode(pointer(received))).epoch == 2


@pytest.mark.parametrize(
    "change",
    [
        {"bias": 5.0}, {"epoch": 3}, {"version": 8}, {"cases": 1}, {"metrics": {}}, {"sha256": ""}, {"sha256": "0" * 64},
        {"trained_at": 0}, {"name": "other"},
    ],
)  # fmt: skip
def test_tampering_is_seen(sealed, change):
    with pytest.raises(ModelError, match="sha256"):
        verify(altered(sealed, **change))


def test_a_single_weight_is_seen(sealed):
    weights = [list(row) for row in sealed.weights]
    weights[3][1] += 1e-12
    with pytest.raises(ModelError, match="sha256"):
        verify(altered(sealed, weights=weights))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"features": ["attempts_1m"]}, "as many"),
        ({"features": ["hour"], "edges": [[1.0]], "weights": [[0.0] * 3]}, "may learn from"),
        ({"features": ["no_such"], "edges": [[1.0]], "weights": [[0.0] * 3]}, "may learn from"),
        ({"features": ["age", "age"], "edges": [[1.0]] * 2, "weights": [[0.0] * 3] * 2}, "twice"),
        ({"features": ["age"], "edges": [[1.0]], "weights": [[0.0] * 2]}, "two more"),
        ({"features": ["age"], "edges": [[2.0, 1.0]], "weights": [[0.0] * 4]}, "rising"),
        ({"features": ["age"], "edges": [[1.0, 1.0]], "weights": [[0.0] * 4]}, "rising"),
        ({"features": ["age"], "edges": [[float("inf")]], "weights": [[0.0] * 3]}, "finite"),
        ({"features": ["age"], "edges": [[1.0]], "weights": [[0.0, float("nan"), 0.0]]}, "finite"),
        ({"features": ["age"], "edges": [list(map(float, range(63)))], "weights": [[0.0] * 65]}, "at most"),
        ({"bias": float("nan")}, "bias"),
    ],
)
def test_wrong_layouts_are_refused_sealed_or_not(sealed, change, why):
    wrong = altered(sealed, **change)
    with pytest.raises(ModelError, match=why):
        seal(wrong)
    with pytest.raises(ModelError, match=why):
        tables(wrong)


def test_older_epochs_are_refused():
    assert accepts(None, (0, 0))
    assert not accepts((3, 1), (2, 900))
    assert accepts((3, 9), (4, 1))
