"""What publishers may write at will takes no memory that they could exhaust."""

import orjson
from prometheus_client import generate_latest

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
