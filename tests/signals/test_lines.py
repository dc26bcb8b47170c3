"""Busy lines and what they share: figures that are kept running against adding up, and what costs no more however many share it."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import counting
from streamer.calls.signals import BusyLine
from streamer.signals.casebook import Casebook
from streamer.signals.hot import hot
from streamer.signals.lines import Lines
from streamer.signals.together import together
from streamer.summing import _named

NOW = 1_763_953_000_000
MINUTE, HOUR = 60_000, 3_600_000
DEVICES = ("imei", "cell", "holder")


def line(number=0, at=NOW, attempts=30, **shared):
    return BusyLine(at=at, operator="op-a", line=f"+7701{number:07d}", call_id=f"c{number}-{attempts}", attempts=attempts,
                    distinct=attempts - 1, answered=attempts // 3, **shared)  # fmt: skip


shared = st.fixed_dictionaries({}, optional={name: st.sampled_from(["a", "b"]) for name in DEVICES})
steps = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(0, 4), st.integers(-5, 90), st.integers(20, 90), shared),
        st.tuples(st.just("tell"), st.integers(0, 4), st.integers(-5, 1_500), st.integers(20, 90), shared),
        st.tuples(st.just("called"), st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(1, 9)),
        st.tuples(st.just("skip"), st.integers(0, 60), st.integers(0, 60)),
        st.tuples(st.just("restore"), st.booleans()),
        st.tuples(st.just("forget"), st.integers(0, 4)),
        st.tuples(st.just("follow"), st.sampled_from([0, 0.5, 1, 2])),
    ),
    max_size=40,
)


@given(steps)
def test_what_is_kept_running_of_lines_that_share_something_is_what_they_add_up_to(taken):
    held, now, said = Lines(), NOW, {}
    for offset, (what, *of) in enumerate(taken, 1):
        if what == "tell":
            number, minutes, attempts, own = of
            now += max(0, minutes) * MINUTE
            held.tell(line(number, now + min(0, minutes) * MINUTE, attempts, **own))
        elif what == "called":
            numbers = np.array([77010000000 + number for number in of[0]])
            held.called(offset, numbers, np.full(len(numbers), of[1]))
        elif what == "skip":
            held.skip(offset, now + of[0] * MINUTE, offset + of[1] - 30)
        elif what == "forget":
            held.forget(f"+7701{of[0]:07d}")
            said.pop(f"+7701{of[0]:07d}", None)
        elif what == "follow":
            held.follow(counting.limits({"watched_h": of[0]}))
        elif of[0]:
            held, before = Lines(), held
            held.follow(counting.limits({"watched_h": before.long_enough_ms / HOUR}))
            for signal in said.values():
                held.restore(signal)
        said |= {signal.subject: signal for signal in held.told(offset)}
        for device in DEVICES:
            for value in ("a", "b"):
                sharers = held.sharers(device, value)
                watched = [one for number in sharers for one in held.alone(number)]
                expected = together(watched, held.long_enough_ms) if sharers else None
                assert held.together(device, value) == expected
                assert held.sharing(device, value) == len(sharers)


def many(count, **shared):
    held = Lines()
    for number in range(count):
        held.tell(line(number, **shared))
    list(held.told(1))
    return held


def work_of(held, **shared):
    """Lines of Python that are run until a line that is told of is a signal and was looked at for cases."""
    taken = 0

    def count(frame, event, _):
        nonlocal taken
        taken += event == "line"
        return count

    book, before = Casebook(), sys.gettrace()
    sys.settrace(count)
    held.tell(line(0, NOW + 2 * HOUR, 35, **shared))
    held.called(2, np.array([77010000000]), np.array([1]))
    for signal in held.told(2):
        for one in hot(signal, held):
            book.heed(one)
    sys.settrace(before)
    return taken


def test_a_line_costs_the_same_however_many_share_its_device_its_cell_and_its_holder():
    shared = dict.fromkeys(DEVICES, "35-1")
    few, more = (work_of(many(count, **shared), **shared) for count in (60, 4_000))
    assert 0 < more <= 1.1 * few


def subjects(held, **shared):
    """Subjects and sizes of the cases that a line makes after so many were told of."""
    held.tell(line(0, NOW + 2 * HOUR, 35, **shared))
    book = Casebook()
    cases = [case for signal in held.told(2) for one in hot(signal, held) for case in book.heed(one)]
    return {case.subject: case.grounds[0].observed for case in cases}


@pytest.mark.parametrize(("device", "most"), [("imei", 64), ("cell", 200), ("holder", 200)])
def test_what_more_lines_share_than_can_be_is_no_subject_of_a_case_and_what_fewer_share_is(device, most):
    limits = counting.limits({"cell_lines_most": 200, "holder_lines_most": 200})
    for count, expected in ((most, {f"{device}/35-1": most}), (most + 1, {})):
        held = many(count, **{device: "35-1"})
        held.follow(limits)
        assert subjects(held, **{device: "35-1"}) == expected
        assert held.sharing(device, "35-1") == (most if expected else 0)


@pytest.mark.parametrize("nobody", [
    "unknown", "Unknown", "UNKNOWN ", "<unknown>", "null", "(null)", "None", "nil", "N/A", "n.a.", "-", "--", "NaN", "prepaid", "pre-paid",
    "PRE_PAID", "anonymous", "undefined", "not available", "0", "000000000000000", "00-000000-000000-0", "", "x" * 65, None,
])  # fmt: skip
def test_what_publishers_write_for_want_of_a_device_or_a_holder_is_none(nobody):
    assert _named(nobody) is None


@pytest.mark.parametrize(
    "somebody", ["356938035643809", "35-693803-564380-9", "250-01-7F-1A2B", "h-17", "Ünal", "unknown-17", "00-01"]
)
def test_what_tells_devices_and_holders_apart_is_kept_as_it_is(somebody):
    assert _named(somebody) == somebody
