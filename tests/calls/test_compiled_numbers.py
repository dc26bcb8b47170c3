"""The compiled path against the reference, on every text there is."""

import functools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer.calls.compiled_numbers import Numbers
from streamer.calls.numbers import (
    caller_key,
    home_plan,
    is_withheld,
    normalise,
    number_id,
    partition_of,
    utf8,
    written_bare,
)
from streamer.calls.plan import VALID, classify
from streamer.calls.texts import ASSERTED, CALLEE, CALLER, laid_out

SECRET = (0x1234567890ABCDEF, 0xFEDCBA0987654321)
HOMES = ("KZ", "GB", "US", "DE", "IT", "DK", "BR", "AU")


@functools.cache
def numbers(home: str) -> Numbers:
    return Numbers.prepared(home_plan(home), SECRET, 24)


def laid(callers, callees, asserted):
    return laid_out({CALLER: callers, CALLEE: callees, ASSERTED: asserted})


digits = st.text("0123456789", max_size=18)
spelled = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", " ", "<", "\t<", "A <", '"B" <', '"<1>\\"" < ', '"C', '"é"<', "+1<2<"]),
        st.sampled_from(["", "", "sip:", "SIPS:", "tel:", "Sip:sip:", "sips"]),
        st.sampled_from(
            [
                "",
                "+",
                "%2B",
                "%2b+",
                "++",
                "00",
                "810",
                "8",
                "0",
                "7",
                "011",
                "1",
                "87",
                "+7701",
                "anonymous",
                "Unknown",
                "RESTRICTED ",
            ]
        ),
        digits,
        st.sampled_from(["", "-", " ", ".", "()", "/", "[]", "x", "\n", "\x1f", "\x00", ">"]),
        digits,
        st.sampled_from(
            [
                "",
                "",
                ";phone-context=+7",
                "@op.kz;user=phone",
                "@",
                ";",
                "@anonymous.invalid",
                "@ Anonymous.INVALID:5060>",
                "> ",
                ">;tag=1",
                "@anonymous.invalid>@x",
            ]
        ),
    ),
)
hostile = st.text(
    st.sampled_from('+0178 9-./()[]{}<>@;:%2Bb"\\sipteanoymuvlcdrkw\n\r\t\x0b\x1c\x1f\x7f\x85\xa0İKſ٣７é'), max_size=64
)
text = st.one_of(spelled, hostile, st.text(max_size=64), st.text("ano\nymus", max_size=12))
record = st.tuples(text, text, st.one_of(st.none(), text))


@settings(max_examples=1500)
@given(st.sampled_from(HOMES), st.lists(record, min_size=1, max_size=6))
@example(
    "KZ", [("", "112", None), ("\n\n", "\n", "\n"), ("anonymous", "8 727 234 56 78", "sip:anonymous@anonymous.invalid")]
)
@example(
    "KZ",
    [("é", "+77011234567", "+77011234567"), ("unknown", "é", "é"), ("é@anonymous.invalid", "1", "sip:+77010000001@x")],
)
@example("US", [("12125551234", "2125551234", None), ("01144207123456", "911", None)])
def test_compiled_equals_reference(home, records):
    prepared = numbers(home)
    plan = prepared.plan
    callers, callees, asserted = (list(column) for column in zip(*records, strict=True))
    found = prepared.resolve(laid(callers, callees, asserted))
    for row, (caller, callee, given_number) in enumerate(records):
        key = caller_key(caller, given_number, callee, plan)
        assert found.key_of(row) == key
        assert found.withheld[row] == is_withheld(caller)
        assert found.partition[row] == partition_of(utf8(key), 24)
        for which, expected in (
            ("caller", normalise(caller, plan)),
            ("callee", normalise(callee, plan)),
            ("key", key),
        ):
            number = number_id(expected, SECRET)
            assert getattr(found, f"{which}_id")[row] == number > 0
            codes = tuple(int(getattr(found, f"{which}_{code}")[row]) for code in ("status", "region", "kind"))
            assert codes == classify(number, prepared.table)
        status, region, _ = classify(written_bare(caller, plan), prepared.table)
        abroad = status == VALID and region != prepared.table.home and not is_withheld(caller)
        assert found.ambiguous[row] == abroad
    assert prepared.ids(callers).tolist() == found.caller_id.tolist()


@settings(max_examples=200)
@given(st.lists(record, min_size=2, max_size=8), st.integers(1, 7))
def test_a_cut_batch_gives_the_same(records, cut):
    prepared = numbers("KZ")
    columns = [list(column) for column in zip(*records, strict=True)]
    whole = prepared.resolve(laid(*columns))
    parts = [prepared.resolve(laid(*(column[part] for column in columns))) for part in (slice(cut), slice(cut, None))]
    for name in whole._fields[:15]:
        assert np.array_equal(getattr(whole, name), np.concatenate([getattr(part, name) for part in parts])), name


@pytest.mark.parametrize(
    ("home", "caller", "ambiguous"),
    [
        ("KZ", "6591234567", True),
        ("KZ", "tel:65-9123-4567", True),
        ("KZ", '"É" <sip:6591234567@x>', True),
        ("KZ", "+76591234567", False),
        ("KZ", "86591234567", False),
        ("KZ", "006591234567", False),
        ("KZ", "7011234567", False),
        ("KZ", "6591234567@anonymous.invalid", False),
        ("DE", "33612345678", True),
        ("US", "6591234567", True),
        ("US", "2125550123", False),
    ],
)
def test_what_is_a_home_number_or_a_foreign_one_without_its_plus(home, caller, ambiguous):
    found = numbers(home).resolve(laid([caller, "112"], ["112", "112"], [None, None]))
    assert found.ambiguous.tolist() == [ambiguous, False]


def test_an_empty_batch():
    found = numbers("KZ").resolve(laid([], [], []))
    assert len(found.key_id) == 0
    assert len(numbers("KZ").ids([])) == 0


@pytest.mark.parametrize(
    "text",
    [
        "8" * 64,
        "(" * 64,
        "sip:" * 16,
        "\n" * 64,
        "<" * 64,
        " " * 64,
        "@" * 64,
        "+" * 64,
        '"' * 64,
        '"' + "\\" * 63,
        "<>" * 32,
    ],
)
@pytest.mark.parametrize("times", [1, 300])
def test_long_texts(text, times):
    prepared, text = numbers("KZ"), text * times
    found = prepared.resolve(laid([text], [text], [text]))
    assert found.key_of(0) == caller_key(text, text, text, prepared.plan)
    assert found.callee_id[0] == number_id(normalise(text, prepared.plan), SECRET)
