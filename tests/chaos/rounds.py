"""``python -m tests.chaos.rounds``: lab traffic whose minutes come round again and again, each time as calls of their own.

Simulated traffic always brings numbers that were never seen before, most of them invented, so that whoever remembers callers
for a day holds more every minute. Here all have called after the first round, so that what grows from then on is no caller.
"""

import argparse
import heapq
import itertools
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from confluent_kafka import Producer
from msgspec import structs

from streamer.calls.codec import decode_call
from streamer.calls.numbers import caller_key, home_plan, utf8
from streamer.kafka import clients, topics
from streamer.lab.traffic import Traffic
from streamer.settings import load

FRAME = struct.Struct("<qHI")
"""Of a record in a file: ms since the round began, and the bytes of its key and value, which follow."""
TICK_S = 0.005


def recorded(file, traffic, home):
    """Write the records of a round; they are in order of time."""
    plan, encode = home_plan(home), msgspec.json.encode
    for at, event, _ in traffic:
        key, value = utf8(caller_key(event.caller, event.asserted, event.callee, plan)), encode(event)
        file.write(FRAME.pack(at - traffic.start_ms, len(key), len(value)) + key + value)


def coming(path, number, block_ms, shift_ms):
    """The records of one round, (ms since the first round began, key, value): its calls have ids and times of their own."""
    begins, encode = number * block_ms, msgspec.json.encode
    with path.open("rb") as file:
        while head := file.read(FRAME.size):
            at, key, value = FRAME.unpack(head)
            key, event = file.read(key), decode_call(file.read(value))
            own = structs.replace(event, call_id=f"r{number}.{event.call_id}", at=event.at + shift_ms + begins)
            yield begins + at, key, encode(own)


def main():
    asked = argparse.ArgumentParser(prog="python -m tests.chaos.rounds", description=__doc__)
    asked.add_argument("--seconds", type=int, default=1_800)
    asked.add_argument("--block", type=int, default=240, help="seconds of a round")
    asked.add_argument("--rate", type=int, default=2_000, help="set-ups a second")
    asked.add_argument("--subscribers", type=int, default=60_000)
    told = asked.parse_args()
    settings = load()
    # What operators and administrators publish beside the calls, and a second of calls.
    subprocess.run(
        [sys.executable, "-m", "streamer", "simulate", "--to", "kafka", "--rate", str(told.rate), "--seconds", "1",
         "--subscribers", str(told.subscribers)], check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    traffic = Traffic(1, told.rate, seconds=told.block, subscribers=told.subscribers)
    producer, topic = Producer(clients.producer_config(settings)), topics.Topics(settings).calls
    with tempfile.NamedTemporaryFile(prefix="streamer-rounds-") as file:
        recorded(file, traffic, settings.home)
        file.flush()
        began_ms, block_ms = int(time.time() * 1000), 1000 * told.block
        rounds = range(-(-told.seconds // told.block))
        shift_ms = began_ms - traffic.start_ms
        records = heapq.merge(
            *(coming(Path(file.name), number, block_ms, shift_ms) for number in rounds), key=lambda record: record[0]
        )
        for due, key, value in itertools.takewhile(lambda record: record[0] < 1000 * told.seconds, records):
            wait = (began_ms + due) / 1000 - time.time()
            if wait > TICK_S:
                producer.poll(0)
                time.sleep(wait)
            while True:
                try:
                    producer.produce(topic, key=key, value=value)
                    break
                except BufferError:
                    producer.poll(0.05)
        if producer.flush(60):
            sys.exit("records were not delivered")


if __name__ == "__main__":
    main()
