"""Registers that grow: subscribers' facts in any order, and trunks of many ranges, against plain dictionaries."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer.calls.events import SubscriberFact, TrunkInfo
from streamer.registers import facts, trunks
from streamer.registers.index import get
from streamer.windows.hashing import secret_words

SECRET = secret_words(b"t")
AT = 1_763_953_000_000


def ids(numbers):
    return [int(number[1:]) for number in numbers]


def number(which):
    return f"+7701{which:07d}"


def fact(which, kind, value):
    return SubscriberFact(number=number(which), at=AT, fact=kind, value=value, operator="op-a")


@settings(max_examples=100)
@example([(n, "line", n % 3) for n in range(600)] + [(599, "holder", 1), (3, "holder", 2)])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.sampled_from(["line", "location", "holder"]),
            st.integers(0, 2) | st.none(),
        ),
        max_size=500,
    )
)
def test_facts_stand_in_whatever_order_they_come(steps):
    values = {
        "line": ["active", "inactive", "?"],
        "location": ["home", "roaming", "?"],
        "holder": ["h-0", "h-1", "Ünal"],
    }
    register, there = facts.Register(SECRET, ids), {}

    for which, kind, value in steps:
        if value is None:
            register.forget(number(which), kind)
            there.pop((which, kind), None)
        else:
            register.put(0, fact(which, kind, values[kind][value]), 0, 0, 0)
            there[which, kind] = value

    held = register.compiled
    for which in {which for which, _, _ in steps}:
        row = facts.row_of(held, ids([number(which)])[0])
        named = there.get((which, "holder"))
        assert register.holder_of(ids([number(which)])[0]) == (None if named is None else values["holder"][named])
        if row < 0:
            assert all(there.get((which, kind), 2) == 2 for kind in ("line", "location"))
        else:
            assert held.line[row] == [facts.LINE_ACTIVE, facts.LINE_INACTIVE, 0][there.get((which, "line"), 2)]
            assert held.location[row] == [facts.HOME, facts.ROAMING, 0][there.get((which, "location"), 2)]


@pytest.mark.parametrize("first_told", [0, 63, 64])
def test_the_first_holder_may_be_told_of_any_line(first_told):
    register = facts.Register(SECRET, ids)
    register.put(0, fact(first_told, "holder", "h-first"), 0, 0, 0)
    for which in range(1_000):
        register.put(0, fact(which, "line", "active"), 0, 0, 0)

    register.put(0, fact(999, "holder", "h-last"), 0, 0, 0)

    assert register.holder_of(ids([number(999)])[0]) == "h-last"
    assert register.holder_of(ids([number(first_told)])[0]) == "h-first"
    assert register.holder_of(ids([number(500)])[0]) is None


def test_a_trunk_may_come_with_thousands_of_ranges():
    register = trunks.Register(SECRET)
    ranges = [f"+{7_700_000 + which}" for which in range(3_000)]

    assert register.put(TrunkInfo(operator="op-a", trunk="t1", kind="enterprise", ranges=ranges), -1)

    row = register.rows["op-a", "t1"]
    assert all(get(register.compiled.ranges, row << trunks._DIGITS | int(text[1:]), 7) == row for text in ranges)
    assert get(register.compiled.ranges, row << trunks._DIGITS | 7_699_999, 7) == -1
