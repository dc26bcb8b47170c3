"""Reasons as words: what goes in comes out, one a source, within the bits that there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.reasons import CODING, REASONS, THROTTLED, Coding, names_of

_ONE_A_SOURCE = st.tuples(
    *(st.sampled_from([None, *field.names]) for field in CODING.fields.values())
).map(lambda drawn: [name for name in drawn if name is not None])  # fmt: skip


@given(_ONE_A_SOURCE)
def test_one_reason_a_source_comes_back_as_it_was(names):
    word = CODING.word_of(names)
    assert 0 <= word < 1 << CODING.bits
    assert list(names_of(word)) == names == CODING.names_of(word)
    assert bool(word & THROTTLED) == ("input.throttled" in names)


@given(st.lists(st.sampled_from([*REASONS, "gone.long_ago", "wangiri.new", "", "."])))
def test_of_any_reasons_the_first_known_one_of_each_source_stands(names):
    first = {}
    for name in names:
        if name in REASONS:
            first.setdefault(name.partition(".")[0], name)
    assert set(CODING.names_of(CODING.word_of(names))) == set(first.values())


@given(st.lists(st.from_regex(r"[a-d]\.[a-i]", fullmatch=True)))
def test_any_names_have_a_coding(names):
    coding = Coding(names)
    assert all(coding.names_of(coding.word_of([name])) == [name] for name in names)


@pytest.mark.parametrize("name", REASONS)
def test_every_reason_is_one(name):
    assert CODING.names_of(CODING.word_of([name])) == [name]
