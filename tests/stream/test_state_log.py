"""What is written to `state.v1`: which records a pointer names, and which are deleted."""

import contextlib
import os
import queue
import threading
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from streamer.engine import Engine
from streamer.kafka.clients import consumer_config
from streamer.kafka.topics import Topics
from streamer.stream import state_log
from streamer.stream.pointers import Pointer
from streamer.stream.priority import GIVES_WAY, giving_way
from streamer.stream.state_log import Order, StateLog
from streamer.windows.hashing import BUCKETS
from tests.stream.live import wait_until
from tests.test_engine import NOW, batch, setup

pytestmark = pytest.mark.broker


@pytest.fixture
def pause_s():
    """Between two pieces of a checkpoint."""
    return state_log.PAUSE_S


@pytest.fixture
def writing(kafka_settings, monkeypatch, pause_s):
    """An engine with its partitions watched, a log whose records are under way for a while, and what that offers:
    (partition, epoch, offset), and the pointer.
    """
    monkeypatch.setitem(state_log._SETTINGS, "linger.ms", 500)
    engine, offered, failed = Engine.of(kafka_settings), [], queue.SimpleQueue()

    def offer(*told):
        offered.append((told[:3], msgspec.json.decode(told[3], type=Pointer)))

    log = StateLog(kafka_settings, engine.pieces, offer, failed.put, pause_s)
    for number in range(kafka_settings.partitions):
        engine.watch(number)
    yield engine, log, offered
    log.close()
    assert failed.empty(), failed.get()


def lows(settings, topic):
    asking = Consumer(consumer_config(settings, f"{settings.group}-lows"))
    found = [asking.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[0] for p in range(settings.partitions)]
    asking.close()
    return found


def test_a_checkpoint_that_is_delivered_after_its_partition_was_lost_and_gained_again_is_no_part_of_it(writing):
    engine, log, offered = writing
    log.begin(0, [], {})
    log.write(Order(0, 1, 5, 0, engine.whole(0)))
    wait_until(lambda: offered)
    left, gained = Order(0, 1, 9, 0, engine.whole(0)), Order(0, 2, 7, 0, engine.changes(0, 0))
    log.write(left)
    log.begin(0, [(0, 0)], dict.fromkeys(range(BUCKETS), 0))
    log.write(gained)
    wait_until(lambda: left.delivered and gained.delivered)
    assert offered[-1] == ((0, 2, 7), Pointer([(0, 0), (2, 2)], 0))


def test_of_two_checkpoints_at_one_offset_neither_is_deleted_while_it_may_be_the_committed_one(
    writing, kafka_settings, monkeypatch
):
    monkeypatch.setattr(state_log, "_DELETE_EVERY_S", 0.1)
    engine, log, offered = writing
    log._delete_at = 0.0  # the first time that it looks would come only after the log's own pause
    for number, offsets in ((0, (7, 7)), (1, (7, 8))):
        log.begin(number, [], {})
        for offset in offsets:
            log.write(Order(number, 1, offset, 0, engine.whole(number)))
    wait_until(lambda: len(offered) == 4)
    log.committed(0, 7)
    log.committed(1, 8)
    topic = Topics(kafka_settings).state
    wait_until(lambda: lows(kafka_settings, topic)[1] == 1)
    assert lows(kafka_settings, topic)[0] == 0


def copied(engine, partition):
    """What a partition holds after enough calls for several pieces."""
    engine.process(batch([setup(f"{n}", f"+7701{n:07d}", f"+77272{n:06d}") for n in range(4_000)]), NOW)
    return engine.whole(partition)


@pytest.mark.parametrize("pause_s", [3_600.0])
def test_a_checkpoint_leaves_piece_by_piece_unless_it_is_waited_for_or_another_comes(writing):
    engine, log, offered = writing
    for number in (0, 1, 2):
        log.begin(number, [], {})
    slow, waiting = (Order(number, 1, 5, 0, copied(engine, number)) for number in (0, 1))
    log.write(slow)
    wait_until(lambda: slow.offsets)
    assert not slow.cut and slow.sent == 1
    log.write(waiting)
    wait_until(lambda: slow.delivered)
    assert slow.sent >= 3 and not waiting.delivered
    told = threading.Event()
    log.write(Order(2, 1, 5, 0, copied(engine, 2), told.set))
    wait_until(lambda: told.is_set() and waiting.delivered)
    # Of two partitions the broker may answer for either one first.
    assert offered[0][0] == (0, 1, 5) and sorted(place for place, _ in offered[1:]) == [(1, 1, 5), (2, 1, 5)]


@pytest.mark.parametrize("pause_s", [3_600.0])
def test_of_a_partition_that_was_lost_nothing_more_is_sent(writing):
    engine, log, offered = writing
    log.begin(0, [], {})
    mine = Order(0, 1, 5, 0, copied(engine, 0))
    log.write(mine)
    wait_until(lambda: mine.offsets)
    log.lost(0)
    log.begin(0, [], {})
    told = threading.Event()
    log.write(Order(0, 2, 5, 0, engine.whole(0), told.set))
    wait_until(told.is_set)
    assert [place for place, _ in offered] == [(0, 2, 5)]
    assert mine.sent == 1 and not mine.delivered


def test_a_worker_that_may_not_give_way_goes_on(monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", refused)
    assert giving_way(lambda: 1) == 1


def test_threads_that_send_state_give_way_to_all_others(writing):
    engine, log, offered = writing
    log.begin(0, [], {})
    log.write(Order(0, 1, 5, 0, engine.whole(0)))
    wait_until(lambda: offered)
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    sending = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(
            FileNotFoundError, ProcessLookupError
        ):  # a thread of another client that ends just now
            if (task / "comm").read_text().startswith("rdk:broker"):
                sending.append(os.getpriority(os.PRIO_PROCESS, int(task.name)))
    assert max(GIVES_WAY, own) in sending
    packing = next(thread for thread in threading.enumerate() if thread.name == "state-log")
    assert os.getpriority(os.PRIO_PROCESS, packing.native_id) == own
