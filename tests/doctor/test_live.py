"""One operator among all: each thing that can be wrong with what it publishes, found from the records alone."""

import random
import tracemalloc

import orjson
import pytest

from streamer.calls.codec import decode_call
from streamer.calls.numbers import caller_key, home_plan
from streamer.calls.partitioner import partition_of
from streamer.doctor.clocks import own_clock
from streamer.doctor.live import Heard, Watch
from streamer.doctor.on_time import OnTime
from streamer.windows.originations import shares_of
from tests.detectors.test_unverified_origin import Log, engine
from tests.test_engine import PARTITIONS as ENGINE_PARTITIONS

PLAN = home_plan("KZ")
PARTITIONS = 4
NOW = 1_763_953_200_000


def setup(call, at, **more):
    return {"type": "setup", "call_id": f"c{call}", "at": at, "operator": "op-a", "caller": f"+7701{call:07d}",
            "callee": "+77272345678", "ingress": "subscriber"} | more  # fmt: skip


def end(call, at, **more):
    found = setup(call, at) | {"type": "end", "ring_ms": 1_000, "talk_ms": 3_000} | more
    del found["ingress"]
    return found


def calls(count=40, **more):
    """So many sound calls, a second apart, the first set-ups before their ends."""
    setups = [setup(call, NOW + 1_000 * call, **more) for call in range(count)]
    ends = [end(call, NOW + 1_000 * call + 5_000) for call in range(count)]
    return sorted((*setups, *ends), key=lambda event: event["at"])


def heard(event, *, key=None, partition=None, append_ms=None, rekeyed=False):
    value = event if isinstance(event, bytes) else orjson.dumps(event)
    if isinstance(event, dict):
        own = caller_key(event["caller"], event.get("asserted"), event["callee"], PLAN).encode()
        key = own if key is None else key
    partition = partition_of(key or b"", PARTITIONS) if partition is None else partition
    append_ms = append_ms if append_ms is not None or isinstance(event, bytes) else event["at"] + 20
    return Heard(partition, 7, append_ms, key or None, value, rekeyed)


def findings(records, **more):
    watch = Watch("op-a", PLAN, PARTITIONS)
    for record in records:
        watch.take(record if isinstance(record, Heard) else heard(record))
    return {finding.check: finding for finding in watch.findings(**more)}


def states(records):
    return {check: finding.state for check, finding in findings(records).items() if finding.state != "ok"}


def test_sound_traffic_is_found_sound():
    assert states(calls()) == {"on time": "skipped"}


def test_silence_names_who_was_heard():
    found = findings([setup(1, NOW, operator="op-b"), heard(b"\xff")])
    assert [*found] == ["traffic"]
    assert found["traffic"].state == "failed"
    assert "nothing of 'op-a' came; seen: op-b, and 1 records of no operator" in found["traffic"].text


def test_names_that_no_operator_can_have_are_not_kept():
    tracemalloc.start()
    try:
        found = findings(heard(b'{"operator":"%d%b"}' % (n, b"x" * 200_000)) for n in range(60))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert "seen: nobody else, and 60 records of no operator" in found["traffic"].text


def test_of_names_without_end_so_many_are_counted():
    watch = Watch("op-a", PLAN, PARTITIONS)
    for number in range(3 * 10_000):
        watch.take(heard(b'{"operator":"op-%d"}' % number))
    (found,) = watch.findings()
    assert "seen: (others), op-0" in found.text


def test_numbers_of_any_length_are_not_kept():
    watch = Watch("op-a", PLAN, PARTITIONS)
    tracemalloc.start()
    try:
        for call in range(20):
            for operator, ingress in (("op-a", "subscriber"), ("op-b", "national")):
                asserted = f"{call}{operator}" + "x" * 10_000
                watch.take(heard(setup(call, NOW, operator=operator, ingress=ingress, caller="", asserted=asserted)))
                watch.take(heard(setup(call, NOW, operator=operator, ingress=ingress, callee=asserted)))
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()


def without(name, event):
    return {key: value for key, value in event.items() if key != name}


