"""Messages and state of newer and older versions: read alike, or refused by name and without a trace."""

import json
import re
from pathlib import Path

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import __version__, schemas, versions
from streamer.calls import codec
from streamer.calls.decisions import Demotion, ModelSnapshot
from streamer.demotions import demotion_key
from streamer.engine import Engine
from streamer.errors import MessageError, ModelError, StateError
from streamer.models import snapshot
from streamer.models.trainer import Trainer
from streamer.registers import facts
from streamer.training.state import TrainerState
from tests.test_engine import NOW, batch, engine, judge, model, offer, setup, windows

SAMPLES = Path(__file__).parent / "samples"
WRITTEN = sorted(SAMPLES.glob("*/*.json"))
STATE = sorted(SAMPLES.glob("state/layout-*.bin"))
CALLER = "+77011234567"


def document(name):
    """The schema of a message: which objects have fields, and which are maps whose keys are names."""
    return json.loads((SAMPLES.parent.parent / "schemas" / f"{name}.v1.json").read_text("utf-8"))


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def newer(draw, value, shape, defs):
    """The same message with fields that nobody knows yet in every object that has fields, before, between and after its own."""
    shape = defs.get(shape["$ref"].rsplit("/", 1)[-1], {}) if "$ref" in shape else shape
    if isinstance(value, list):
        return [newer(draw, one, shape.get("items", {}), defs) for one in value]
    if not isinstance(value, dict):
        return value
    for choice in shape.get("anyOf", ()):
        if choice.get("type") == "object" or "$ref" in choice:
            return newer(draw, value, choice, defs)
    fields = shape.get("properties")
    if fields is None:
        return {key: newer(draw, one, shape.get("additionalProperties", {}), defs) for key, one in value.items()}
    known = [(key, newer(draw, one, fields.get(key, {}), defs)) for key, one in value.items()]
    names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda name: name not in fields)
    added = draw(st.dictionaries(names, anything, min_size=1, max_size=3))
    return dict(draw(st.permutations([*known, *added.items()])))


@pytest.mark.parametrize("sample", WRITTEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_fields_that_nobody_knows_yet_change_nothing(sample, data):
    raw = sample.read_bytes()
    shape = document(sample.stem)
    kind = schemas.MESSAGES[sample.stem]
    changed = orjson.dumps(newer(data.draw, orjson.loads(raw), shape, shape.get("$defs", {})), option=orjson.OPT_PASSTHROUGH_DATETIME) if False else json.dumps(newer(data.draw, orjson.loads(raw), shape, shape.get("$defs", {}))).encode()
    assert changed != raw
    assert msgspec.json.decode(changed, type=kind) == msgspec.json.decode(raw, type=kind)
    if sample.stem in {"setup", "answer", "end"}:
        assert codec.decode_calls([raw, changed])[1] == [codec.decode_call(raw)] * 2
