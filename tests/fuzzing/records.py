"""Broken records for `calls.v1`, and the long run of them: ``python -m tests.fuzzing.records 1000000`` sends them through a real worker."""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

_ODD = (None, True, -1, 0, 1.5, 10**18, 1e308, "", " ", "\x00", "é" * 70, "x" * 300, "+", "+7", "sip:@;", [], {}, [[1]], "\U0001f600",
        "anonymous", "+77010000001", "9" * 64, "-0", "NaN")  # fmt: skip


def broken_records(count: int, seed: int) -> Iterator[bytes | None]:
    """`count` values: random bytes, cut and flipped JSON, wrong and missing fields, odd numbers, too long, too deep; some sound."""
    draw = random.Random(seed)
    kinds = ("setup", "answer", "end")
    for number in range(count):
        call = {
            "type": draw.choice(kinds),
            "call_id": f"f{number}",
            "at": 1_763_953_123_123 + draw.randrange(10**7),
            "operator": f"op-{draw.randrange(5)}",
            "caller": f"+7701{draw.randrange(10**7):07d}",
            "callee": f"+7727{draw.randrange(10**7):07d}",
            "ingress": draw.choice(("subscriber", "national", "international")),
            "talk_ms": draw.randrange(10**6),
            "cause": draw.randrange(128),
        }
        what = draw.randrange(12)
        if what == 0:
            yield draw.randbytes(draw.randrange(400))
        elif what == 1:
            value = orjson.dumps(call)
            yield value[: draw.randrange(len(value))]
        elif what == 2:
            value = bytearray(orjson.dumps(call))
            for _ in range(draw.randrange(1, 6)):
                value[draw.randrange(len(value))] = draw.randrange(256)
            yield bytes(value)
        elif what in {3, 4, 5}:
            for name in draw.sample(sorted(call), draw.randrange(1, 4)):
                call[name] = draw.choice(_ODD)
            yield orjson.dumps(call, default=str)
        elif what == 6:
            for name in draw.sample(sorted(call), draw.randrange(1, 4)):
                del call[name]
            yield orjson.dumps(call)
        elif what == 7:
            yield draw.choice(
                (
                    None,
                    b"",
                    b"null",
                    b"[]",
                    b"0",
                    b'"setup"',
                    b"{}",
                    b'{"type":"setup"}',
                    b"[" * 5_000,
                    b'{"a":' * 5_000,
                )
            )
        elif what == 8 and number % 50 == 0:
            yield orjson.dumps(call | {"user_agent": "x" * draw.randrange(60_000, 90_000)})
        elif what == 9:
            yield orjson.dumps(call).replace(b"+7", draw.choice((b"\\ud800", b"\xff", b"\\u0000", b"\xc0\x80")))
        else:
            yield orjson.dumps(call)


def main(count: int) -> None:
    """Start a broker and a worker, send the records, and say how long the worker took; ends with an error if it stalls or stops."""
    from streamer.kafka import topics
    from streamer.kafka.broker import LocalBroker
    from streamer.settings import load
    from tests.stream.live import Calls, Worker, setup

    with tempfile.TemporaryDirectory(prefix="streamer-fuzz-") as folder, LocalBroker(Path(folder), port=0) as broker:
        settings = load(bootstrap=broker.bootstrap, partitions=4, group="fuzz")
        topics.ensure(settings)
        calls = Calls(settings)
        with Worker(settings) as worker:
            began = time.monotonic()
            for number, value in enumerate(broken_records(count, seed=1)):
                while True:
                    try:
                        calls.producer.produce(calls.topics.calls, key=str(number), value=value)
                    except BufferError:
                        calls.producer.poll(0.05)
                    else:
                        break
                if number % 1_000 == 0:
                    calls.producer.poll(0)
            for number in range(20):
                calls.publish(setup(f"last{number}", f"+7702{number:07d}"))
            missing = calls.until({f"last{number}" for number in range(20)}, 600)
            code = worker.stop()
            assert not missing, worker.log
            assert code == 0, worker.log
            print(f"{count:,} broken records in {time.monotonic() - began:.0f} s, and sound set-ups decided after them")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, epilog="Example: python -m tests.fuzzing.records 1000000")
    asked.add_argument("records", type=int, help="broken ones, through a worker on a broker of its own")
    main(asked.parse_args().records)
