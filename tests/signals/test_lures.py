"""Lures against a plain list: who is one, what is said of it, that the oldest go first, and that whoever takes over knows the same."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls.signals import Lure, Signal
from streamer.signals.lures import AGAIN_MS, LASTS_MS, Lures
from tests.signals.test_merger import NOW, merger, said, sums

TOLD = st.lists(st.tuples(st.integers(0, LASTS_MS // 4), st.integers(0, 6), st.booleans()), max_size=60)


def lure(number, at, rings=20):
    return Lure(at=at, number=f"+2162900000{number}", rings=rings)


def heard(lures, now, last):
    """What whoever hears of all changes knows."""
    for key, signal in lures.changes(now):
        if signal is None:
            last.pop(key, None)
        else:
            last[key] = signal
    return last


@given(TOLD, st.integers(1, 5), st.integers(0, 60))
def test_whoever_hears_of_them_knows_those_of_the_last_day_the_newest_first(told, most, cut):
    lures, last, expected, now = Lures(most), {}, [], NOW
    for place, (later, number, asked) in enumerate(told):
        if place == cut:
            lures = Lures(most)
            for signal in reversed(last.values()):
                lures.restore(msgspec.json.decode(msgspec.json.encode(signal), type=Signal))
        now += later
        lures.tell(lure(number, now), place)
        at = next((at for at, who in expected if who == number), None)
        if at is None or now - at >= AGAIN_MS:
            expected = [one for one in expected if one[1] != number] + [(now, number)]
        if asked or place + 1 in (cut, len(told)):
            heard(lures, now, last)
            expected = [one for one in expected if one[0] + LASTS_MS >= now][-most:]
            assert len(lures) == len(expected)
            assert {(one.subject, one.at, one.until) for one in last.values()} == {
                (f"+2162900000{who}", at, at + LASTS_MS) for at, who in expected
            }


def test_the_merger_says_of_a_lure_once_and_ends_it_after_a_day():
    held = merger()
    assert held.take(0, lure(1, NOW))
    assert held.take(1, lure(1, NOW + 1_000, 25))
    signal = said(held)["lure/+21629000001"]
    assert (signal.values, signal.position, held.held["lure"]) == ({"rings_10m": 20.0}, 1, 1)
    again = merger()
    again.restore(signal)
    assert said(held) == said(again) == {}
    for one in (held, again):
        one.take(2, sums(0, NOW + LASTS_MS + 1_000, []))
        assert said(one) == {"lure/+21629000001": None}
