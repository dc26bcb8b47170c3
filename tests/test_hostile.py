"""What publishers may write at will takes no memory that they could exhaust."""

import random

import orjson
from prometheus_client import generate_latest

from streamer.calls.codec import MAX_BYTES
from streamer.kafka.topics import STREAM_BYTES
from streamer.stream.metrics import Metrics
from tests.test_engine import NOW, batch, engine, setup


def test_trunks_with_endless_names_neither_fill_the_metrics_nor_the_governor():
    held, shown = engine(), Metrics()
    caller = "+77011234567"
    held.apply("lists", "k", orjson.dumps({"list": "block", "match": "exact", "number": caller, "side": "caller"}))
    for number in range(100):
        records = batch([setup(f"c{number}", caller, "+77272345678", trunk=f"{number:03d}" + "x" * 60_000)])
        outcomes = held.process(records, NOW)
        shown.observe(records, outcomes, NOW, shed=False)
        shown.show()
        assert [len(trunk) for _, trunk, _ in outcomes.blocked] == [255]
    assert len(generate_latest(shown.registry)) < 500_000


def test_a_demotion_of_a_trunk_with_an_endless_name_holds_for_its_calls():
    """The governor names the trunk as it counts it."""
    held, trunk = engine(), "x" * 60_000
    line = {"number": "+77011234567", "at": NOW, "fact": "line", "value": "active", "operator": "op-a", "since": 0}
    held.apply("subscribers.line", "+77011234567", orjson.dumps(line))
    calls = [
        setup(f"c{n}", "+77011234567", f"+7727{2_000_000 + n}", trunk=trunk, ingress="subscriber") for n in range(40)
    ]
    standing = held.process(batch(calls), NOW).standing
    assert {(operator, where) for operator, where, *_ in standing} == {("op-a", trunk[:255])}
    demotion = {"detector": "range_probing", "operator": "op-a", "trunk": trunk[:255], "at": NOW}
    held.apply("policy", f"demotion/range_probing/op-a/{trunk[:255]}", orjson.dumps(demotion))
    said = held.process(batch([{**call, "call_id": "again" + call["call_id"]} for call in calls]), NOW)
    judged = [bits for _, _, _, bits, _ in said.standing]
    assert judged and all(bits != standing[0][3] for bits in judged)


def test_what_is_too_large_is_not_moved_to_another_partition():
    """A record that is moved is sent once more, which brokers refuse beyond a mebibyte."""
    for size, misplaced, rejected in (
        (60_000, 1, []),
        (MAX_BYTES, 0, ["too_large"]),
        (2 * STREAM_BYTES, 0, ["too_large"]),
    ):
        records = batch([setup("c", "+77011234567", "+77272345678", user_agent="x" * size)])
        wrong = records._replace(partitions=[(records.partitions[0] + 1) % 4])
        outcomes = engine().process(wrong, NOW)
        assert len(outcomes.misplaced) == misplaced
        assert [reason for _, reason, _ in outcomes.rejected] == rejected


def entry(number, **more):
    return {"list": "block", "match": "exact", "number": f"+7701{number:07d}", "side": "caller"} | more


def test_lists_whose_entries_come_and_go_do_not_grow():
    held = engine()
    for number in range(3_000):
        held.apply("lists", f"{number}", orjson.dumps(entry(number)))
        if number >= 10:
            held.apply("lists", f"{number - 10}", None)
    compiled = held._in_force.lists.compiled
    assert (len(held._in_force.lists), len(compiled.until_ms), len(compiled.at.rows)) == (10, 64, 64)


def test_lists_say_the_same_whatever_rows_they_had_before():
    draw, held, there = random.Random(9), engine(), {}
    for _ in range(2_000):
        key, gone = f"k{draw.randrange(60)}", draw.random() < 0.4
        of = {"list": draw.choice(["block", "allow"]), "expires_at": draw.choice([None, 0, NOW + 10**9])}
        number = draw.randrange(20)
        held.apply("lists", key, None if gone else orjson.dumps(entry(number, **of)))
        there.pop(key, None)
        if not gone:
            there[key] = number, of
    blocked = {number for number, of in there.values() if of == of | {"list": "block"} and of["expires_at"] != 0}
    calls = [setup(f"c{number}", f"+7701{number:07d}", "+77272345678") for number in range(20)]
    said = [orjson.loads(value) for _, _, value in held.process(batch(calls), NOW).decisions]
    assert {number for number, one in enumerate(said) if "list.block" in one["reasons"]} == blocked


def test_facts_that_are_all_forgotten_leave_nothing():
    held = engine()
    for number in range(3_000):
        line = f"+7701{number:07d}"
        for fact, value in (("location", "home"), ("sim", "changed")):
            told = {"number": line, "at": NOW, "fact": fact, "value": value, "operator": "op-a"}
            held.apply(f"subscribers.{fact}", line, orjson.dumps(told))
        held.apply("subscribers.location", line, None)
        assert len(held._in_force.facts) == 1
        held.apply("subscribers.sim", line, None)
        assert len(held._in_force.facts) == 0
    assert len(held._in_force.facts.compiled.number) == 64
