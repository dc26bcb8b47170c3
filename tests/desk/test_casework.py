"""Which calls a case is about, from evidence and decisions on a real broker."""

import pytest

from streamer.calls.codec import encode
from streamer.calls.decisions import Decision, Evidence
from streamer.desk import casework, packs
from streamer.kafka.sending import Outgoing, send
from streamer.kafka.topics import Topics
from tests.desk.test_filing import AT, case, lie

pytestmark = pytest.mark.broker

RANGE = "+7727255"
LINES = ["+77010000001", "+77010000002"]


def proof(call_id, key, origin="interconnect", trunk=None, operator="op-a", at=AT - 60_000):
    decision = Decision(
        call_id=call_id, at=at, decided_at=at, operator=operator, caller=key, callee="+77273334455", action="block"
    )
    return Evidence(decision=decision, caller_key=key, origin=origin, trunk=trunk, partition=0, offset=0, features={})  # fmt: skip


CALLS = [
    proof("over", RANGE + "1234", trunk="small"),
    proof("over-2", RANGE + "9876", trunk="small"),
    proof("another-trunk", RANGE + "1234", trunk="large"),
    proof("no-trunk", RANGE + "1234"),
    proof("another-operator", RANGE + "1234", trunk="small", operator="op-b"),
    proof("another-range", "+77272561234", trunk="small"),
    proof("own", RANGE + "1234", "own_line"),
    proof("since", RANGE + "1234", trunk="small", at=AT + 80_000_000),
    proof("long-since", RANGE + "1234", trunk="small", at=AT + 90_000_000),
    proof("too-early", RANGE + "1234", trunk="small", at=AT - 3_700_000),
    proof("shares", LINES[1], "own_line"),
    proof("spoofed", LINES[1], trunk="small"),
    proof("shares-not", "+77010000003", "own_line"),
]


@pytest.mark.parametrize(("subject", "more", "expected"), [
    (f"campaign/op-a/small/{RANGE}", {}, {"over", "over-2", "since"}),
    (f"campaign/op-a/of/two/{RANGE}", {}, {"of-two"}),
    (f"campaign/{RANGE}", {"operators": []}, {"own"}),
    ("imei/35", {"lines": LINES}, {"shares"}),
    ("holder/h-1", {"lines": LINES}, {"shares"}),
    ("cell/ala-7", {}, set()),
])  # fmt: skip
def test_a_pack_holds_calls_of_a_campaigns_range_as_it_comes_in_and_of_the_lines_that_a_case_names(
    kafka_settings, subject, more, expected
):
    topics = Topics(kafka_settings)
    calls = [*CALLS, proof("of-two", RANGE + "0001", trunk="of/two")]
    send(kafka_settings, [Outgoing(topics.evidence, one.caller_key.encode(), encode(one)) for one in calls])
    held = case(subject, evidence=[], first_at=AT - 3_600_000, **more)
    found = casework.calls(kafka_settings, held)
    assert set(found) == expected
    assert all(recalled.alone for recalled in found.values())
    (filed,) = lie(held).values()
    assert (LINES[0].encode() in packs.packed(filed, found)) == bool(held.lines)
