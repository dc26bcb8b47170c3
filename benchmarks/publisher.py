"""A publisher of its own process: sends set-ups at a steady rate, the time of sending in each call id.

Told by one JSON argument: `producer` settings, `topic`, `file`, `skip` lines of it, `rate` a second, `seconds`.
Prints one JSON line: what was sent and how well the rate was kept.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from itertools import islice

from confluent_kafka import Producer

TICK_S = 0.001


def main() -> None:
    """Publish and say how it went."""
    task = json.loads(sys.argv[1])
    rate, total = task["rate"], int(task["rate"] * task["seconds"])
    with open(task["file"], "rb") as lines:
        chosen = list(islice(lines, task["skip"], task["skip"] + total))
    calls = []
    for line in chosen:
        key, value = line.rstrip(b"\n").split(b"\t", 1)
        # {"type":"setup","call_id":"…","at":1763953123123,…: the id and the time are those of sending.
        calls.append((key, value[value.index(b',"operator"') :]))
    producer = Producer(task["producer"])
    producer.list_topics(timeout=10)
    gc.collect()
    gc.freeze()
    produce, topic, burst = producer.produce, task["topic"], max(1, int(rate * TICK_S))
    began, sent, late_ticks = time.perf_counter(), 0, 0
    while sent < len(calls):
        due = began + sent / rate
        now = time.perf_counter()
        if now < due:
            time.sleep(due - now)
        elif now - due > 0.005:
            late_ticks += 1
        for key, rest in calls[sent : sent + burst]:
            sent_ns = time.time_ns()
            head = b'{"type":"setup","call_id":"p%d.%d","at":%d' % (sent_ns, sent, sent_ns // 1_000_000)
            produce(topic, key=key, value=head + rest)
            sent += 1
        producer.poll(0)
    producer.flush(10)
    took = time.perf_counter() - began
    print(json.dumps({"sent": sent, "seconds": took, "late_ticks": late_ticks, "cpu_s": time.process_time()}))


if __name__ == "__main__":
    main()
