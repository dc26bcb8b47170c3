"""The table of demotions against one made anew each time, its rows, and records that it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.calls.decisions import Demotion
from streamer.calls.events import OperatorInfo
from streamer.demotions import Demotions, demotion_key, named_by
from streamer.errors import MessageError
from streamer.policy import MODEL_ROW
from streamer.registers import operators
from streamer.windows.hashing import secret_words

NOW = 1_763_953_000_000
DETECTORS = ["robocall", "model", "number_invalid", "no_such"]


def register():
    known = operators.Register(secret_words(b"t"))
    return known, Demotions(known)


said = st.builds(
    Demotion,
    detector=st.sampled_from(DETECTORS),
    operator=st.sampled_from(["op-a", "op-b"]),
    trunk=st.sampled_from([None, "", "t1", "t2"]),
    at=st.just(NOW),
    until=st.none() | st.integers(NOW, NOW + 5),
)
moves = st.lists(
    st.tuples(st.just("put"), said) | st.tuples(st.just("remove"), said) | st.tuples(st.just("bring"), st.lists(said)),
    max_size=30,
)


def until(held, known, detector, operator, trunk):
    """What the table says; the column of a detector is found by demoting it alone."""
    row = known.row(operator) if trunk is None else held.scopes.get((operator, trunk))
    return 0 if row is None else int(held.until[row, column(detector)])


def column(detector):
    _, alone = register()
    alone.put(f"demotion/{detector}/x", Demotion(detector=detector, operator="x"))
    return int(np.flatnonzero(alone.until.any(axis=0))[0])


@settings(max_examples=150)
@given(moves)
def test_the_table_says_the_longest_of_all_that_hold(steps):
    known, held = register()
    there, own = {}, []
    for move, what in steps:
        if move == "put":
            there[demotion_key(what)] = what
            held.put(demotion_key(what), what)
        elif move == "remove":
            there.pop(demotion_key(what), None)
            held.remove(demotion_key(what))
        else:
            own = what
            held.bring(what)
        wanted = {}
        for each in [*there.values(), *own]:
            if each.detector in {"robocall", "model"}:
                place = (each.detector, each.operator, each.trunk)
                wanted[place] = max(wanted.get(place, 0), 2**62 if each.until is None else each.until)
        for detector in ("robocall", "model"):
            for operator in ("op-a", "op-b"):
                for trunk in (None, "", "t1", "t2"):
                    place = detector, operator, trunk
                    assert until(held, known, *place) == wanted.get(place, 0)
        assert set(held.scopes) == {place[1:] for place in wanted if place[2] is not None}
        assert len(set(held.scopes.values())) == len(held.scopes)
        assert np.count_nonzero(held.until) == len(wanted)


def test_the_table_grows_with_the_trunks_and_their_rows_are_used_again():
    _, held = register()
    for number in range(1_000):
        demotion = Demotion(detector="robocall", operator="op-a", trunk=f"t{number}")
        held.put(demotion_key(demotion), demotion)
    assert np.count_nonzero(held.until) == 1_000
    rows = len(held.until)
    for number in range(1_000, 3_000):
        gone = Demotion(detector="robocall", operator="op-a", trunk=f"t{number - 1_000}")
        held.remove(demotion_key(gone))
        demotion = Demotion(detector="robocall", operator="op-a", trunk=f"t{number}")
        held.put(demotion_key(demotion), demotion)
    assert (len(held.until), np.count_nonzero(held.until)) == (rows, 1_000)


def test_operators_that_share_a_row_and_one_that_gets_its_own():
    known, held = register()
    for number in range(operators.CAPACITY // 2):
        known.row(f"invented{number}")
    shared = operators.CAPACITY - 1
    ends = {"op-a": NOW + 1, "op-b": NOW + 2}
    for operator, end in ends.items():
        held.put(f"demotion/model/{operator}", Demotion(detector="model", operator=operator, until=end))
    assert held.until[shared, MODEL_ROW] == NOW + 2
    known.put(OperatorInfo(operator="op-b"))
    held.seat()
    assert (held.until[shared, MODEL_ROW], held.until[known.row("op-b"), MODEL_ROW]) == (NOW + 1, NOW + 2)
    held.put("demotion/model/op-c", Demotion(detector="model", operator="op-c", until=NOW + 3))
    held.remove("demotion/model/op-c")
    assert held.until[shared, MODEL_ROW] == NOW + 1
    held.remove("demotion/model/op-a")
    held.remove("demotion/model/op-b")
    assert not held.until.any()


@pytest.mark.parametrize(
    "key", ["demotion/robocall/op-a/", "demotion/wangiri/op-a", "demotion/robocall", "demotion/a/b/c/d"]
)
def test_a_record_under_another_key_than_its_own_is_refused(key):
    _, held = register()
    with pytest.raises(MessageError, match="its key is 'demotion/robocall/op-a'"):
        held.put(key, Demotion(detector="robocall", operator="op-a"))
    assert not held.until.any()


@pytest.mark.parametrize("key", ["policy@1", "demotion/robocall", "demotion/a/b/c/d", "demotion"])
def test_other_keys_name_nothing(key):
    assert named_by(key) is None
