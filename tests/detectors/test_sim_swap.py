"""Lines with a new SIM that call banks, through the engine."""

import orjson
import pytest

from streamer.engine import Engine
from tests.test_engine import NOW, PARTITIONS, judge, setup

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
