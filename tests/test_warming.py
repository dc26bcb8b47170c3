"""Nothing is left for a compiler when calls come."""

import os
import subprocess
import sys

SCRIPT = """
import gc
from numba.core.registry import CPUDispatcher
from streamer.warming import warm
warm()
loops = [found for found in gc.get_objects() if isinstance(found, CPUDispatcher)]
loops = [found for found in loops if found.py_func.__module__.startswith("streamer.")]
before = {id(found): len(found.signatures) for found in loops}
from tests.test_engine import batch, engine, model, offer, setup, end, traffic, orjson, NOW
held = engine()
offer(held, model(1, 0.0))
held.apply("lists", "p", b'{"list":"block","match":"prefix","number":"+7702","side":"caller","trunk":"t"}')
for n in range(300):
    fact = {"number": f"+77030000{n:03d}", "at": NOW, "fact": "line", "value": "active", "operator": "o"}
    held.apply("subscribers.line", str(n), orjson.dumps(fact))
    held.apply("lists", str(n), orjson.dumps({"list": "allow", "match": "exact", "number": f"+7705{n:07d}", "side": "caller"}))
for n in range(300):
    held.apply("lists", str(n), None)
held.apply("operators", "o", b'{"operator":"o","ranges":["+7703"],"publishes_locations":true,"publishes_originations":true}')
held.apply("policy", "policy@w", b'{"version":"w","detectors":{"unverified_origin":{"thresholds":{"matches":0}}}}')
held.apply("policy", "current", b'{"version":"w"}')
for kind in ("direct", "enterprise"):
    told = {"trunk": kind, "operator": "op-a", "partner": "o", "kind": kind, "ranges": ["+7703"]}
    held.apply("trunks", f"op-a/{kind}", orjson.dumps(told))
held.process(batch([setup("first", "+77010000001", "+77010000002", trunk="\\u00e9")]), NOW)  # the loop leaves it
waits = [setup(f"w{n}", "+77030000001", f"+7705000000{n}", NOW + n, trunk=("direct", "enterprise")[n % 2]) for n in range(4)]
odd = [setup("\\u00e9", "\\u0663", "+77010000001"), setup("a", "anonymous", "112", asserted="+77010000001", diverted_from="+77010000009")]
held.process(batch([*traffic(3, 200), *odd, *waits, end("zz", "+77010000001", "1")]), NOW)
for place, values in enumerate(([None, b"{"], [b"{"], [None])):  # beside sound ones, and alone
    sound = batch([setup(f"s{place}{n}", "+77010000001", "+77010000002", NOW, trunk=f"t{n}") for n in range(2 - place)])
    held.process(sound._replace(**{name: [*getattr(sound, name), *more] for name, more in {
        "partitions": [0] * len(values), "offsets": [10**6 + 10 * place + n for n in range(len(values))],
        "append_ms": [NOW] * len(values), "values": values, "rekeyed": [False] * len(values)}.items()}), NOW)
for partition in range(4):
    held.delivered(held.tick(partition, NOW + 1_000_000).revisions)
    state = held.export(partition)
    held.drop(partition)
    held.import_state(partition, state)
print("judged")
for found in loops:
    if len(found.signatures) != before[id(found)]:
        print("not warm:", found.py_func.__module__, found.py_func.__qualname__)
"""


def test_a_warm_worker_meets_no_loop_that_is_not_compiled():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=os.environ, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "judged\n"
