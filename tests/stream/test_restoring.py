"""Partitions that come, go and come again while their state is read back."""

import queue

import pytest

from streamer.engine import Engine
from streamer.settings import Settings
from streamer.stream.arrivals import Arrivals, Origin
from streamer.stream.parts import Restored, Wish
from streamer.stream.pointers import Pointer, written
from streamer.stream.restoring import Restorer
from tests.stream.live import wait_until


def test_what_was_woken_in_an_earlier_tenure_rests_when_it_is_gained_again():
    arrivals, place, other = Arrivals(Settings()), ("calls.v1", 0), ("calls.v1", 1)
    arrivals.resting |= {place, other}
    arrivals.wake([place, other], epoch=1)
    arrivals.forget([place])
    arrivals.resting.add(place)
    assert arrivals.woken(1) == [other]
    assert arrivals.resting == {place}
    arrivals.wake([place], epoch=1)
    assert arrivals.woken(1) == [place]


@pytest.mark.broker
def test_a_partition_that_was_given_up_and_is_gained_again_just_so_is_restored(kafka_settings):
    failed = queue.SimpleQueue()
    restorer = Restorer(kafka_settings, Engine.of(kafka_settings).opened, failed.put, lambda: None)
    first, second = (Wish(0, 1, Origin(0, "", committed=False)) for _ in range(2))
    first.given_up = True
    restorer.ask(first)
    restorer.ask(second)
    parts = []
    wait_until(lambda: parts.extend(restorer.take()) or parts or not failed.empty())
    restorer.close()
    assert [(type(part), part.wish) for part in parts] == [(Restored, second)]


@pytest.mark.broker
def test_state_that_its_next_owner_deleted_is_no_failure_of_who_slept_through_it(kafka_settings):
    failed, parts = queue.SimpleQueue(), []
    restorer = Restorer(kafka_settings, Engine.of(kafka_settings).opened, failed.put, lambda: None)
    gone = Wish(0, 1, Origin(0, written(Pointer([(0, 3)], 0)), committed=True))
    next_one = Wish(1, 1, Origin(0, "", committed=False))
    restorer.ask(gone)
    restorer.ask(next_one)
    with pytest.raises(AssertionError, match="did not happen"):
        wait_until(lambda: parts.extend(restorer.take()) or parts or not failed.empty(), seconds=1)
    gone.given_up = True
    wait_until(lambda: parts.extend(restorer.take()) or parts or not failed.empty())
    restorer.ask(stays := Wish(0, 1, gone.origin))
    wait_until(lambda: not failed.empty())
    restorer.close()
    assert [part.wish for part in parts] == [next_one]
    assert not stays.given_up
    assert "it was deleted" in str(failed.get())


def test_a_partition_that_goes_while_its_brokers_are_away_is_no_failure():
    failed = queue.SimpleQueue()
    restorer = Restorer(Settings(bootstrap="127.0.0.1:1"), Engine().opened, failed.put, lambda: None)
    wish = Wish(0, 1, Origin(5, written(Pointer([(0, 3)], 7)), committed=True))
    restorer.ask(wish)
    wait_until(lambda: restorer.trouble)
    wish.given_up = True
    restorer.close()
    assert failed.empty()
    assert not [*restorer.take()]
