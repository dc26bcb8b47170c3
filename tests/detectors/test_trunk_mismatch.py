"""Numbers on trunks that cannot carry them, through the engine."""

import re
from itertools import count

import orjson
import pytest

from streamer.engine import Engine
from streamer.errors import MessageError
from streamer.registers import trunks
from tests.test_engine import NOW, PARTITIONS, judge, setup

IDS = count(1)
OF_B, OF_C, FIXED, ABROAD = "+77051234567", "+77071234567", "+77272345678", "+447400123456"


def register(held, trunk, kind, partner="", ranges=(), operator="op-a"):
    told = {"trunk": trunk, "operator": operator, "partner": partner, "kind": kind, "ranges": list(ranges)}
    held.apply("trunks", f"{operator}/{trunk}", orjson.dumps(told))


@pytest.fixture
def held():
    made = Engine(partitions=PARTITIONS, max_callers=10_000)
    for name, prefix in (("op-a", "+7701"), ("op-b", "+7705"), ("op-c", "+7707")):
        made.apply("operators", name, orjson.dumps({"operator": name, "ranges": [prefix]}))
    made.apply("policy", "policy@t", b'{"version":"t","control_share":0.0}')
    made.apply("policy", "current", b'{"version":"t"}')
    register(made, "from-b", "direct", "op-b")
    register(made, "transit", "transit", "carrier")
    register(made, "pbx", "enterprise", "bank", ["+7727234", "+77019990000"])
    return made


def say(held, caller, trunk, **more):
    decision = judge(held, [setup(str(next(IDS)), caller, "+77011111111", trunk=trunk, **more)])[0]
    return decision["action"], decision["reasons"]


OTHER, OUTSIDE = ("block", ["trunk_mismatch.other_operator"]), ("block", ["trunk_mismatch.outside_ranges"])
REFILED, DIVERTED = ("label", ["trunk_mismatch.refiled"]), ["trunk_mismatch.diverted_by_other"]
PASSES = ("allow", [])


@pytest.mark.parametrize(
    ("caller", "trunk", "said"),
    [
        (OF_B, "from-b", PASSES),
        (OF_C, "from-b", OTHER),
        ("+77011234567", "from-b", OTHER),
        (OF_C, "transit", PASSES),
        (OF_C, "nobody-registered-it", PASSES),
        (FIXED, "from-b", PASSES),  # in nobody's ranges: nothing is known
        ("anonymous", "from-b", PASSES),
        (ABROAD, "from-b", REFILED),
        (ABROAD, "transit", REFILED),
        (FIXED, "pbx", PASSES),
        ("+77019990000", "pbx", PASSES),
        ("+77019990001", "pbx", OUTSIDE),
        (OF_C, "pbx", OUTSIDE),
        (ABROAD, "pbx", OUTSIDE),
        ("anonymous", "pbx", PASSES),
    ],
)
def test_who_may_come_over_which_trunk(held, caller, trunk, said):
    assert say(held, caller, trunk) == said


def test_a_ported_number_is_its_new_operators(held):
    fact = {"number": OF_C, "at": NOW, "fact": "network", "value": "ported", "owner": "op-b", "operator": "op-c"}
    held.apply("subscribers.network", OF_C, orjson.dumps(fact))
    assert say(held, OF_C, "from-b") == PASSES


@pytest.mark.parametrize("owner", ["mvno", "Op-B", "", None])
def test_a_number_that_was_ported_to_nobody_who_is_registered_is_nobodys(held, owner):
    """A virtual operator whose host reports for it, another spelling, a fact that leaves the owner out."""
    fact = {"number": OF_C, "at": NOW, "fact": "network", "value": "ported", "owner": owner, "operator": "npdb"}
    held.apply("subscribers.network", OF_C, orjson.dumps(fact))
    assert say(held, OF_C, "from-b") == PASSES
    if owner:
        held.apply("operators", owner, orjson.dumps({"operator": owner}))
        assert say(held, OF_C, "from-b") == OTHER
    held.apply("subscribers.network", OF_C, None)
    assert say(held, OF_C, "from-b") == OTHER


