"""New lines of a range against counting by hand: who gave way to whom, who is called, what is forgotten, and taking over."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import counting
from streamer.calls.signals import AGAIN_MS, LASTS_MS, Newcomer
from streamer.signals import newcomers
from streamer.signals.newcomers import HOUR_MS, Newcomers
from tests.signals.test_merger import NOW, call, merger, said, sums

MINUTE = 60_000
OWN = "+7701990"
OVER = "op-a/transit-1/+7727255"


def line(number=0, at=NOW, since=NOW - 10 * MINUTE, attempts=20, trunk=None, **more):
    digits = f"+7701990{number:04d}" if trunk is None else f"+7727255{number:04d}"
    counts = {"distinct": attempts, "answered": attempts // 2, "short": attempts // 5, "talk_s": 20.0 * attempts}
    return Newcomer(at=at, since=since, operator="op-a", line=digits, trunk=trunk, attempts=attempts, **counts | more)


def most_pairs(begun, ended):
    """How many can be paired so that each begun one comes after the one that ended: by augmenting paths."""
    taken = {}

    def place(start, tried):
        for which, end in enumerate(ended):
            if end <= begun[start] and which not in tried:
                tried.add(which)
                if which not in taken or place(taken[which], tried):
                    taken[which] = start
                    return True
        return False

    return sum(place(start, set()) for start in range(len(begun)))


LIMITS = st.fixed_dictionaries({}, optional={
    "range_line_calls": st.integers(1, 30), "range_distinct_share": st.sampled_from([0, 0.4, 1]), "given_up_calls": st.integers(2, 30),
    "given_up_min": st.integers(1, 60), "silent_s": st.integers(1, 3_600), "silent_gaps": st.integers(0, 20),
})  # fmt: skip
LINES = st.lists(
    st.builds(
        lambda number, last, lived, attempts, distinct: line(
            number, NOW - last * MINUTE, NOW - (last + lived) * MINUTE, attempts, distinct=min(distinct, attempts)
        ),
        st.integers(0, 12),
        st.integers(0, 70),
        st.integers(0, 59),
        st.integers(4, 60),
        st.integers(2, 60),
    ),
    min_size=1,
    max_size=30,
)


@given(LINES, LIMITS)
def test_figures_are_what_the_latest_of_each_line_come_to_under_a_policy(told, own):
    held, limits = Newcomers(), counting.limits(own)
    held.follow(limits)
    latest = {}
    for one in told:
        held.tell(one)
        if one.line not in latest or one.at >= latest[one.line].at:
            latest[one.line] = one
    recent = [one for one in latest.values() if NOW - one.at < HOUR_MS]
    lines = [one for one in recent if one.distinct >= limits["range_distinct_share"] * one.attempts]
    gone = [
        one
        for one in lines
        if one.attempts >= limits["given_up_calls"]
        and one.at - one.since <= limits["given_up_min"] * MINUTE
        and NOW - one.at
        >= max(limits["silent_s"] * 1_000, limits["silent_gaps"] * (one.at - one.since) / (one.attempts - 1))
    ]
    expected = {
        "lines": sum(one.attempts >= limits["range_line_calls"] for one in lines),
        "replaced": most_pairs([one.since for one in lines], [one.at for one in gone]),
        "attempts": sum(one.attempts for one in lines),
        "answered": sum(one.answered for one in lines),
        "short": sum(one.short for one in lines),
        "talk": pytest.approx(sum(one.talk_s for one in lines)),
        "incoming": 0,
    }
    assert {name: held.total(OWN, name, NOW) for name in expected} == expected


def test_own_lines_and_those_over_a_trunk_are_kept_apart_although_their_numbers_are_the_same():
    held = Newcomers()
    held.tell(line(1))
    held.tell(msgspec.structs.replace(line(1), trunk="transit-1"))
    assert held.total(OWN, "attempts", NOW) == held.total(f"op-a/transit-1/{OWN}", "attempts", NOW) == 20
    held.called(np.array([77019900001, 77019900002]), np.array([3, 1]))
    assert held.total(OWN, "incoming", NOW) == held.total(f"op-a/transit-1/{OWN}", "incoming", NOW) == 3
    assert len(held) == 2


def test_a_range_is_told_of_when_it_stands_out_again_and_until_its_lines_are_forgotten():
    held = merger()
    held.take(0, sums(0, NOW - MINUTE, [call(0, 0, 0)]))
    for number in range(5):
        held.take(1 + number, line(number, NOW, NOW - 10 * MINUTE))
    signal = said(held)[f"range/{OWN}"]
    assert (signal.until - signal.at, signal.values["lines_1h"], signal.values["replaced_1h"]) == (LASTS_MS, 5, 0)
    held.take(6, line(0, NOW + 1_000))
    assert f"range/{OWN}" not in said(held)
    later = NOW + 4 * MINUTE
    held.take(7, sums(0, later, [call(77019900002, 0, 0)]))
    held.take(8, line(7, later, later - MINUTE, 4))
    signal = said(held)[f"range/{OWN}"]
    assert (signal.values["replaced_1h"], signal.values["incoming_1h"]) == (1, 1)
    held.take(9, sums(0, later + AGAIN_MS, [call(0, 0, 0)]))
    assert said(held)[f"range/{OWN}"].at == later + AGAIN_MS
    held.take(10, sums(0, later + HOUR_MS, [call(0, 0, 0)]))
    assert said(held)[f"range/{OWN}"] is None
    for step in range(3):
        held.take(11 + step, sums(0, later + HOUR_MS + 2_000 * (1 + step), [call(0, 0, 0)]))
        said(held)
    assert held.held["range"] == 0


def test_few_lines_are_not_told_of():
    held = merger()
    held.take(0, sums(0, NOW, [call(0, 0, 0)]))
    for number in range(9):
        held.take(1 + number, line(number, trunk="transit-1", attempts=20 if number < 3 else 5))
    assert not [key for key in said(held) if key.startswith("range")]


def test_the_policy_says_from_how_many_lines_on_a_range_is_told_of():
    held = merger()
    held.follow({"range_lines": 3, "range_line_calls": 21})
    held.take(0, sums(0, NOW, [call(0, 0, 0)]))
    for number in range(9):
        held.take(1 + number, line(number, attempts=20 if number % 2 else 21))
    assert said(held)[f"range/{OWN}"].values["lines_1h"] == 5
    held.follow({"range_lines": 6, "range_line_calls": 21})
    held.take(10, sums(0, NOW + AGAIN_MS, [call(0, 0, 0)]))
    assert said(held)[f"range/{OWN}"] is None


def test_whoever_takes_over_says_what_was_said_until_more_is_known_or_an_hour_is_over():
    held, second = merger(), merger()
    held.take(0, sums(0, NOW, [call(0, 0, 0)]))
    for number in range(8):
        held.take(1 + number, line(number, trunk="transit-1"))
    signal = said(held)[f"range/{OVER}"]
    second.restore(msgspec.json.decode(msgspec.json.encode(signal), type=type(signal)))
    second.take(0, sums(0, NOW + MINUTE, [call(0, 0, 0)]))
    second.take(1, line(30, NOW + MINUTE, NOW, 5, trunk="transit-1"))
    assert said(second)[f"range/{OVER}"].values == signal.values | {
        "watched_h": round(MINUTE / HOUR_MS, 4),
        "counted_h": MINUTE / HOUR_MS,
    }
    for number in range(12):
        second.take(2 + number, line(number, NOW + 2 * MINUTE, trunk="transit-1"))
    second.take(20, sums(0, NOW + 2 * MINUTE, [call(0, 0, 0)]))
    assert said(second)[f"range/{OVER}"].values["lines_1h"] == 12
    third = merger()
    third.restore(signal)
    third.take(0, sums(0, NOW + HOUR_MS, [call(0, 0, 0)]))
    assert said(third)[f"range/{OVER}"] is None


def campaign(held, since=0):
    """Ten lines that give way to one another within 50 minutes, of which the log holds what came from then on."""
    for number in range(10):
        for minute in range(5 * number, 5 * number + 5):
            at = NOW + minute * MINUTE
            if at >= since:
                attempts = 4 * (minute - 5 * number) + 4
                held.tell(line(number, at, NOW + 5 * number * MINUTE, attempts, trunk="transit-1"))


@pytest.mark.parametrize("every", [10, 25, 50, 59, 600])
def test_a_range_is_not_told_of_for_longer_than_an_hour_beyond_its_lines_however_often_it_is_taken_over(every):
    held, said, last = Newcomers(), [], None
    campaign(held)
    for minute in range(50, 600):
        now = NOW + minute * MINUTE
        if minute % every == 0:
            held = Newcomers()
            if last is not None:
                held.restore(msgspec.json.decode(msgspec.json.encode(last), type=type(last)))
            campaign(held, now - HOUR_MS)
        for _, signal in [*held.told(now, 1.0, 1), *held.again(now, 1.0, 1)]:
            last = signal
            said.append((minute, signal))
    assert [minute for minute, _ in said[:44]] == [*range(50, 94)]
    assert said[-1][1] is None
    assert said[-1][0] <= 94 + 61
    assert all(signal.values.get("counted_h", 0) < 1 for _, signal in said[:-1])


@pytest.mark.parametrize("number", ["+0", "+77012345678901234567", "+\u0661\u0662\u0663\u0664\u0665", "x", " "])
def test_lines_with_odd_numbers_stop_nobody(number):
    held = Newcomers()
    held.tell(msgspec.structs.replace(line(), line=number))
    assert len(held) == 0
    assert list(held.told(NOW, 1.0, 0)) == []


def test_lines_beyond_those_that_there_is_room_for_are_left_out(monkeypatch):
    monkeypatch.setattr(newcomers, "MOST", 3)
    held = Newcomers()
    for number in range(5):
        held.tell(line(number))
    held.tell(line(0, attempts=30))
    held.tell(line(4, trunk="transit-1"))
    assert len(held) == 3
    assert held.total(OWN, "attempts", NOW) == 70
    assert held.total(OVER, "attempts", NOW) == 0


def test_a_range_of_thousands_of_lines_is_looked_at_seldom_and_nothing_is_lost_by_it():
    held, at = Newcomers(), NOW
    for number in range(2_000):
        held.tell(line(number, at, trunk="transit-1", attempts=6))
    (first,) = dict(held.told(at, 1.0, 1)).values()
    assert first.values["lines_1h"] == 2_000
    looks = []
    counted = held._figures
    held._figures = lambda *told: looks.append(told) or counted(*told)
    for step in range(1, 200):
        held.tell(line(step, at + 100 * step, trunk="transit-1", attempts=7))
        assert not dict(held.told(at + 100 * step, 1.0, 1)) or step >= 100
    assert 5 <= len(looks) <= 15
