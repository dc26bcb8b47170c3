"""TNAuthLists: what they hold, against a plain list of numbers, and what is no such list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import IdentityError
from streamer.identity import authority
from tests.identity.signing import der, numbers, one, spc, text, tn_list

digits = st.text("0123456789", min_size=1, max_size=4)


@given(
    st.lists(digits.map(lambda number: ("one", number, 1)) | st.tuples(st.just("range"), digits, st.integers(2, 300)), min_size=1, max_size=5),
    st.lists(digits, max_size=20),
)  # fmt: skip
def test_a_list_holds_the_numbers_that_it_names_and_no_others(entries, asked):
    found = authority.read(
        tn_list(*(one(start) if kind == "one" else numbers(start, count) for kind, start, count in entries))
    )
    counted = [
        (f"{number:0{len(start)}d}", len(start))
        for _, start, count in entries
        for number in range(int(start), int(start) + count)
    ]
    named = {number for number, length in counted if len(number) == length}
    for number in (*asked, *(number for number, _ in counted[:50]), *(number for number, _ in counted[-50:])):
        assert found.holds(number) == (number in named)


def test_a_service_provider_code_may_stand_for_any_number():
    found = authority.read(tn_list(one("12155550100"), spc("709J")))
    assert found.codes == ("709J",)
    assert found.holds("77011234567")
    assert str(found) == "SPC 709J, 12155550100"


def test_a_range_is_told_by_both_ends():
    assert str(authority.read(tn_list(numbers("77011234500", 100)))) == "77011234500 to 77011234599"


@pytest.mark.parametrize("number", ["", "+77011234567", "7701123456x", "٧٧", "7" * 16, "7" * 4_400])
def test_what_is_no_number_is_held_by_no_list_of_numbers(number):
    assert not authority.read(tn_list(numbers("1", 10**14))).holds(number)


@pytest.mark.parametrize("content", [
    b"", b"\x30", tn_list(), tn_list(b"\xa0\x02\x16\x00"), tn_list(der(0xA0, der(0x16, b"\xff"))),
    tn_list(der(0xA3, text("1"))), tn_list(one("12345678901234567")), tn_list(one("12#")), tn_list(numbers("1", 2)) + b"x",
    tn_list(der(0xA1, der(0x30, text("1")))), tn_list(der(0xA1, der(0x30, text("1") + der(2, b"\x01")))),
    tn_list(der(0xA1, der(0x30, text("1") + der(2, b"\xff\xff")))), tn_list(der(0xA0, text("1") + b"x")),
    b"\x30\x80\x00\x00", b"\x30\x81\x05" + b"\x00" * 5, b"\x30\x85" + b"\x01" * 5, b"\x30\x82\xff\xff" + b"\x00" * 9, der(0x31, spc("1")),
    tn_list(*[one("1")] * 10_001),
])  # fmt: skip
def test_what_is_no_list_is_refused(content):
    with pytest.raises(IdentityError):
        authority.read(content)
