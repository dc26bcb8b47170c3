"""A reader of its own process: takes decisions as they come and tells how long after the set-up's publishing each was read.

Told by one JSON argument: `consumer` settings, `topic`, `expected` decisions, `warm_s` that are not counted, `wait_s`.
Prints `ready`, then one JSON line with percentiles in milliseconds.
"""

from __future__ import annotations

import gc
import json
import sys
import time

import numpy as np
from confluent_kafka import Consumer, TopicPartition


def main() -> None:
    """Read and say how it went."""
    task = json.loads(sys.argv[1])
    consumer = Consumer(task["consumer"])
    topic = consumer.list_topics(task["topic"], timeout=10).topics[task["topic"]]
    ends = [TopicPartition(task["topic"], p) for p in topic.partitions]
    for partition in ends:
        partition.offset = consumer.get_watermark_offsets(partition, timeout=10, cached=False)[1]
    consumer.assign(ends)
    consumer.poll(0.2)
    gc.collect()
    gc.freeze()
    gc.disable()
    print("ready", flush=True)
    found: dict[bytes, int] = {}
    end = time.monotonic() + task["wait_s"]
    expected = task["expected"]
    while len(found) < expected and time.monotonic() < end:
        first = consumer.poll(0.1)
        if first is None:
            continue
        for record in (first, *consumer.consume(499, 0)):
            now_ns = time.time_ns()
            value = record.value()
            if record.error() or value is None:
                continue
            at = value.find(b'"call_id":"p') + 12
            if at < 12:
                continue
            found.setdefault(value[at : value.index(b'"', at)], now_ns)
    sent = np.array([int(call.split(b".")[0]) for call in found], dtype=np.int64)
    read = np.array(list(found.values()), dtype=np.int64)
    report: dict[str, float] = {"read": len(found), "lost": expected - len(found)}
    if found:
        counted = sent >= sent.min() + int(task["warm_s"] * 1e9)
        waits_ms = (read - sent)[counted] / 1e6
        if len(waits_ms):
            names = {"p50": 50, "p99": 99, "p999": 99.9}
            report |= {name: float(np.percentile(waits_ms, q)) for name, q in names.items()}
            report |= {"max": float(waits_ms.max()), "counted": len(waits_ms)}
    print(json.dumps(report), flush=True)
    consumer.close()


if __name__ == "__main__":
    main()
