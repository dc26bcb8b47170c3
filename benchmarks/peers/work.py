"""What every Python peer does with a call set-up, and what it is told to do: nothing here but orjson.

BENCHMARK_TASK is a JSON object: `bootstrap`, `input`, `output` and `group` as strings, `consumer` and `producer` with
librdkafka's settings (the same for all peers), `batch` records at most.
"""

import json
import os
from typing import Any

import orjson

TASK: dict[str, Any] = json.loads(os.environ["BENCHMARK_TASK"])
counts: dict[str, int] = {}


def source(partition: int, offset: int) -> list[tuple[str, bytes]]:
    """The headers that the contract asks of a decision: where the call it answers lies."""
    return [("source.partition", b"%d" % partition), ("source.offset", b"%d" % offset)]


def judge(value: bytes) -> tuple[str, bytes]:
    """Decode one call set-up, count its caller, and give the call's id and an encoded decision."""
    call = orjson.loads(value)
    caller = call["caller"]
    counts[caller] = count = counts.get(caller, 0) + 1
    call_id = call["call_id"]
    return call_id, orjson.dumps({"call_id": call_id, "action": "allow", "score": 0.1, "n": count})