@pytest.mark.parametrize(
    ("records", "check", "state", "words"),
    [
        ([heard(orjson.dumps(without("ingress", setup(1, NOW))))], "contract", "failed", "ingress is missing"),
        ([heard(setup(1, NOW // 1000), append_ms=NOW)], "contract", "failed", "before the year 2000"),
        ([heard(setup(1, NOW), key=b"87010000001")], "keys", "failed", "'87010000001' is not the caller key"),
        ([heard(setup(1, NOW), key=b"")], "keys", "failed", "has no key"),
        ([heard(setup(2, NOW), partition=p) for p in range(4)], "partitioner", "failed", "op-a 3 of 4 (75 %)"),
        ([heard(setup(c, NOW), append_ms=NOW - 60_000) for c in range(9)], "clock", "failed", "60.0 s ahead"),
        ([heard(setup(c, NOW), append_ms=NOW + 3_600_000) for c in range(9)], "clock", "failed", "3600.0 s behind"),
        ([heard(setup(c, NOW), append_ms=NOW - 2_000) for c in range(9)], "clock", "warning", "2.0 s ahead"),
        ([heard(setup(c, NOW), append_ms=NOW + 9_000) for c in range(9)], "clock", "warning", "9.0 s behind"),
        ([setup(1, NOW), setup(1, NOW + 900, callee="112")], "ids", "warning", "'c1' is the id of another call too"),
        ([setup(1, NOW), setup(1, NOW + 900)], "ids", "warning", "1 of 2 (50 %) set-ups came again"),
        ([setup(0, NOW), end(1, NOW + 9_000)], "set-ups", "failed", "the end of 'c1' has no set-up"),
        ([setup(0, NOW), end(0, NOW + 9_000, caller="+77770000000")], "set-ups", "failed", "another caller"),
        ([setup(call, NOW) for call in range(30)], "ends", "failed", "0 ends to 30 set-ups"),
        ([*(setup(call, NOW) for call in range(30)), *(end(c, NOW + 9_000) for c in range(9))], "ends", "warning", "9 ends"),
        ([setup(call, NOW) for call in range(5)], "ends", "skipped", "too few"),
        ([setup(0, NOW), end(0, NOW + 5_000, talk_ms=300_000)], "ends", "warning", "longer than"),
        ([setup(call, NOW, callee="x-1") for call in range(5)], "numbers", "warning", "'x-1' cannot be read"),
        ([{("Trunk" if name == "trunk" else name): value for name, value in setup(1, NOW, trunk="t").items()}],
         "fields", "warning", "did you mean trunk"),
    ],
)  # fmt: skip
def test_each_thing_that_can_be_wrong_is_found(records, check, state, words):
    finding = findings(records)[check]
    assert finding.state == state
    assert words in finding.text + finding.mend
    assert finding.mend or state == "skipped"


def test_others_do_not_spoil_an_operators_findings():
    others = [heard(setup(call, NOW, operator="op-b"), key=b"x", partition=0, append_ms=0) for call in range(50)]
    assert states([*others, *calls()]) == {"on time": "skipped"}


def test_what_a_worker_moved_is_judged_once_as_it_was_published():
    wrong = heard(setup(1, NOW), key=b"87010000001")
    found = findings([wrong, heard(setup(1, NOW), rekeyed=True)])
    assert "1 of 1" in found["keys"].text
    assert "1 records: 1 setup" in found["traffic"].text


def test_a_call_from_before_the_watch_needs_no_set_up():
    began_before = end(9, NOW + 4_000, ring_ms=3_000, talk_ms=600_000)
    assert states([setup(0, NOW), began_before, *calls()[1:]])["on time"] == "skipped"
    assert "set-ups" not in states([setup(0, NOW), began_before])


def test_history_is_not_measured_by_the_clock():
    old = [heard(setup(call, NOW), append_ms=NOW + 10**9) for call in range(9)]
    assert findings(old)["clock"].state == "failed"
    assert findings(old, clamp=False)["clock"].state == "skipped"


def interconnect(call, at):
    return setup(call, at, operator="op-b", ingress="national", call_id=f"b{call}")


def test_the_on_time_share_is_of_calls_that_both_ends_reported():
    first = [event for call in range(8) for event in (setup(call, NOW), interconnect(call, NOW + 300))]
    late = [event for call in range(8, 10) for event in (interconnect(call, NOW), setup(call, NOW + 300))]
    spoofed = [interconnect(call, NOW) for call in range(50, 90)]
    long_after = [setup(95, NOW), interconnect(95, NOW + 11_000)]
    found = findings([*first, *late, *spoofed, *long_after])["on time"]
    assert found.state == "warning"
    assert "8 of 10 (80 %)" in found.text
    assert "1,000 in a partition are needed" in found.text
    found = findings(event for call in range(1_000) for event in (setup(call, NOW), interconnect(call, NOW + 300)))
    assert found["on time"].state == "ok"
    assert "needed" not in found["on time"].text


def test_originations_that_came_first_are_those_that_the_engine_counts():
    """Set-ups of two numbers in any order: networks that report a call twice, attempts anew, calls that come in from abroad."""
    draw, held, together = random.Random(7), engine(), [0, 0]
    log = Log(held)
    for scenario in range(200):
        caller, at, on_time = f"+7701{scenario:07d}", NOW + 20_000 * scenario, OnTime("op-a", PLAN)
        for number in range(draw.randint(2, 9)):
            operator, ingress = draw.choice([("op-a", "subscriber"), ("op-a", "national"), ("op-b", "national"), ("op-t", "national"), ("op-b", "international")])  # fmt: skip
            at += draw.choice([0, 300, 4_000, 9_000, 12_000])
            call_id = f"{scenario}-{draw.choice([number, 0])}"
            event = setup(0, at, caller=caller, operator=operator, ingress=ingress, call_id=call_id)
            log.judge(event)
            on_time.take(decode_call(orjson.dumps(event)))
        shares = [one for partition in range(ENGINE_PARTITIONS) for one in shares_of(held.state.on_time, partition)]
        counted = [sum(one[2] for one in shares), sum(one[3] for one in shares)]
        assert [on_time.in_time, on_time.late] == [now - before for now, before in zip(counted, together, strict=True)]
        together = counted
    assert min(together) > 30


@pytest.mark.parametrize(
    ("behind", "newest", "state"),
    [
        ([20, 400, 90], None, "ok"),
        ([150, 900], None, "warning"),
        ([350, 900], None, "failed"),
        ([-3_000, -2_000], None, "warning"),
        ([-90_000], None, "failed"),
        ([], NOW + 90_000, "failed"),
        ([], NOW - 90_000, "skipped"),
        ([], None, "skipped"),
    ],
)
def test_this_machines_clock_is_compared_by_the_quickest_record(behind, newest, state):
    assert own_clock(behind, newest, NOW).state == state
