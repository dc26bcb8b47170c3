"""Slots of costly calls against plain counting: what goes on, what overlaps, which range leads, which countries are new."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.windows import callers, costly, distinct, sliding, slots
from streamer.windows.hashing import hash_words, secret_words

NOW = 1_763_953_000_000
KEY = 77_011_234_567
SECRET = secret_words(b"a test")


def open_one(store, now):
    return callers.open_slot(store, 0, KEY, costly.ORIGIN, now)


def lately(at, now):
    return now // 100_000 - at // 100_000 < sliding.STEPS


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, 90_000), st.integers(1, 900_000), st.booleans(), st.booleans(), st.booleans()),
        max_size=60,
    )
)
def test_what_goes_on_and_overlaps_is_what_a_list_of_calls_says(drawn):
    """Calls with the gap before, their talk, whether an answer comes, whether an end does, and whether they are at a premium rate."""
    events, at = [], NOW
    for number, (gap, talk, tells, ends, _) in enumerate(drawn):
        at += gap
        if tells:
            events.append((at, 0, number, at, talk))
        if ends:
            events.append((at + talk, 1, number, at, talk))
    told = {number for number, (_, _, tells, _, _) in enumerate(drawn) if tells}
    store, going, overlapping, talked = slots.store(100, SECRET), {}, [], []
    for now, is_end, number, began, talk in sorted(events):
        first, premium = not is_end or number not in told, drawn[number][4]
        if first:
            least = costly.HELD_AT_PREMIUM if premium else costly.HELD_ABROAD
            if sum(lately(since, now) for since in going.values()) >= least:
                overlapping.append(began)
            going[number] = began
        costly.count_outcome(store, 0, KEY, 0, premium, 7, first, bool(is_end), talk if is_end else 0, now, now)
        if is_end:
            del going[number]
            talked.append((now, talk))
        slot = open_one(store, now)
        assert costly.going_on(store, slot) == sum(lately(since, now) for since in going.values())
        hour = [began for began in overlapping if now // 600_000 - began // 600_000 < sliding.STEPS]
        assert sliding.total(store.counts[slot], 2, costly.OVERLAPPING) == len(hour)
        tenths = [(talk + 50) // 100 for at, talk in talked if now // 600_000 - at // 600_000 < sliding.STEPS]
        assert store.talk[slot, 2 * sliding.STEPS : 3 * sliding.STEPS].sum() == sum(tenths)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 3), max_size=80))
def test_the_range_that_leads_is_the_one_with_most_calls(ranges):
    store, leader, ahead = slots.store(100, SECRET), None, 0
    slot = open_one(store, NOW)
    for which in ranges:
        callee = 53_523_400_000 + costly.RANGE * which + 7
        costly.count_attempt(store, slot, callee, NOW, NOW)
        if ahead == 0:
            leader, ahead = which, 1
        else:
            ahead += 1 if which == leader and ahead < costly.MOST_RUN else -1 if which != leader else 0
        assert costly.run_to(store, slot, callee) == (ahead if which == leader and ahead else 0)
        assert sliding.total(store.counts[slot], 2, sliding.ATTEMPTS) > 0


def test_an_old_range_keeps_a_new_one_waiting_no_longer_than_a_dozen_calls():
    store = slots.store(100, SECRET)
    slot = open_one(store, NOW)
    for _ in range(500):
        costly.count_attempt(store, slot, 49_302_270_000, NOW, NOW)
    for _ in range(costly.MOST_RUN + 6):
        costly.count_attempt(store, slot, 53_523_400_000, NOW, NOW)
    assert costly.run_to(store, slot, 53_523_400_000) == 6


APART = [
    country
    for country in range(40)
    if all(
        hash_words(country, 9, SECRET) % np.uint64(distinct.NARROW)
        != hash_words(other, 9, SECRET) % np.uint64(distinct.NARROW)
        for other in range(country)
    )
][:6]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 30 * 3_600), st.sampled_from(APART)), min_size=1, max_size=40))
def test_a_country_is_new_for_eight_hours_and_known_until_a_day_without_a_call(drawn):
    store, first, now = slots.store(100, SECRET), {}, NOW // 10_000 * 10
    for gap, country in drawn:
        now += gap // 10 * 10
        slot = open_one(store, 1_000 * now)
        if gap * 1_000 >= sliding.SPAN_MS:  # the caller was silent, and is not known any more
            first = {}
        if country in first and now - first[country] < sliding.SPAN_MS // 1_000:
            since = min(now - first[country], costly.KNOWN_S)
        else:
            since = 0
        first[country] = now - since
        assert costly.known_for_s(store, slot, country, 1_000 * now) == since


def test_a_blocked_call_makes_a_new_country_no_older_and_leaves_a_known_one():
    store = slots.store(100, SECRET)
    seen = []
    for hours, blocked in ((0, True), (7, False), (14, True), (22, True), (23, False)):
        now = NOW + 3_600_000 * hours
        slot = open_one(store, now)
        seen.append(costly.known_for_s(store, slot, APART[0], now) // 3_600)
        if blocked:
            costly.forget_new(store, slot, APART[0], now)
    assert seen == [0, 0, 7, 0, 0]
    for hours in (32, 33):
        now = NOW + 3_600_000 * hours
        slot = open_one(store, now)
        assert costly.known_for_s(store, slot, APART[0], now) == costly.KNOWN_S
        costly.forget_new(store, slot, APART[0], now)


def test_what_was_found_grows_older_with_the_clock():
    store = slots.store(100, SECRET)
    assert np.isnan(costly.found_s(store, open_one(store, NOW)))
    costly.note_found(store, open_one(store, NOW + 5_000))
    assert costly.found_s(store, open_one(store, NOW + 65_000)) == 60.0
    assert np.isnan(costly.found_s(store, open_one(store, NOW + 65_000 + sliding.SPAN_MS)))


def test_calls_at_once_to_a_country_that_is_known_do_not_overlap():
    store, now, seen = slots.store(100, SECRET), NOW, []
    for hours in (0, 7, 9):
        for call in range(10):
            at = now + 3_600_000 * hours + call
            costly.known_for_s(store, open_one(store, at), 3, at)
            costly.count_outcome(store, 0, KEY, 0, False, 3, True, False, 0, at, at)
        seen.append(sliding.total(store.counts[open_one(store, at)], 3, costly.OVERLAPPING))
    assert seen == [5, 10, 10]
