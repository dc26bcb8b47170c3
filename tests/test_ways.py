"""By which operator and trunk calls come: what is known of it is what a look at the registers would say now."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import ways
from streamer.calls.texts import CALL_ID, OPERATOR, TRUNK, laid_out
from streamer.ways import Way, Ways
from streamer.windows.hashing import secret_words
from tests.test_engine import NOW, engine

SECRET = secret_words(b"t")
LONG = "t" * 255
TRUNKS = [None, "", "t1", "t2", "é", LONG, f"{LONG}a", f"{LONG}b"]
CONTROL = [
    *(("trunks", f"op-a/{trunk}", {"operator": "op-a", "trunk": trunk, "kind": "direct"}) for trunk in ("t1", "é", LONG)),
    *(
        ("lists", f"p{trunk}", {"list": "block", "match": "prefix", "number": "+7702", "side": "caller", "trunk": trunk})
        for trunk in ("t1", "t2")
    ),
    ("operators", "op-b", {"operator": "op-b", "ranges": ["+7703"]}),
    *(
        ("policy", f"demotion/{detector}/op-a{place}", {"detector": detector, "operator": "op-a", **of})
        for detector, place, of in (("robocall", "/t1", {"trunk": "t1"}), ("model", "", {}), ("model", f"/{LONG}", {"trunk": LONG}))
    ),
    ("subscribers.line", "+77030000001", {"number": "+77030000001", "at": NOW, "fact": "line", "value": "active", "operator": "op-c"}),
]  # fmt: skip
way = st.tuples(st.sampled_from(["op-a", "op-b", "op-c", "é"]), st.sampled_from(TRUNKS))
step = st.one_of(
    st.tuples(st.sampled_from(CONTROL), st.booleans()),
    st.lists(way, min_size=1, max_size=5),
)


def texts(pairs):
    return laid_out({OPERATOR: [operator for operator, _ in pairs], TRUNK: [trunk for _, trunk in pairs]})


def said(held, pairs, known):
    """Of each call its way, what is known of it, and the name of its operator."""
    taken = held.of(texts(pairs), known)
    return [
        (taken.ways[which], taken.known[which, : ways.NAME].tolist(), taken.operators[name])
        for which, name in zip(taken.way.tolist(), taken.operator.tolist(), strict=True)
    ]


@settings(max_examples=200)
@given(st.lists(step, max_size=30), st.sampled_from([ways.MOST, 2]))
def test_what_is_known_of_a_way_is_what_a_fresh_look_says(steps, most):
    known, held = engine()._in_force, Ways(SECRET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "MOST", most)
        for each in steps:
            if isinstance(each, list):
                found = said(held, each, known)
                assert found == said(Ways(SECRET), each, known)
                assert [(way.operator, way.trunk, name) for way, _, name in found] == [
                    (*pair, pair[0]) for pair in each
                ]
            else:
                (kind, key, value), there = each
                known.apply(kind, key, orjson.dumps(value) if there else None)


def test_a_trunk_that_is_registered_between_batches_is_known_in_the_next_one():
    known, held = engine()._in_force, Ways(SECRET)
    before = said(held, [("op-a", "t1")], known)
    known.apply("trunks", "op-a/t1", b'{"operator":"op-a","trunk":"t1","kind":"direct"}')
    assert before[0][1][ways.REGISTERED] == 0 < said(held, [("op-a", "t1")], known)[0][1][ways.REGISTERED]


def test_invented_names_are_forgotten():
    known, held = engine()._in_force, Ways(SECRET)
    for number in range(50):
        said(held, [("op-a", f"{number}-{'t' * 60_000}"), ("op-a", "t1")], known)
    assert sum(len(way.trunk) for way in held.of(texts([("op-a", "t1")]), known).ways) < 1_200_000


def test_a_trunk_is_counted_by_the_characters_that_it_may_have():
    assert {Way("op-a", f"{LONG}{end}").counted for end in "ab"} == {LONG}
    assert Way("op-a", None).counted == Way("op-a", "").counted == ""


def test_texts_are_where_they_say():
    found = laid_out({CALL_ID: ["a", "é", ""], TRUNK: [None, "t", None]})
    assert [found.text(CALL_ID, row) for row in range(3)] == found.of(CALL_ID) == ["a", "é", ""]
    assert [found.text(TRUNK, row) for row in range(3)] == [None, "t", None]
    assert found.text(OPERATOR, 0) is None
