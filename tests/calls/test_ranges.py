"""Ranges of operators and trunks: one form however they were written, and a reason where no number could match."""

import re

import pytest
from phonenumbers import PhoneNumberFormat, example_number, format_number

from streamer.calls.numbers import home_plan, normalise
from streamer.calls.ranges import ranges_of


@pytest.mark.parametrize(
    ("home", "written", "found"),
    [
        *(("DE", text, "+498912345") for text in ("+498912345", "+49 89 12345", "+4989-12345", "08912345", "089/12345")),
        *(("DE", text, "+498912345") for text in ("004989 12345", "498912345", "+49 (89) 12345")),
        ("DE", "0170", "+49170"), ("DE", "+441", "+441"), ("DE", "+4", "+4"), ("DE", "447400123456", "+447400123456"),
        ("KZ", "8727234", "+7727234"), ("KZ", "7701", "+7701"), ("KZ", "+7800080", "+7800080"), ("KZ", "8107701", "+7701"),
        ("KZ", "87019990000", "+77019990000"), ("KZ", "7019990000", "+77019990000"),
        ("US", "1212555", "+1212555"), ("US", "2125550000", "+12125550000"), ("IT", "+3906", "+3906"), ("BR", "011", "+5511"),
    ],
)  # fmt: skip
def test_as_they_are_compared(home, written, found):
    assert ranges_of([written], home_plan(home)) == ([found], [])


@pytest.mark.parametrize(
    ("home", "written", "why"),
    [
        *(("DE", text, r"as dialled in DE: write \+ and the calling code") for text in ("8912345", "0", "00", "110")),
        ("US", "212555", "as dialled in US"), ("KZ", "727234", "as dialled in KZ"), ("IT", "06", "as dialled in IT"),
        *(("DE", text, "can never match: a range is digits") for text in ("", "+", "bank", "+49x", "+49+89", "+٤٩")),
        *(("DE", text, "begins with no calling code") for text in ("+0", "+8912345", "+4989" + "1" * 12)),
        *(("DE", text, r"behind \+49 the 0 is left out") for text in ("+490891", "+49 (0)89 1", "0049089")),
    ],
)  # fmt: skip
def test_what_could_never_match(home, written, why):
    sound, (told,) = ranges_of(["+4989", written, "+4930"], home_plan(home))
    assert sound == ["+4989", "+4930"]
    assert told.startswith(f"range {written!r} ")
    assert re.search(why, told)


@pytest.mark.parametrize("home", ["DE", "KZ", "US", "GB", "IT", "RU", "FR"])
@pytest.mark.parametrize("form", [PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL])
def test_a_whole_number_is_read_as_numbers_are(home, form):
    if (home, form) == ("IT", PhoneNumberFormat.NATIONAL):
        return  # without a trunk prefix, a number is told from the beginning of another by its length alone
    plan, text = home_plan(home), format_number(example_number(home), form)
    assert ranges_of([text], plan) == ([normalise(text, plan)], [])
