"""What time it is by the broker of each partition; and who asks while partitions come and go."""

import threading
import time

from confluent_kafka import Message

from streamer.settings import Settings
from streamer.stream.arrivals import Origin
from streamer.stream.batches import Batch
from streamer.stream.checkpoints import Checkpoints
from streamer.stream.judge import Judge

NOW = 1_780_000_000_000


class Plain(Judge):
    """Keeps no state."""


class Facts:
    """There are none."""

    reached = 0

    def follow(self, _):
        return 0


def checkpoints():
    return Checkpoints(Settings(), Plain(), None, Facts(), lambda: None, print, print)


def gained(made, partitions):
    batch = Batch("assigned", "calls", {number: [] for number in partitions}, 1, 0.0)
    batch.origins = {number: Origin(0, "", committed=False) for number in partitions}
    made.gained(batch)


def record(partition, append_ms):
    return Message(topic="calls", partition=partition, offset=0, timestamp=(2, append_ms))


def test_each_partition_goes_by_the_clock_of_the_broker_that_leads_it():
    made = checkpoints()
    gained(made, range(3))
    assert made.clocks() == {}
    made.judged({0: [record(0, NOW + 3_000)], 1: [record(1, NOW)]}, NOW / 1000)
    told = made.clocks()
    assert told.keys() == {0, 1}
    assert told[0] >= NOW + 3_000
    assert NOW <= told[1] < NOW + 2_000
    made.judged({0: [record(0, NOW)]}, NOW / 1000)  # another broker leads it now
    assert made.clocks()[0] < NOW + 2_000
    made.lost([0])
    gained(made, [0])
    assert made.clocks().keys() == {1}


def test_whether_state_is_restored_may_be_asked_while_partitions_come_and_go():
    made, failed, ending = checkpoints(), [], threading.Event()

    def asks():
        while not ending.is_set():
            try:
                assert len(made.restoring) <= 64
            except RuntimeError as error:
                failed.append(error)

    thread = threading.Thread(target=asks)
    thread.start()
    until = time.monotonic() + 2
    while time.monotonic() < until and not failed:
        gained(made, range(64))
        made.lost(range(64))
    ending.set()
    thread.join()
    assert not failed
