"""What is seen of the event loop from beside."""

import collections
import time

import pytest

from streamer.errors import TransportError
from streamer.stream.batches import Batch
from streamer.stream.session import Session
from streamer.stream.watchdog import Watchdog


def batch(handed_at):
    return Batch("records", "calls.v1", {3: [], 1: []}, 0, handed_at)


@pytest.fixture
def watched():
    session, in_flight, failed, held_up = Session(1.0), collections.deque(), [], []
    watchdog = Watchdog(session, in_flight, 60.0, lambda: bool(held_up), failed.append)
    yield session, in_flight, failed, held_up, watchdog
    watchdog.stop()


def until(reached):
    end = time.monotonic() + 10
    while not reached() and time.monotonic() < end:
        time.sleep(0.01)
    assert reached()


def test_a_process_that_runs_is_alive_whatever_its_event_loop_is_at(watched):
    session, *_ = watched
    began = session.alive_at
    until(lambda: session.alive_at > began + 1.2)
    assert session.anew is None


def test_one_that_slept_through_its_session_is_not_alive_again_before_it_starts_over(watched):
    session, *_ = watched
    session.alive_at -= 100
    until(lambda: session.anew is not None)
    slept = session.alive_at
    time.sleep(0.3)
    assert session.alive_at == slept
    assert session.until < time.monotonic()
    session.renew()
    until(lambda: session.alive_at > slept + 100.2)
    assert session.anew is None


def test_a_batch_that_does_not_finish_ends_the_worker_and_is_named(watched):
    _, in_flight, failed, _, _ = watched
    in_flight.append(batch(time.monotonic()))
    in_flight.appendleft(batch(time.monotonic() - 61))
    until(lambda: failed)
    assert isinstance(failed[0], TransportError)
    assert "calls.v1 (records, partitions [1, 3]) was not finished within 60 s" in str(failed[0])


def test_brokers_that_do_not_answer_are_waited_for_from_then_on(watched):
    _, in_flight, failed, held_up, watchdog = watched
    held_up.append(True)
    in_flight.append(batch(time.monotonic() - 1_000))
    time.sleep(0.3)
    held_up.clear()
    watchdog.look(time.monotonic() + 59)
    with pytest.raises(TransportError):
        watchdog.look(time.monotonic() + 61)
    assert not failed
