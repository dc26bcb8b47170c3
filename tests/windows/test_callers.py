"""The store of callers: found again, given back, evicted, handed over; never mixed up."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.windows import callers, sliding, slots
from streamer.windows.hashing import secret_words

NOW = 1_763_953_000_000


def test_a_slot_costs_at_most_512_bytes_with_its_share_of_the_index():
    store = slots.store(1_000_000, secret_words(b"a test"))
    assert slots.slot_bytes(store) + store.cells.nbytes / 1_000_000 <= 512


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 1), st.integers(0, 2)), max_size=300))
def test_open_and_release_in_any_order_find_what_a_dictionary_finds(moves):
    store = slots.store(1_000, secret_words(b"a test"))
    model = {}
    for opened, key, origin, partition in moves:
        who = (partition, 77_010_000_000 + key, origin)
        if opened:
            slot = callers.open_slot(store, *who, NOW)
            assert model.setdefault(who, slot) == slot
        elif who in model:
            slots.release(store, model.pop(who))
        for known, slot in model.items():
            assert slots.find(store, *known) == slot
    assert slots.held(store) == len(model)


def test_idle_callers_are_given_back_and_active_ones_kept():
    store = slots.store(1_000, secret_words(b"a test"))
    for key in range(100):
        callers.open_slot(store, 0, 77_010_000_000 + key, 1, NOW + key * 3_600_000)
    watermark = np.array([NOW + 99 * 3_600_000])
    for _ in range(20):
        callers.sweep(store, watermark, 50)
    assert slots.held(store) == sliding.SPAN_MS // 3_600_000


def test_a_full_store_evicts_and_stays_sound():
    store = slots.store(1_000, secret_words(b"a test"))
    for key in range(5_000):
        callers.open_slot(store, 0, 77_010_000_000 + key, 1, NOW + key)
    assert slots.held(store) == 1_000
    assert store.meta[slots.EVICTED] == 4_000
    newest = slots.find(store, 0, 77_010_004_999, 1)
    assert store.key[newest] == 77_010_004_999


def test_a_flood_of_numbers_that_call_once_does_not_push_out_those_who_call_again():
    """By silence alone none of them would stay: when they call again, the whole store is newer."""
    store, busy = slots.store(4_000, secret_words(b"a test")), range(77_010_000_000, 77_010_000_400)

    def call(key, at):
        slot = callers.open_slot(store, 0, key, 1, at)
        callers.count_attempt(store, slot, 77_272_345_678, at, at)

    for minute in range(12):
        at = NOW + 60_000 * minute
        for key in busy:
            call(key, at)
        for number in range(5_000 if minute else 0):
            call(88_000_000_000 + 5_000 * minute + number, at + 12 * number)
    kept = [slot for key in busy if (slot := slots.find(store, 0, key, 1)) >= 0 and store.first_s[slot] == NOW // 1000]
    assert store.meta[slots.EVICTED] > 50_000
    assert len(kept) >= len(busy) * 15 // 16  # of sixteen that are looked at together one has to go
