"""The raw loop with this project's engine in it, waiting for company as the worker does: what is left once a worker has no
Faust, no threads, no offsets, no checkpoints, no metrics and looks at no delivery. What the worker takes beyond it is the
price of those.
"""

import gc
import time
from itertools import groupby

from confluent_kafka import Consumer, Message, Producer
from work import TASK, source

from streamer.engine import Engine
from streamer.kafka.topics import Topics
from streamer.settings import load
from streamer.stream import compiling
from streamer.stream.batches import Batch, as_columns
from streamer.stream.pace import Pace
from streamer.warming import warm


def main() -> None:
    """Run until a signal ends it."""
    settings = load(**TASK["settings"])
    compiling.ahead()
    warm()
    engine, topics = Engine.of(settings), Topics(settings)
    for partition in range(settings.partitions):
        engine.adopt(partition)
    consumer, producer = Consumer(TASK["consumer"]), Producer(TASK["producer"])
    consumer.subscribe([TASK["input"]])
    produce = producer.produce
    pace = Pace(settings.linger_ms / 1000)
    gc.collect()
    gc.freeze()  # as the worker does after its start
    while True:
        polled = pace.poll(consumer, 0.1, TASK["batch"])
        if not polled:
            producer.poll(0)
            continue
        spans: dict[int, list[Message]] = {}
        for number, run in groupby(polled, Message.partition):
            spans.setdefault(number, []).extend(run)
        _, _, columns = as_columns(Batch("records", TASK["input"], spans, 0, 0.0))
        stages = engine.stages(columns, int(time.time() * 1000))
        outcomes = next(stages)
        partitions, offsets = columns.partitions, columns.offsets
        for row, call_id, value in outcomes.decisions:
            partition = partitions[row]
            produce(topics.decisions, value, call_id, partition, None, None, 0, source(partition, offsets[row]))
        next(stages, None)
        for row, key, value in outcomes.evidence:
            produce(topics.evidence, value, key, partitions[row])
        for key, value in outcomes.counts:
            produce(topics.counts, value, key, 0)
        producer.poll(0)


if __name__ == "__main__":
    main()
