"""The event loop that waits for records: nothing else waits for long, and what a rebalance waits for goes on."""

import asyncio
import threading
import time

import pytest

from streamer.errors import TransportError
from streamer.stream.event_loop import EventLoop
from streamer.stream.transport import Consumer


@pytest.fixture
def loop():
    made = EventLoop()
    yield made
    made.close()


def test_turns_wait_in_place_of_the_loop_and_no_longer_than_until_its_next_timer(loop):
    waits, waited = [], []

    def turn(wait_s):
        began = time.monotonic()
        waits.append(wait_s)
        time.sleep(wait_s)
        waited.append(time.monotonic() - began)
        return True

    loop.take_turns(turn)
    loop.run_until_complete(asyncio.sleep(0.4))
    assert len(waits) <= 20, "it turns round and round"
    assert max(waits) <= 0.05
    assert sum(waited) > 0.3


def test_a_turn_that_waits_for_nothing_does_not_make_the_loop_spin(loop):
    turns = []
    loop.take_turns(lambda wait_s: turns.append(wait_s) is not None)
    loop.run_until_complete(asyncio.sleep(0.2))
    assert 10 < len(turns) <= 250


def test_what_other_threads_want_is_done_after_the_turn(loop):
    told = asyncio.Event()
    loop.take_turns(lambda wait_s: time.sleep(wait_s) is None)
    threading.Timer(0.03, lambda: loop.call_soon_threadsafe(told.set)).start()
    loop.run_until_complete(asyncio.wait_for(told.wait(), 5))


def test_within_a_turn_all_else_goes_on_and_no_other_turn_is_taken(loop):
    done, within, turned = [], [], asyncio.Event()

    async def work():
        for _ in range(3):
            await asyncio.sleep(0.001)
        await loop.run_in_executor(None, time.sleep, 0.01)
        done.append(asyncio.current_task())

    def turn(_):
        within.append(True)
        assert len(within) == 1
        until = time.monotonic() + 5
        while not done and time.monotonic() < until:
            loop.step()
        within.pop()
        turned.set()
        return True

    async def main():
        task = loop.create_task(work())
        loop.take_turns(turn)
        await turned.wait()
        loop.take_turns(None)
        assert done == [task]

    loop.run_until_complete(main())


def test_an_error_of_a_task_that_runs_within_a_turn_stays_with_the_task(loop):
    async def fails():
        raise ValueError("of the task")

    async def main():
        task = loop.create_task(fails())
        loop.take_turns(lambda _: loop.step() is None)
        await asyncio.sleep(0.01)
        loop.take_turns(None)
        with pytest.raises(ValueError, match="of the task"):
            await task

    loop.run_until_complete(main())


def test_on_another_event_loop_the_consumer_says_what_to_do():
    async def start():
        await Consumer.on_start(None)

    with pytest.raises(TransportError, match=r"streamer\.stream\.event_loop\.install"):
        asyncio.run(start())
