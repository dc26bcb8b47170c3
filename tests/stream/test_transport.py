"""What Faust is shown of batches, and when; with Faust's own flow and queues, but no worker around them."""

import asyncio
from types import SimpleNamespace

from mode.utils.queues import FlowControlEvent, FlowControlQueue

from streamer.stream.batches import Batch
from streamer.stream.transport import Consumer


def batch(number):
    return Batch("records", "calls.v1", {number: []}, 0, 0.0)


def shown(flow, queue, known):
    """A consumer of `calls.v1` whose batches come into `queue`, once Faust knows its partitions and its flow is open."""
    consumer = object.__new__(Consumer)
    consumer._early, consumer._queues, consumer._serial, consumer._shown = [], {}, 0, ["calls.v1"]
    read = [SimpleNamespace(queue=queue, topics=["calls.v1"])]
    consumer.app = SimpleNamespace(flow_control=flow, consumer_generation_id=1, topics=read)
    consumer.on_partitions_assigned = lambda *_: known()
    return consumer


def test_what_comes_before_faust_has_opened_its_flow_is_shown_after_it_and_in_order():
    """Its streams pass over what lies in their queues before, and the queues are cleared when it opens."""

    async def run():
        flow = FlowControlEvent()
        queue = FlowControlQueue(flow_control=flow, clear_on_resume=True)
        known = asyncio.Event()
        consumer = shown(flow, queue, known.wait)
        introduced = asyncio.create_task(consumer._introduce())
        for number, happens in enumerate((lambda: None, known.set, flow.resume, lambda: None)):
            happens()
            consumer._take(batch(number))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert queue.empty() == (number < 2)
        await introduced
        return [list(queue.get_nowait().value.spans) for _ in range(queue.qsize())]

    assert asyncio.run(run()) == [[0], [1], [2], [3]]
