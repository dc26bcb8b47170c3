"""Lines with a new SIM that call banks, through the engine."""

import orjson
import pytest

from streamer.calls.codec import decode_counts
from streamer.calls.signals import SwappedSim
from streamer.engine import Engine
from tests.test_engine import NOW, PARTITIONS, batch, judge, setup

LINE, BANK, HOUR = "+77011234567", "+77272585965", 3_600_000


@pytest.fixture
def held():
    made = Engine(partitions=PARTITIONS, max_callers=10_000)
    listed = {"list": "protected", "match": "exact", "number": BANK, "side": "called"}
    made.apply("lists", "bank", orjson.dumps(listed))
    return made


def changed(held, hours):
    fact = {"number": LINE, "at": NOW - hours * HOUR, "fact": "sim", "value": "changed", "operator": "op-a"}
    held.apply("subscribers.sim", LINE, orjson.dumps(fact))


def say(held, callee=BANK):
    decision = judge(held, [setup("1", LINE, callee, ingress="subscriber")])[0]
    return decision["action"], decision["reasons"]


@pytest.mark.parametrize(("hours", "labelled"), [(1, True), (240, True), (241, False), (-1, False), (None, False)])
def test_a_new_sim_that_calls_a_bank_is_labelled_and_never_blocked(held, hours, labelled):
    if hours is not None:
        changed(held, hours)
    assert say(held) == (("label", ["sim_swap.new_sim_calls_bank"]) if labelled else ("allow", []))


def test_calls_to_others_pass(held):
    changed(held, 1)
    assert say(held, "+77272345678") == ("allow", [])


def test_the_look_back_is_policy(held):
    changed(held, 30)
    held.apply("policy", "policy@s", b'{"version":"s","detectors":{"sim_swap":{"thresholds":{"look_back_h":24}}}}')
    held.apply("policy", "current", b'{"version":"s"}')
    assert say(held) == ("allow", [])


def told(held, call_id="1", callee=BANK, at=NOW, ingress="subscriber"):
    """What one call of the line leaves for whoever merges."""
    outcomes = held.process(batch([setup(call_id, LINE, callee, at, ingress=ingress)]), at)
    return [message for _, value in outcomes.counts if isinstance(message := decode_counts(value), SwappedSim)]


def test_a_call_to_a_bank_is_told_to_whoever_makes_cases_of_it(held):
    changed(held, 3)
    (message,) = told(held)
    assert message == SwappedSim(at=NOW, operator="op-a", line=LINE, callee=BANK, call_id="1", age_h=3)
    assert told(held) == []  # a retry
    assert told(held, "2", at=NOW + 20_000) == []  # the same bank again within minutes
    assert told(held, "3", "+77272222222", NOW + 30_000) == []
    assert told(held, "4", at=NOW + HOUR)[0].age_h == 4
    held.apply(
        "lists", "short", orjson.dumps({"list": "protected", "match": "exact", "number": "7711", "side": "called"})
    )
    assert told(held, "5", "7711", NOW + HOUR)[0].callee == "7711"


@pytest.mark.parametrize("why", ["long ago", "interconnect", "shadow", "off", "allowed"])
def test_whom_nobody_is_told_of(held, why):
    changed(held, 500 if why == "long ago" else 3)
    if why in {"shadow", "off"}:
        policy = {"version": why, "detectors": {"sim_swap": {"mode": why}}}
        held.apply("policy", f"policy@{why}", orjson.dumps(policy))
        held.apply("policy", "current", orjson.dumps({"version": why}))
    if why == "allowed":
        entry = {"list": "allow", "match": "exact", "number": LINE, "side": "caller"}
        held.apply("lists", "allowed", orjson.dumps(entry))
    assert told(held, ingress="national" if why == "interconnect" else "subscriber") == []