@pytest.mark.parametrize(
    ("value", "hours", "said"), [("roaming", 1, PASSES), ("roaming", 25, OTHER), ("home", 1, OTHER)]
)
def test_who_roams_in_another_home_network_comes_over_its_trunk(held, value, hours, said):
    fact = {"number": OF_C, "at": NOW - 3_600_000 * hours, "fact": "location", "value": value, "operator": "op-c"}
    held.apply("subscribers.location", OF_C, orjson.dumps(fact))
    assert say(held, OF_C, "from-b") == said


@pytest.mark.parametrize(("ago", "said"), [(100, PASSES), (10_001, OTHER)])
def test_a_call_whose_origination_was_seen_may_overflow_to_another_operators_trunk(held, ago, said):
    publishes = {"operator": "op-c", "ranges": ["+7707"], "publishes_originations": True}
    held.apply("operators", "op-c", orjson.dumps(publishes))
    judge(held, [setup("own", OF_C, "+77011111111", NOW - ago, operator="op-c", ingress="subscriber")])
    assert say(held, OF_C, "from-b") == said


def test_on_an_enterprises_own_line_the_number_that_the_network_asserts_is_judged(held):
    assert say(held, OF_C, "pbx", ingress="subscriber", asserted=FIXED) == PASSES
    assert say(held, FIXED, "pbx", ingress="subscriber", asserted=OF_C) == OUTSIDE


@pytest.mark.parametrize(
    "asserted", ["anonymous", "sip:anonymous@anonymous.invalid", "Unavailable", "101", "sip:trunk1@pbx.local"]
)
def test_what_is_asserted_and_no_number_leaves_the_shown_number_to_be_judged(held, asserted):
    """Exchanges put the name of their registration there, or nothing that means anything."""
    assert say(held, FIXED, "pbx", ingress="subscriber", asserted=asserted) == PASSES
    assert say(held, OF_C, "pbx", ingress="subscriber", asserted=asserted) == OUTSIDE
    assert say(held, "anonymous", "pbx", ingress="subscriber", asserted=asserted) == PASSES


@pytest.mark.parametrize("shown", ["101", "sip:alice@pbx.local", "2345678"])
def test_extensions_of_an_enterprises_exchange_are_its_own_affair(held, shown):
    assert say(held, shown, "pbx", ingress="subscriber") == PASSES
    assert say(held, shown, "pbx", ingress="subscriber", asserted=OF_C) == OUTSIDE


def test_of_a_diverted_call_the_diverting_number_is_judged_and_never_blocked_for(held):
    assert say(held, OF_C, "from-b", diverted_from=OF_B)[0] == "label"  # its first leg was not seen
    action, reasons = say(held, "+77071234568", "from-b", diverted_from="+77071111111")
    assert action == "label"
    assert set(DIVERTED) <= set(reasons)


def test_a_trunk_that_is_forgotten_or_changed_tells_nothing_of_what_it_was(held):
    held.apply("trunks", "op-a/from-b", None)
    assert say(held, OF_C, "from-b") == PASSES
    register(held, "pbx", "enterprise", "bank", ["+7707"])
    assert say(held, OF_C, "pbx") == PASSES
    assert say(held, "+77272345679", "pbx") == OUTSIDE


@pytest.mark.parametrize("written", ["8727234", "8 (7272) 34", "7727234", "+7 7272-34", "0077272 34", "8107727234"])
def test_ranges_may_be_written_as_numbers_are(held, written):
    register(held, "pbx", "enterprise", "bank", [written])
    assert say(held, FIXED, "pbx", ingress="subscriber") == PASSES
    assert say(held, "+77272355678", "pbx", ingress="subscriber") == OUTSIDE


@pytest.mark.parametrize("written", ["727234", "+8727234", "pbx", ""])
def test_a_trunk_with_a_range_that_can_never_match_is_refused_and_the_last_one_stays(held, written):
    with pytest.raises(MessageError, match=f"trunk op-a/pbx: range '{re.escape(written)}'") as refused:
        register(held, "pbx", "enterprise", "bank", ["+7705", written])
    assert refused.value.reason == "out_of_range"
    assert say(held, FIXED, "pbx") == PASSES
    assert say(held, OF_B, "pbx") == OUTSIDE


