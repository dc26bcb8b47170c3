"""The engine without Kafka: time a call by batch size beside a loop that only decodes and encodes, and memory a caller.

`python -m benchmarks.engine_alone '{"what":"memory",…}'` runs one part in a process of its own and prints JSON.
"""

from __future__ import annotations

import gc
import json
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from operator import truediv
from pathlib import Path
from statistics import median
from typing import IO, Any

import msgspec
import orjson

from benchmarks.environments import ROOT
from benchmarks.processes import tied
from benchmarks.sizes import BATCHES, TRAFFIC_RATE
from streamer.calls.codec import decode_call
from streamer.calls.events import Setup
from streamer.calls.numbers import caller_key, home_plan
from streamer.calls.partitioner import partition_of
from streamer.engine import Engine
from streamer.lab.traffic import Traffic
from streamer.records import Batch
from streamer.settings import load

PARTITIONS = 4
START_MS = 1_763_953_200_000
_FRAME = struct.Struct("<HqH")


def _traffic(
    seconds: float | None, setups_only: bool, partitions: int = PARTITIONS
) -> Iterator[tuple[int, int, bytes]]:
    """(partition, time, value) of simulated records."""
    plan, encode = home_plan("KZ"), msgspec.json.Encoder().encode
    for at, event, _ in Traffic(1, TRAFFIC_RATE, seconds=seconds, start_ms=START_MS):
        if setups_only and not isinstance(event, Setup):
            continue
        key = caller_key(event.caller, event.asserted, event.callee, plan)
        yield partition_of(key.encode("utf-8", "surrogatepass"), partitions), at, encode(event)


def _batches(records: list[tuple[int, int, bytes]], size: int) -> list[Batch]:
    cut = [records[first : first + size] for first in range(0, len(records) - size + 1, size)]
    return [
        Batch(
            [r[0] for r in part], list(range(at, at + size)), [r[1] for r in part], [r[2] for r in part], [False] * size
        )
        for at, part in zip(range(0, len(records), size), cut, strict=False)
    ]


def _engine(partitions: int = PARTITIONS) -> Engine:
    engine = Engine.of(load(partitions=partitions))
    for partition in range(partitions):
        engine.adopt(partition)
    return engine


def _codec_us(values: list[bytes]) -> float:
    """Decode and encode only, on the messages of the contract: µs a call."""
    began = time.perf_counter()
    for value in values:
        call = decode_call(value)
        assert isinstance(call, Setup)
        orjson.dumps(
            {
                "call_id": call.call_id, "at": call.at, "decided_at": call.at, "operator": call.operator,
                "caller": call.caller, "callee": call.callee, "action": "allow", "score": None, "reasons": [],
                "shadow_action": "allow", "sip_code": None, "sip_reason": None, "q850": None, "cache_until": None,
                "revises": False, "late": False, "policy": "", "model": None,
            }
        )  # fmt: skip
    return (time.perf_counter() - began) / len(values) * 1e6


class _Size:
    """An engine that is judged in batches of one size: warm, with callers in it, and given a new one when calls run out."""

    def __init__(self, warm: list[Batch], batches: list[Batch]) -> None:
        self._warm, self._batches = warm, batches
        self._begin()

    def _begin(self) -> None:
        self._engine, self._next = _engine(), 0
        for batch in self._warm:
            self._engine.process(batch, batch.append_ms[-1])

    def call_us(self, seconds: float) -> float:
        """Time a call over about `seconds`."""
        if self._next > len(self._batches) // 2:
            self._begin()
        judged, spent = 0, 0.0
        while spent < seconds and self._next < len(self._batches):
            batch = self._batches[self._next]
            self._next += 1
            began = time.perf_counter()
            self._engine.process(batch, batch.append_ms[-1])
            spent += time.perf_counter() - began
            judged += len(batch.values)
        return spent / judged * 1e6


