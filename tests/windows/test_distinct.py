"""The sketch against exact counting, with the error that its docstring states."""

import numpy as np
import pytest

from streamer.windows import callers, distinct, slots
from streamer.windows.hashing import secret_words

NOW = 1_763_953_000_000


def estimates(store, slot, now):
    filled = np.zeros(4, np.int64)
    distinct.filled(store.narrow[slot], now, filled)
    found = [distinct.NARROW_ESTIMATE[count] for count in filled]
    if store.wide_of[slot]:
        distinct.filled(store.wide[store.wide_of[slot] - 1], now, filled)
        found = [max(one, distinct.WIDE_ESTIMATE[count]) for one, count in zip(found, filled, strict=True)]
    return found


@pytest.mark.parametrize(("lines", "allowed"), [(5, 0.12), (20, 0.18), (60, 0.45), (300, 0.2), (1000, 0.2)])
def test_mean_error_over_many_callers(lines, allowed):
    """Relative error of the mean estimate and of a typical one; the narrow sketch hands over to the wide one at about 45."""
    found = []
    store = slots.store(1_000, secret_words(b"a test"))
    for who in range(60):
        slot = callers.open_slot(store, 0, 77_010_000_000 + who, 1, NOW)
        for called in range(lines):
            callers.note_callee(store, slot, 77_270_000_000 + who * 100_000 + called, NOW, NOW)
            callers.note_callee(store, slot, 77_270_000_000 + who * 100_000 + called, NOW, NOW)
        found.append(estimates(store, slot, NOW)[0])
    error = np.abs(np.array(found) - lines) / lines
    assert np.mean(error) < allowed


def test_each_window_sees_only_its_own_time():
    store = slots.store(1_000, secret_words(b"a test"))
    slot = callers.open_slot(store, 0, 77_010_000_000, 1, NOW)
    for called in range(8):
        callers.note_callee(store, slot, 77_270_000_000 + called, NOW, NOW)
    for later, expected in ((120_000, 1), (900_000, 2), (5_000_000, 3)):
        slot = callers.open_slot(store, 0, 77_010_000_000, 1, NOW + later)
        found = estimates(store, slot, NOW + later)
        assert [value < 0.5 for value in found] == [ring < expected for ring in range(4)]


def test_old_hits_never_come_round_again():
    """A register holds 65,535 units of 10 s; after eight days of activity no old hit may look new."""
    store = slots.store(1_000, secret_words(b"a test"))
    for called in range(20):
        slot = callers.open_slot(store, 0, 77_010_000_000, 1, NOW)
        callers.note_callee(store, slot, 77_270_000_000 + called, NOW, NOW)
    for hour in range(0, 24 * 8, 5):
        later = NOW + hour * 3_600_000
        slot = callers.open_slot(store, 0, 77_010_000_000, 1, later)
        callers.note_callee(store, slot, 77_270_999_999, later, later)
        if hour > 30:
            assert estimates(store, slot, later)[3] < 1.5