def test_an_operator_loses_ranges_that_can_never_match_and_nothing_else(held):
    """Refused, the record of an operator would lose his mode, which may be his kill switch."""
    told = {"operator": "op-c", "ranges": ["707", "8 707"], "mode": "shadow"}
    assert "of op-c, range '707' is no beginning" in held.apply("operators", "op-c", orjson.dumps(told))
    assert say(held, OF_C, "from-b") == OTHER
    assert held.apply("operators", "op-c", orjson.dumps(told | {"ranges": ["707"]})) is not None
    assert say(held, OF_C, "from-b") == PASSES
    decision = judge(held, [setup("c", OF_C, "+77011111111", trunk="x", ingress="international", operator="op-c")])[0]
    assert (decision["action"], decision["shadow_action"]) == ("allow", "label")


@pytest.mark.parametrize("partner", ["", "Operator B", "op-z"])
def test_a_direct_trunk_of_nobody_who_is_registered_with_ranges_judges_nothing(held, partner):
    held.apply("operators", "op-z", b'{"operator":"op-z"}')
    register(held, "d", "direct", partner)
    assert say(held, OF_C, "d") == PASSES
    told = {"operator": partner or "op-y", "ranges": ["+7708"]}
    held.apply("operators", told["operator"], orjson.dumps(told))
    assert say(held, OF_C, "d") == (OTHER if partner else PASSES)
    held.apply("operators", told["operator"], None)
    assert say(held, OF_C, "d") == PASSES


def test_what_is_reported_as_coming_from_abroad_was_not_refiled(held):
    """A trunk is a transit one unless its record says otherwise."""
    assert say(held, ABROAD, "transit", ingress="international") == PASSES
    assert say(held, ABROAD, "from-b", ingress="international") == PASSES


BANK, IN_RUSSIA_ALONE = "+78000801234", "+78041234567"
UNVERIFIED = ("label", ["cli_spoofing.domestic_from_abroad_unverified"])


def test_freephone_numbers_that_home_shares_are_home_numbers(held):
    """Russia has the code +7 too, and 800 with it: nobody is blocked for such a number."""
    assert say(held, BANK, "transit") == PASSES
    assert say(held, IN_RUSSIA_ALONE, "transit") == REFILED
    assert say(held, BANK, "igw", ingress="international") == UNVERIFIED
    assert say(held, IN_RUSSIA_ALONE, "igw", ingress="international") == PASSES


@pytest.mark.parametrize(
    ("home", "caller", "said"),
    [("CA", "+18005551234", PASSES), ("CA", "+12125550123", REFILED), ("US", "+18885551234", PASSES)],
)
def test_so_are_those_of_north_america(home, caller, said):
    made = Engine(home=home, partitions=PARTITIONS, max_callers=10_000)
    register(made, "transit", "transit", "carrier")
    assert say(made, caller, "transit") == said


def test_a_trunk_of_one_operator_is_not_anothers(held):
    decision = judge(held, [setup("1", OF_C, "+77011111111", trunk="from-b", operator="op-z")])[0]
    assert decision["action"] == "allow"


def test_a_wrong_key_and_too_many_trunks_are_refused(held):
    with pytest.raises(MessageError, match="op-a/x"):
        held.apply("trunks", "op-a/x", b'{"trunk":"y","operator":"op-a"}')
    for number in range(4, trunks.CAPACITY):
        register(held, f"t{number}", "direct", "op-b")
    with pytest.raises(MessageError, match="already"):
        register(held, "one-more", "direct", "op-b")
    held.apply("trunks", "op-a/t9", None)
    register(held, "one-more", "enterprise", "bank", ["+7727"])
    assert say(held, OF_C, "one-more") == OUTSIDE
    assert say(held, OF_C, f"t{trunks.CAPACITY - 1}") == OTHER
