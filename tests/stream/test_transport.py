"""What Faust is shown of batches, and when; with Faust's own flow and queues, but no worker around them."""

import asyncio
from types import SimpleNamespace

from faust.types import TP
from mode.utils.queues import FlowControlEvent, FlowControlQueue

from streamer.stream.batches import Batch
from streamer.stream.transport import Consumer


def batch(number):
    return Batch("records", "calls.v1", {number: []}, 0, 0.0)


def test_what_comes_before_faust_has_opened_its_flow_is_shown_after_it_and_in_order():
    """Its streams pass over what lies in their queues before, and the queues are cleared when it opens."""

    async def run():
        flow = FlowControlEvent()
        queue = FlowControlQueue(flow_control=flow, clear_on_resume=True)
        known = asyncio.Event()
        consumer = object.__new__(Consumer)
        consumer._early, consumer._serial = [], 0
        channels = {TP("calls.v1", 0): [SimpleNamespace(queue=queue)]}
        consumer.app = SimpleNamespace(
            flow_control=flow, consumer_generation_id=1, topics=SimpleNamespace(_tp_index=channels)
        )
        consumer.assignment = lambda: set(channels)
        consumer.on_partitions_assigned = lambda *_: known.wait()
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
