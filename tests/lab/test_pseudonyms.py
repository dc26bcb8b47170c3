"""Numbers for pseudonyms: of the plan, the same for the same, another for another, unguessable without the secret."""

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import MessageError
from streamer.lab.pseudonyms import Pseudonyms

NAMES = st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=60)


@given(NAMES, st.randoms(use_true_random=False))
def test_a_pseudonym_keeps_its_number_and_no_two_share_one(names, random):
    numbers = Pseudonyms(b"key")
    given_ = {name: numbers.number("+1NXXN555XXXX", name) for name in names}
    assert len(set(given_.values())) == len(names)
    assert all(re.fullmatch(r"\+1[2-9]\d\d[2-9]555\d{4}", number) for number in given_.values())
    random.shuffle(names)
    assert {name: numbers.number("+1NXXN555XXXX", name) for name in names} == given_


def test_the_secret_decides():
    names = [str(n) for n in range(50)]
    one, other = ([Pseudonyms(key).number("+7701XXXXXXX", name) for name in names] for key in (b"one", b"other"))
    assert not set(one) & set(other)


def test_a_number_that_is_taken_is_passed_over_and_an_empty_plan_is_told():
    numbers = Pseudonyms(b"key")
    assert {numbers.number("+777X", str(n)) for n in range(8)} <= {f"+777{n}" for n in range(10)}
    with pytest.raises(MessageError, match="hardly a number left"):
        [numbers.number("+777X", str(n)) for n in range(8, 30)]


def test_beyond_what_is_remembered_numbers_are_given_unchecked_and_counted():
    numbers = Pseudonyms(b"key", remembered=2)
    first = [numbers.number("+7701XXXXXXX", str(n)) for n in range(5)]
    assert numbers.unchecked == 3
    assert [numbers.number("+7701XXXXXXX", str(n)) for n in range(5)] == first


def test_pseudonyms_as_long_as_a_line_are_not_remembered():
    numbers, count, length = Pseudonyms(b"key"), 400, 100_000
    tracemalloc.start()
    try:
        first = [numbers.number("+7701XXXXXXX", f"{n:0{length}}") for n in range(count)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < count * length / 100
    assert numbers.unchecked == count
    assert [numbers.number("+7701XXXXXXX", f"{n:0{length}}") for n in range(count)] == first