def speed(seconds: float, repeats: int) -> dict[str, Any]:
    """µs a set-up for each batch size and for the codec loop, each `repeats` times in turn, medians."""
    records = list(_traffic(30, setups_only=True))
    first, rest = records[:50_000], records[50_000:]
    warm = _batches(first, 500)
    sizes = {str(size): _Size(warm, _batches(rest, size)) for size in BATCHES}
    codec: list[float] = []
    found: dict[str, list[float]] = {size: [] for size in sizes}
    gc.collect()
    gc.freeze()  # as the worker does after its start; the prepared batches are no garbage
    for _ in range(repeats):
        codec.append(_codec_us([value for _, _, value in first[:20_000]]))
        for size, judged in sizes.items():
            found[size].append(judged.call_us(seconds))
    return {
        "codec_us": median(codec),
        "call_us": {size: median(taken) for size, taken in found.items()},
        "ratio": {size: median(map(truediv, codec, taken)) for size, taken in found.items()},
    }


def memory(callers: int) -> dict[str, float]:
    """Resident memory of an engine that is warm but empty, and with `callers` callers of the simulated mix."""
    idle, events = 0.0, 0

    def empty(engine: Engine) -> None:
        nonlocal idle
        for partition in range(PARTITIONS):
            engine.drop(partition)
            engine.adopt(partition)
        idle = _resident_mib()

    def count(records: int) -> None:
        nonlocal events
        events += records

    engine = grown(callers, PARTITIONS, empty, count)
    full = _resident_mib()
    return {
        "callers": engine.callers_held,
        "records": events,
        "idle_mib": idle,
        "full_mib": full,
        "above_mib": full - idle,
        "bytes_a_caller": (full - idle) * 2**20 / engine.callers_held,
    }


def grown(
    callers: int,
    partitions: int,
    warmed: Callable[[Engine], object] = lambda _: None,
    judged: Callable[[int], object] = lambda _: None,
) -> Engine:
    """An engine that has judged simulated traffic until it holds so many callers.

    `warmed` is called after the first batch, `judged` with the records of each. The traffic comes from a process of its
    own: its subscribers would otherwise be counted as the engine's.
    """
    engine = _engine(partitions)
    offset, warm = 0, False
    feeder = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.engine_alone", json.dumps({"what": "feed", "partitions": partitions})],
        stdout=subprocess.PIPE, cwd=ROOT, **tied(),
    )  # fmt: skip
    try:
        assert feeder.stdout is not None
        while engine.callers_held < callers or not warm:
            records = [_fed(feeder.stdout) for _ in range(2_000)]
            columns = [list(column) for column in zip(*records, strict=True)]
            engine.process(
                Batch(columns[0], list(range(offset, offset + 2_000)), columns[1], columns[2], [False] * 2_000),
                columns[1][-1],
            )
            offset += 2_000
            judged(2_000)
            if not warm:
                warmed(engine)
                warm = True
    finally:
        feeder.kill()
        feeder.wait()
    return engine


def feed(partitions: int) -> None:
    """Simulated traffic without end on standard output, for `grown`."""
    out = sys.stdout.buffer
    for partition, at, value in _traffic(None, setups_only=False, partitions=partitions):
        out.write(_FRAME.pack(partition, at, len(value)) + value)


def _fed(source: IO[bytes]) -> tuple[int, int, bytes]:
    partition, at, length = _FRAME.unpack(source.read(_FRAME.size))
    return partition, at, source.read(length)


def _resident_mib() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**20


def in_own_process(**task: Any) -> dict[str, Any]:
    """Run `speed` or `memory` apart from what this process holds."""
    command = [sys.executable, "-m", "benchmarks.engine_alone", json.dumps(task)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(ROOT), timeout=900, **tied())
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    parts: dict[str, Callable[..., dict[str, Any]]] = {"speed": speed, "memory": memory}
    what = asked.pop("what")
    if what == "feed":
        feed(**asked)
    else:
        print(json.dumps(parts[what](**asked)))
