"""Which versions of the model a trainer leaves on its topic: the newest, and of those before them one an hour."""

import pytest

from streamer.training.state import AT_ONCE, FRESH, HOUR_MS, TrainerState

MATURE_MS = 1_000
NOW = 1_763_953_200_000 // HOUR_MS * HOUR_MS
DAY_MS = 24 * HOUR_MS


def published(state, there, times, every_ms=60_000, kept_ms=30 * DAY_MS, now=NOW):
    """Publish so many times; `there` is what the topic holds. Gives what time it is then."""
    for _ in range(times):
        state.version += 1
        there.add(state.version)
        there -= {*state.expired(now, kept_ms)}
        now += every_ms
    return now


def test_a_month_of_a_version_a_minute_leaves_one_an_hour_and_the_newest():
    state, there = TrainerState.new(MATURE_MS), set()
    now = published(state, there, 40 * 24 * 60)
    newest = {*range(state.version - FRESH + 1, state.version + 1)}
    assert there - newest == {first for first, _ in state.versions} - newest
    assert all((first - 1) * 60_000 + NOW == hour for first, hour in state.versions)
    assert 30 * 24 <= len(state.versions) <= 30 * 24 + 1
    published(state, there, 1, now=now)
    assert state.version in there


def test_what_a_release_left_that_thinned_nothing_out_goes_within_the_hour():
    state, there = TrainerState.new(MATURE_MS), {*range(1, 43_201)}
    state.version, state.versions = 43_200, [[1 + 60 * hour, NOW + hour * HOUR_MS] for hour in range(720)]
    left = state.to_json({})
    del left["thinned_to"]
    state = TrainerState.from_json(left, MATURE_MS)
    began = len(there)
    now = published(state, there, 1, now=NOW + 720 * HOUR_MS)
    assert began - AT_ONCE < len(there) < began
    published(state, there, 59, now=now)
    assert len(there) <= 721 + FRESH


def test_versions_whose_publication_failed_hide_none_before_them():
    state, there = TrainerState.new(MATURE_MS), set()
    now = published(state, there, 100)
    state.version += 50  # each try takes one
    published(state, there, FRESH + 1, now=now)
    assert there == {1, 61, *range(151, 151 + FRESH + 1)} - ({151} - {first for first, _ in state.versions})


@pytest.mark.parametrize("kept_ms", [1_000, HOUR_MS])
def test_where_cases_are_kept_for_less_than_the_newest_span_the_newest_stay(kept_ms):
    state, there = TrainerState.new(MATURE_MS), set()
    published(state, there, 60, every_ms=20 * 60_000, kept_ms=kept_ms)
    assert there >= {*range(state.version - FRESH + 1, state.version + 1)}
    assert len(there) <= FRESH + 2


def test_started_anew_a_trainer_removes_what_another_state_led_to():
    state, there = TrainerState.new(MATURE_MS), {*range(1, 31)}
    state.version = 30
    published(state, there, FRESH + 1)
    assert there == {*range(31, 31 + FRESH + 1)}
