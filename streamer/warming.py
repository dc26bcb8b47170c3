"""Compiling every loop before the first call comes: a call that met a compiler would wait for seconds."""

from __future__ import annotations

from typing import Final

import orjson

from streamer import features
from streamer.calls.codec import encode
from streamer.calls.decisions import ModelSnapshot
from streamer.engine import Engine
from streamer.models import snapshot
from streamer.records import Batch

_LISTED: Final = "+77010000000"
_FACTS: Final = 40
"""More than the first index of facts holds, so that it grows once."""


def _call(kind: str, **more: object) -> bytes:
    same = {"call_id": "warm", "at": 1, "operator": "o", "caller": "+77010000001", "callee": "+77010000002"}
    return orjson.dumps({"type": kind, **same, **more})


def warm() -> None:
    """Compile every loop, or read it from the cache, by taking a small engine through all that an engine does."""
    engine = Engine(partitions=1, max_callers=1_000)
    engine.adopt(0)
    engine.watch(0)
    engine.apply("operators", "o", b'{"operator":"o","ranges":["+7701"],"publishes_originations":true}')
    engine.apply("trunks", "o/t", b'{"operator":"o","trunk":"t","kind":"enterprise","ranges":["+7701"]}')
    entry = {"list": "block", "match": "exact", "number": _LISTED, "side": "caller"}
    engine.apply("lists", "listed", orjson.dumps(entry))
    told = ("callee", "+77010000002"), ("trunk", "o/t"), ("block", "+77010000"), ("range", "o/t/+7701000")
    for kind, subject in told:
        signal = {"kind": kind, "subject": subject, "at": 1, "until": 5_000, "values": {}}
        engine.apply("signals", f"{kind}/{subject}", orjson.dumps(signal))
    engine.apply("policy", "policy@warm", b'{"version":"warm","evidence_sample":1.0}')
    engine.apply("policy", "current", b'{"version":"warm"}')
    model = snapshot.seal(
        ModelSnapshot(
            name=snapshot.CHAMPION, version=1, epoch=1, trained_at=0, cases=0, bias=0.0,
            features=[features.NAMES[0]], edges=[[1.0]], weights=[[0.0, 0.0, 0.0]],
        )
    )  # fmt: skip
    engine.apply("models", snapshot.key(model), encode(model))
    engine.apply("models", snapshot.pointer_key(model.name), encode(snapshot.pointer(model)))
    for number in range(_FACTS):
        fact = {"number": f"+770200000{number:02d}", "at": 1, "fact": "location", "value": "home", "operator": "o"}
        engine.apply("subscribers.location", str(number), orjson.dumps(fact))
    records = [
        _call("setup", ingress="national", diverted_from="+77010000003", trunk="t"),
        _call("answer"),
        _call("end", talk_ms=1_000, ring_ms=1, cause=16),
    ]
    for _ in range(2):  # the second time the words that decisions share are known
        engine.process(Batch([0] * 3, [0, 1, 2], [1, 2, 3_000], list(records), [False] * 3), 3)
    engine.tick(0, 10_000)
    engine.changes(0, 0)
    engine.import_state(0, engine.export(0))
    engine.apply("lists", "listed", None)
    engine.drop(0)
