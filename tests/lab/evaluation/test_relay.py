"""What no caller shows alone is merged beside the engine, and heard of no sooner than a worker would."""

import orjson
import pytest

from streamer.lab.evaluation.passes import Side, recorded
from streamer.lab.evaluation.verdicts import Judge
from streamer.lab.ordering import Message
from streamer.settings import load

BEGIN = 1_764_730_800_000
TRUNK = {"operator": "op-a", "trunk": "igw-1", "partner": "carrier", "kind": "international", "ranges": []}


def burst(victim, at, calls=12):
    """Calls to one number by numbers of one block that nobody saw before, a tenth of a second apart."""
    for number in range(calls):
        caller = f"+447400123{(at // 100 + number) % 1_000:03d}"
        call = {"type": "setup", "call_id": f"{at}.{number}", "at": at + 100 * number, "operator": "op-a", "caller": caller,
                "callee": victim, "ingress": "international", "ingress_country": "GB", "trunk": "igw-1"}  # fmt: skip
        yield Message(call["at"], caller, orjson.dumps(call), ("op-a", call["call_id"]))


@pytest.mark.parametrize("batch_records", [1, 500])
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(("after_ms", "heard"), [(1_300, False), (4_000, True)])
def test_a_burst_on_a_third_number_is_blocked_once_those_before_were_heard_of(live, after_ms, heard, batch_records):
    settings = load(partitions=2, max_callers=50_000, max_calls=100_000)
    policy = {"version": "t", "counting": {"burst_watched_h": 0}}
    controls = [
        ("policy", "policy@t", policy),
        ("policy", "current", {"version": "t"}),
        ("trunks", "op-a/igw-1", TRUNK),
    ]
    judge = Judge(
        settings, "KZ", live=live, controls=[(kind, key, orjson.dumps(value)) for kind, key, value in controls]
    )
    second, third = BEGIN + 1_300, BEGIN + 1_300 + after_ms
    messages = [*burst("+77272345678", BEGIN), *burst("+77272345777", second), *burst("+77272345999", third, calls=3)]
    found = [verdict for (verdict,) in recorded(messages, Side([judge], 2, batch_records))]
    assert "block" not in {verdict.action for verdict in found[:24]}
    reasons = [verdict.asking() for verdict in found[24:]]
    assert reasons == ([["number_rotation.block_in_bursts"]] * 3 if heard else [[]] * 3)
