"""Texts as people read and write them."""

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.calls.events import LATEST_MS
from streamer.desk.record import plain_json, time_of, time_text


@pytest.mark.parametrize("at_ms", [-(2**63), -(10**17), 253_402_300_800_000, 10**17, 2**63 - 1])
def test_a_time_that_no_calendar_has_is_told_as_it_is(at_ms):
    assert time_text(at_ms) == f"{at_ms} ms"


def test_times_are_utc():
    assert time_text(0) == "1970-01-01T00:00:00.000Z"
    assert time_text(-1) == "1969-12-31T23:59:59.999Z"
    assert time_text(253_402_300_799_000) == "9999-12-31T23:59:59.000Z"


def test_times_that_people_write_are_bounded():
    for span in ("9" * 400 + "d", "99999999999999d"):
        assert time_of(span, 10**12) == 0
        assert time_of(span, 10**12, ahead=True) == 10**12 + LATEST_MS
    assert time_of("1969-12-31", 10**12) == time_of("0001-01-01T00:00:00+23:59", 10**12) == 0


@given(st.dictionaries(st.text(), st.text()))
@example({"\x9b31m\x7f\u202e": "ж\U000e0001\u2028\xad\\"})
def test_what_is_printed_is_the_same_json_and_has_no_sign_that_steers_a_terminal(told):
    for written in (orjson.dumps(told), orjson.dumps(told, option=orjson.OPT_INDENT_2)):
        text = plain_json(written.decode())
        assert orjson.loads(text) == told
        assert text.replace("\n", "").isprintable()
