"""The corpus again, and some hundred inputs more to each decoder; `make fuzz` is the long form."""

import random
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing import __main__ as fuzzing
from tests.fuzzing import corpus
from tests.fuzzing.mutation import mutated
from tests.fuzzing.run import Watched
from tests.fuzzing.target import Target
from tests.fuzzing.targets import TARGETS

each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@each_target
def test_what_is_kept_comes_to_what_it_has_to(target):
    draw = random.Random(1)
    pool = [*target.seeds(), *corpus.read(target.name)]
    for data in pool:
        target.run(data)
    for _ in range(200):
        target.run((target.mutate or mutated)(draw, draw.choice(pool), pool, target.tokens))


@each_target
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=100), at=st.integers(0, 10_000))
def test_any_bytes_in_a_sound_input(target, data, at):
    sound = target.seeds()[at % len(target.seeds())]
    place = at % (len(sound) + 1)
    target.run(data)
    target.run(sound[:place] + data + sound[place + len(data) * (at % 2) :])


def test_every_file_of_the_corpus_is_of_a_target():
    assert {path.name for path in corpus.FOLDER.iterdir()} <= TARGETS.keys()


def fails(data):
    return 1 // len(data)


def test_what_a_target_raises_is_a_finding(tmp_path):
    watched = Watched(Target("faulty", fails, list, 1, ""), 2, tmp_path)
    assert [watched(data) for data in (b"x", b"", b"xx")] == [1, None, 0]
    (finding,) = watched.found
    assert finding == "ZeroDivisionError "
    assert [path.read_bytes() for path in tmp_path.glob("finding-*") if path.suffix != ".txt"] == [b""]


@pytest.mark.parametrize("way", ["plain", pytest.param("guided", marks=pytest.mark.skipif(not find_spec("atheris"), reason="there is no wheel of atheris for this machine"))])  # fmt: skip
def test_a_run_counts_its_inputs(tmp_path, way):
    with fuzzing.Runner(way, 1, tmp_path / "errors") as runner:
        told = runner.run("pointers-to-state", 2_000, tmp_path / way)
    assert told["inputs"] >= 2_000
    assert told["findings"] == []
    assert len(corpus.written_down(tmp_path / way / "kept")) == told["answers"] > 2
