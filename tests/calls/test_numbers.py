"""The caller key as the contract has it, by literal examples; the published vectors say the same."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls.compiled_numbers import Numbers
from streamer.calls.numbers import (
    OTHER,
    SHORT,
    caller_key,
    home_plan,
    is_withheld,
    normalise,
    number_id,
    partition_of,
    utf8,
)
from streamer.calls.texts import ASSERTED, CALLEE, CALLER, laid_out
from streamer.calls.vectors import document, vectors

KZ = home_plan("KZ")
SECRET = (1, 2)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("+77011234567", "+77011234567"),
        ("8 701 123 45 67", "+77011234567"),
        ("0077011234567", "+77011234567"),
        ("81077011234567", "+77011234567"),
        ("sip:+77011234567@op.kz;user=phone", "+77011234567"),
        ("7011234567", "+77011234567"),
        ("6011234567", "+76011234567"),
        ("9011234567", "+9011234567"),
        ("85212345678", "+75212345678"),
        ("77011234567", "+77011234567"),
        ("112", "112"),
        ("  reception ", "reception"),
        ("+1234567890123456", "+1234567890123456"),
    ],
)
def test_normalised(raw, expected):
    assert normalise(raw, KZ) == expected


@pytest.mark.parametrize("user", ["anonymous", "Unavailable", "RESTRICTED", "unKnown"])
@pytest.mark.parametrize(
    "form", ["{}", " {} ", "sip:{}@op.kz", "SIP:{}@anonymous.invalid", "<sip:{}@x;user=phone>", "tel:{}"]
)
def test_withheld_users(user, form):
    assert is_withheld(form.format(user))


@pytest.mark.parametrize(
    "raw",
    [
        "+77011234567",
        "anonymous1",
        "anonymous.invalid",
        "x@anonymous.invalid.kz",
        "x@notanonymous.invalid",
        "unknown caller",
        "@x",
    ],
)
def test_not_withheld(raw):
    assert not is_withheld(raw)


def test_withheld_callers_spread_by_called_number():
    keys = {caller_key("anonymous", None, f"8727{number:07d}", KZ) for number in range(200)}
    assert len({partition_of(utf8(key), 24) for key in keys}) == 24
    assert caller_key("", None, "87272345678", KZ) == caller_key("anonymous", "", "+77272345678", KZ)
    assert caller_key("", "8 701 123 45 67", "112", KZ) == "+77011234567"


def test_ids_say_what_they_stand_for():
    assert number_id("+77011234567", SECRET) == 77011234567
    assert number_id("112", SECRET) != number_id("0112", SECRET)
    assert number_id("112", SECRET) & SHORT
    assert number_id("x", SECRET) & OTHER
    assert number_id("x", SECRET) != number_id("x", (2, 1))


@given(st.text(max_size=64))
def test_normalising_again_changes_nothing(raw):
    once = normalise(raw, KZ)
    assert normalise(once, KZ) == once
    assert 0 < number_id(once, SECRET) < 2**63


def test_the_published_vectors_are_these():
    published = json.loads(
        (Path(__file__).parents[2] / "schemas" / "caller-key-vectors.json").read_text(encoding="utf-8")
    )
    made = document()
    for home, plan in made["plans"].items():
        assert published["plans"][home].items() >= plan.items()
    assert published | {"plans": None} == made | {"plans": None}
    assert len(vectors()) >= 60
    assert len({json.dumps(vector) for vector in vectors()}) == len(vectors())


@pytest.mark.parametrize("home", sorted({vector["home"] for vector in vectors()}))
def test_the_compiled_path_gives_the_vectors(home):
    cases = [vector for vector in vectors() if vector["home"] == home]
    kinds = {CALLER: "caller", CALLEE: "callee", ASSERTED: "asserted"}
    texts = laid_out({which: [case[name] for case in cases] for which, name in kinds.items()})
    for partitions in (4, 24):
        found = Numbers.prepared(home_plan(home), SECRET, partitions).resolve(texts)
        assert [found.key_of(row) for row in range(len(cases))] == [case["key"] for case in cases]
        assert found.partition.tolist() == [case[f"partition_of_{partitions}"] for case in cases]
        assert found.withheld.tolist() == [case["withheld"] for case in cases]
