"""A worker's checkpoints on their own: what a pointer says of decisions that an earlier tenure left in the log."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from streamer.engine import Engine
from streamer.kafka.topics import Topics
from streamer.stream.arrivals import Arrivals, Origin
from streamer.stream.batches import Batch
from streamer.stream.checkpoints import Checkpoints
from streamer.stream.control import Control
from streamer.stream.deliveries import Deliveries
from streamer.stream.gaps import Gaps
from streamer.stream.pointers import Pointer, read, written
from tests.stream import undisturbed
from tests.stream.live import Calls, setup
from tests.stream.mixed import control as publish


async def until(happened):
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def saved(settings, records):
    """A worker has said something of these records, lost their partition unsaved and gains it anew: gives what `said` is
    committed with each offset when it judges them again one by one.
    """
    partition = records[0].partition()
    topics, offered, failed = Topics(settings), [], []
    deliveries, control = Deliveries(settings, failed.append), Control(settings, failed.append, lambda: None)
    poller = SimpleNamespace(arrivals=Arrivals(settings), offsets=SimpleNamespace(offer=offered.append, gaps=Gaps()))
    engine = Engine.of(settings)
    checkpoints = Checkpoints(settings, engine, deliveries, control, lambda: poller, failed.append, lambda: None)
    said = Engine.of(settings).process(undisturbed.as_batch(records), 0).decisions
    messages = [
        (topics.decisions, value, call_id, partition, [("source.offset", b"%d" % records[row].offset())])
        for row, call_id, value in said
    ]
    delivered = asyncio.Event()
    loop = asyncio.get_running_loop()
    await deliveries.send(messages, lambda: loop.call_soon_threadsafe(delivered.set))
    await delivered.wait()
    gained = Batch("assigned", topics.calls, {partition: []}, 1, 0.0)
    gained.origins = {partition: Origin(0, written(Pointer([], 0)), committed=True)}
    checkpoints.gained(gained)

    def awake():
        control.apply(engine.apply, lambda change, error: failed.append(error))
        checkpoints.take_in()
        checkpoints.wake()
        return not checkpoints.restoring

    await until(awake)
    saving = asyncio.create_task(checkpoints.run())
    found = []
    for record in records:
        engine.process(undisturbed.as_batch([record]), 0)
        checkpoints.judged({partition: [record]}, time.time())
        assert checkpoints.caught_up == ({partition} if record is records[-1] else set())
        await until(lambda record=record: offered and offered[-1].offset == record.offset() + 1)
        found.append(read(partition, offered[-1].metadata).said)
    saving.cancel()
    checkpoints.close()
    control.close()
    deliveries.close(5)
    assert not failed
    return found


@pytest.mark.broker
def test_what_was_said_of_records_to_come_is_read_again_until_they_have_come(kafka_settings):
    calls = Calls(kafka_settings)
    for number in range(3):
        calls.publish(setup(f"{number}", "+77010000001"))
    calls.producer.flush(10)
    (records,) = filter(None, undisturbed.log(kafka_settings, calls.topics.calls).values())
    settings = kafka_settings.model_copy(update={"checkpoint_s": 0.2})
    assert asyncio.run(saved(settings, records)) == [0, 0, 3]


async def taken_in(settings):
    """How many pieces of a restored partition were taken in before the register of trunks was applied, and after."""
    topics, offered, failed, applied = Topics(settings), [], [], []
    deliveries, control = Deliveries(settings, failed.append), Control(settings, failed.append, lambda: None)
    poller = SimpleNamespace(arrivals=Arrivals(settings), offsets=SimpleNamespace(offer=offered.append, gaps=Gaps()))
    engine = Engine.of(settings)
    checkpoints = Checkpoints(settings, engine, deliveries, control, lambda: poller, failed.append, lambda: None)
    gained = Batch("assigned", topics.calls, {0: []}, 1, 0.0)
    gained.origins = {0: Origin(0, "", committed=False)}
    checkpoints.gained(gained)
    await until(checkpoints._keeping.restorer._parts.qsize)
    assert not checkpoints.take_in()
    before = checkpoints.restored

    def taken():
        control.apply(lambda kind, *_: applied.append(kind), lambda change, error: failed.append(error))
        checkpoints.take_in()
        return checkpoints.restored

    await until(taken)
    checkpoints.close()
    control.close()
    deliveries.close(5)
    assert not failed
    return before, checkpoints.restored, applied


@pytest.mark.broker
def test_state_is_taken_in_once_the_register_of_trunks_is_there(kafka_settings):
    publish(kafka_settings, Topics(kafka_settings).trunks, "op-b/igw", {"operator": "op-b", "trunk": "igw"})
    assert asyncio.run(taken_in(kafka_settings)) == (0, 1, ["trunks"])
