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


def sleepless(watchdog, seconds, now=None):
    """Look for so long, every half second; gives when that is over."""
    now = time.monotonic() if now is None else now
    for _ in range(2 * seconds):
        now += 0.5
        watchdog.look(now)
    return now


@pytest.fixture
def watched():
    session, in_flight, failed, held_up = Session(20.0), collections.deque(), [], []
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
    until(lambda: session.alive_at > began + 0.3)
    assert session.anew is None


def test_one_that_slept_through_its_session_is_not_alive_again_before_it_starts_over(watched):
    session, *_, watchdog = watched
    session.alive_at -= 100
    until(lambda: session.anew is not None)
    slept = session.alive_at
    looked = watchdog._looked_at
    until(lambda: watchdog._looked_at > looked)
    assert session.alive_at == slept
    assert session.until < time.monotonic()
    session.renew()
    renewed = session.alive_at
    until(lambda: session.alive_at > renewed + 0.05)
    assert session.anew is None


def test_a_batch_that_does_not_finish_ends_the_worker_and_is_named(watched):
    _, in_flight, failed, _, watchdog = watched
    in_flight.append(batch(time.monotonic() - 1_000))
    in_flight[0].finish()
    watchdog.look(time.monotonic() + 0.5)
    in_flight.append(batch(time.monotonic()))
    now = sleepless(watchdog, 59)
    with pytest.raises(
        TransportError, match=r"calls\.v1 \(records, partitions \[1, 3\]\) was not finished within 60 s"
    ):
        sleepless(watchdog, 3, now)
    assert not failed


def test_the_thread_tells_of_it(watched):
    _, in_flight, failed, _, watchdog = watched
    watchdog._timeout_s = 0.2
    in_flight.append(batch(time.monotonic()))
    until(lambda: failed)
    assert isinstance(failed[0], TransportError)


def test_brokers_that_do_not_answer_are_waited_for_from_then_on(watched):
    _, in_flight, _, held_up, watchdog = watched
    watchdog.stop()
    in_flight.append(batch(time.monotonic() - 1_000))
    held_up.append(True)
    now = sleepless(watchdog, 100)
    held_up.clear()
    now = sleepless(watchdog, 59, now)
    with pytest.raises(TransportError):
        sleepless(watchdog, 3, now)


def test_a_process_that_was_stopped_is_given_its_time_anew(watched):
    _, in_flight, _, _, watchdog = watched
    watchdog.stop()
    in_flight.append(batch(time.monotonic()))
    now = time.monotonic() + 1_000
    watchdog.look(now)
    watchdog.turned_at = now + 59
    sleepless(watchdog, 59, now)


def test_an_event_loop_that_hangs_with_nothing_in_flight_ends_the_worker_too(watched):
    *_, watchdog = watched
    watchdog.stop()
    now = sleepless(watchdog, 59)
    with pytest.raises(TransportError, match="the event loop has been at something for 60 s"):
        sleepless(watchdog, 3, now)


def test_whoever_has_to_end_and_does_not_is_ended(watched):
    *_, held_up, watchdog = watched
    watchdog.stop()
    held_up.append(True)
    watchdog.end_within(25)
    watchdog.end_within(1_000)
    now = sleepless(watchdog, 20)
    with pytest.raises(TransportError, match="did not leave its group in time"):
        sleepless(watchdog, 10, now)
