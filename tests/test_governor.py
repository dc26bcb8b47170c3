"""The governor: its sliding hour against brute force, who can reach it and who cannot, and the loop closed by the engine."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import governor as governing
from streamer.calls.codec import encode
from streamer.calls.decisions import Band, Demotion, Policy
from streamer.engine import Engine
from streamer.governor import HOUR_STEP_MS, MOST_SCOPES, NAMES, Alarm, Governor, demotion_key, share_for_sure
from streamer.policy import ASKED
from tests.test_engine import NOW, PARTITIONS, batch, judge, setup

HOUR = 3_600_000
DAY = 24 * HOUR
GOOD = "+77011111111"
CALLED = "+77272345678"


def bits(*asked):
    """All detectors in enforce, these asked to block."""
    return (1 << len(NAMES)) - 1 | sum(1 << ASKED + NAMES.index(name) for name in asked)


def policy(**band):
    return Policy(version="t", governor=Band(**{"max_share": 0.25, "min_calls": 4, "demotion_s": 1_800} | band))


def observe(held, rules, *calls, operator="op-a", trunk=""):
    """One observation of (at, names that asked)."""
    return held.observe([(operator, trunk, at, bits(*asked)) for at, asked in calls], rules)


class Oracle:
    """One scope by the rule alone: every call remembered, everything counted anew each time."""

    def __init__(self, band):
        self.band, self.calls, self.held, self.clock, self.step = band, [], {}, 0, 0

    def add(self, at, asked):
        step, self.clock = at // HOUR_STEP_MS, max(self.clock, at)
        self.step = max(self.step, step)
        self.calls += [(step, name, name in asked) for name in NAMES if self.held.get(name, 0) <= at]
        fired = []
        for name in NAMES:
            kept = [did for s, which, did in self.calls if which == name and self.step - 7 < s]
            if len(kept) >= self.band.min_calls and share_for_sure(sum(kept), len(kept)) > self.band.max_share:
                fired.append((name, self.clock))
                self.calls = [call for call in self.calls if call[1] != name]
                self.held[name] = self.clock + 1_000 * self.band.demotion_s
        return fired


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1_500_000),
            st.integers(0, 6_000_000),
            st.sampled_from(["", "t1"]),
            st.sets(st.sampled_from(["robocall", "model", "cli_spoofing"])),
        ),
        max_size=80,
    ),
    st.sampled_from([0.1, 0.25, 0.5]),
    st.integers(1, 12),
)
def test_the_sliding_hour_equals_a_brute_force_oracle(moves, share, least):
    """Each move lets time go on and adds a call that lies somewhere behind it; origin detectors alarm, others are demoted."""
    rules = policy(max_share=share, min_calls=least)
    held, oracles, now = Governor(), {trunk: Oracle(rules.governor) for trunk in ("", "t1")}, NOW
    for ahead, behind, trunk, asked in moves:
        now += ahead
        said = observe(held, rules, (now - behind, asked), trunk=trunk)
        assert [(word.detector, word.at) for word in said] == oracles[trunk].add(now - behind, asked)
        for word in said:
            assert (word.operator, word.trunk) == ("op-a", trunk)
            assert isinstance(word, Alarm) == (word.detector == "cli_spoofing")
            if isinstance(word, Demotion):
                assert word.until == word.at + 1_800_000


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900_000), st.booleans()), min_size=1, max_size=60), st.integers(1, 60))
def test_any_cutting_counts_the_same(moves, size):
    whole, pieces, rules, now, calls = Governor(), Governor(), policy(min_calls=1_000), NOW, []
    for ahead, did in moves:
        now += ahead
        calls.append((now, ["robocall"] if did else []))
    observe(whole, rules, *calls)
    for begin in range(0, len(calls), size):
        observe(pieces, rules, *calls[begin : begin + size])
    count = [held._scopes["op-a", ""].totals() for held in (whole, pieces)]
    assert count[0] == count[1]


def test_what_is_said_names_share_calls_and_band():
    (word,) = observe(Governor(), policy(), (NOW, []), *[(NOW, ["robocall"])] * 3)
    assert (word.detector, word.operator, word.trunk) == ("robocall", "op-a", "")
    assert (word.at, word.until) == (NOW, NOW + 1_800_000)
    assert "3 of 4 calls" in word.why
    assert "75.000%" in word.why
    assert "25.000% from 4 calls on" in word.why


def test_nothing_is_said_again_before_its_time_is_over_and_then_afresh():
    held, rules = Governor(), policy()
    flood = [(NOW, ["robocall", "cli_spoofing"])] * 10
    assert {type(word) for word in observe(held, rules, *flood)} == {Alarm, Demotion}
    for later in range(0, 1_800_000, 100_000):
        assert observe(held, rules, *[(NOW + later, ["robocall", "cli_spoofing"])] * 10) == []
    ended = NOW + 1_800_000
    assert observe(held, rules, *[(ended, ["robocall"])] * 3) == []
    assert [word.detector for word in observe(held, rules, (ended, ["robocall"]))] == ["robocall"]


@pytest.mark.parametrize("key", ["demotion/robocall/op-a/", "demotion/robocall/op-a"])
def test_a_lifted_demotion_is_judged_afresh_from_no_calls(key):
    held, rules = Governor(), policy()
    observe(held, rules, *[(NOW, ["robocall"])] * 4)
    held.heard("demotion/robocall/op-a/t1", None)
    held.heard("demotion/robocall/op-b/", None)
    held.heard("demotion/wangiri/op-a/", None)
    held.heard("demotion/nonsense", None)
    held.heard("demotion/no_such/op-a/", None)
    assert observe(held, rules, *[(NOW, ["robocall"])] * 4) == []
    held.heard(key, None)
    assert observe(held, rules, *[(NOW, ["robocall"])] * 3) == []
    assert len(observe(held, rules, (NOW, ["robocall"]))) == 1


def test_another_policy_begins_the_count_anew_and_the_kill_switch_ends_it():
    held = Governor()
    assert observe(held, policy(), *[(NOW, ["robocall"])] * 3) == []
    assert observe(held, policy(), *[(NOW, ["robocall"])] * 3) == []
    stopped = Policy(version="k", kill_switch=True, governor=Band(min_calls=1))
    assert observe(held, stopped, *[(NOW, ["robocall"])] * 10) == []


def test_calls_that_a_detector_did_not_judge_in_enforce_do_not_count_for_it():
    held, rules = Governor(), policy()
    unjudged = [("op-a", "", NOW, bits() & ~(1 << NAMES.index("robocall")))] * 100
    assert held.observe([*unjudged, *[("op-a", "", NOW, bits("robocall"))] * 3], rules) == []
    assert [word.detector for word in held.observe([("op-a", "", NOW, bits("robocall"))], rules)] == ["robocall"]


def test_shares_are_those_of_the_worst_trunk_and_vanish_with_their_hour():
    held, rules = Governor(), policy(max_share=1.0)
    observe(held, rules, *[(NOW, ["robocall"])] * 3, *[(NOW, [])] * 3)
    observe(held, rules, *[(NOW, ["robocall"])] * 1, *[(NOW, [])] * 3, trunk="t1")
    observe(held, rules, *[(NOW, ["robocall"])] * 3, trunk="few")
    assert held.shares() == {("robocall", "op-a"): 0.5}
    observe(held, rules, (NOW + 2 * HOUR, []), operator="op-b")
    assert held.shares() == {}


def test_hostile_names_take_bounded_memory_and_push_no_busy_line_out():
    held, rules = Governor(), policy(min_calls=100)
    assert observe(held, rules, *[(NOW, ["robocall"])] * 99) == []
    for number in range(6 * MOST_SCOPES):
        held.observe([(f"op/{number % 7}", f"{number}" * 10, NOW + number, bits("robocall"))], rules)
        assert len(held) <= MOST_SCOPES
    assert [word.operator for word in observe(held, rules, (NOW, ["robocall"]))] == ["op-a"]


@given(st.text(max_size=8), st.text(max_size=8) | st.none(), st.text(max_size=8), st.text(max_size=8) | st.none())
def test_no_two_names_share_a_key_and_a_key_names_what_it_was_made_of(operator, trunk, other, another):
    one = demotion_key(Demotion(detector="robocall", operator=operator, trunk=trunk))
    two = demotion_key(Demotion(detector="robocall", operator=other, trunk=another))
    assert (one == two) == ((operator, trunk) == (other, another))
    assert governing._named(one) == ("robocall", operator, trunk)


# -- the engine and the governor together ---------------------------------------------------------------


def engine(**given_):
    held = Engine(partitions=PARTITIONS, max_callers=10_000)
    rules = {"version": "g", "control_share": 0.0,
             "governor": {"max_share": 0.25, "min_calls": 20, "demotion_s": 1_800}} | given_  # fmt: skip
    held.apply("policy", "policy@g", orjson.dumps(rules))
    held.apply("policy", "current", b'{"version":"g"}')
    line_fact(held)
    return held


def line_fact(held, number=GOOD, since=NOW - 31 * DAY, value="active", operator="op-a"):
    fact = {"number": number, "at": NOW - DAY, "fact": "line", "value": value, "since": since, "operator": operator}
    held.apply("subscribers.line", number, orjson.dumps(fact))


def scan(name, caller=GOOD, at=NOW, n=60, **more):
    """Calls to one number after another, which range_probing blocks after a few."""
    more = {"ingress": "subscriber"} | more
    return [setup(f"{name}{i}", caller, f"+7727{2_000_000 + i}", at + 100 * i, **more) for i in range(n)]


def process(held, messages):
    outcomes = held.process(batch(messages), NOW)
    return [orjson.loads(value) for _, _, value in outcomes.decisions], outcomes


def blocks(held, messages):
    """(action, shadow action) of the last call."""
    last = judge(held, messages)[-1]
    return last["action"], last["shadow_action"]


def test_standing_is_what_the_reasons_say_and_a_repeat_does_not_count():
    held = engine(control_share=0.2, detectors={"range_probing": {"mode": "enforce"}})
    calls = [message for n in range(8) for message in scan(f"c{n}-", f"+7701000000{n}", n=30)]
    for n in range(8):
        line_fact(held, f"+7701000000{n}")
    decisions, outcomes = process(held, calls)
    asked = [bool(told >> ASKED + NAMES.index("range_probing") & 1) for _, _, _, told in outcomes.standing]
    assert asked == ["range_probing.consecutive_numbers" in decision["reasons"] for decision in decisions]
    assert {decision["action"] for decision, did in zip(decisions, asked, strict=True) if did} == {"block", "label"}
    assert process(held, calls)[1].standing == []


@pytest.mark.parametrize("more", [{"ingress": "national"}, {"ingress": "international", "ingress_country": "GB"}])
def test_spoofing_a_good_line_from_elsewhere_reaches_no_detector(more):
    held, guard = engine(), Governor()
    decisions, outcomes = process(held, scan("s", n=300, **more))
    assert decisions[-1]["action"] == "block"
    assert outcomes.standing == []
    assert guard.observe(outcomes.standing, held.policy) == []


@pytest.mark.parametrize("spoil", ["no fact", "inactive", "new", "block list", "emergency"])
def test_only_lines_in_good_standing_count(spoil):
    held, callee = engine(), CALLED
    if spoil == "no fact":
        held.apply("subscribers.line", GOOD, None)
    elif spoil == "inactive":
        line_fact(held, value="inactive")
    elif spoil == "new":
        line_fact(held, since=NOW - 29 * DAY)
    elif spoil == "block list":
        entry = {"list": "block", "match": "exact", "number": GOOD, "side": "caller"}
        held.apply("lists", "k", orjson.dumps(entry))
    else:
        callee = "112"
    call = setup("1", GOOD, callee, ingress="subscriber")
    assert process(held, [call])[1].standing == []
    assert len(process(engine(), [setup("1", GOOD, CALLED, ingress="subscriber")])[1].standing) == 1


def test_a_flood_of_blocks_by_an_origin_detector_switches_nothing_off():
    held, guard = engine(), Governor()
    entry = {"list": "do_not_originate", "match": "exact", "number": GOOD, "side": "caller"}
    held.apply("lists", "k", orjson.dumps(entry))
    calls = [setup(f"o{n}", GOOD, f"+7727{2_000_000 + 7 * n}", NOW + n, trunk="") for n in range(300)]
    decisions, outcomes = process(held, calls)
    assert {decision["action"] for decision in decisions} == {"block"}
    assert guard.observe(outcomes.standing, held.policy) == []
    forced = Demotion(detector="number_invalid", operator="op-a", trunk="")
    held.apply("policy", demotion_key(forced), encode(forced))
    assert blocks(held, [setup("after", GOOD, CALLED, NOW + 1_000)]) == ("block", "block")


def test_blocks_turn_to_shadow_on_that_operator_and_trunk_alone_and_return():
    held, guard = engine(), Governor()
    decisions, outcomes = process(held, scan("a"))
    assert decisions[-1]["action"] == "block"
    (demotion,) = guard.observe(outcomes.standing, held.policy)
    assert (demotion.detector, demotion.operator, demotion.trunk) == ("range_probing", "op-a", "")
    assert blocks(held, scan("still", at=NOW + 10_000)) == ("block", "block")  # not before it is read back

    held.apply("policy", demotion_key(demotion), encode(demotion))
    guard.heard(demotion_key(demotion), demotion)
    decisions, outcomes = process(held, scan("b", at=NOW + 20_000))
    assert {decision["action"] for decision in decisions} == {"allow"}
    assert (decisions[-1]["shadow_action"], decisions[-1]["reasons"]) == ("block", [])
    assert decisions[-1]["cache_until"] is None
    assert guard.observe(outcomes.standing, held.policy) == []

    other = "+77012222222"
    assert blocks(held, scan("t", other, NOW + 30_000, trunk="t9")) == ("block", "block")
    assert blocks(held, scan("i", other, NOW + 40_000, ingress="international", trunk="igw")) == ("block", "block")
    assert blocks(held, [{**call, "operator": "op-b"} for call in scan("o", other, NOW + 50_000)]) == ("block", "block")

    decisions, outcomes = process(held, scan("c", at=demotion.until))
    assert decisions[-1]["action"] == "block"
    (again,) = guard.observe(outcomes.standing, held.policy)
    assert again.until > demotion.until


def test_a_lifted_demotion_blocks_again_at_once():
    held = engine()
    demotion = Demotion(detector="range_probing", operator="op-a", trunk="")
    held.apply("policy", demotion_key(demotion), encode(demotion))
    assert blocks(held, scan("a")) == ("allow", "block")
    held.apply("policy", demotion_key(demotion), None)
    assert blocks(held, scan("b", at=NOW + 10_000)) == ("block", "block")


@pytest.mark.parametrize("trunk", [None, "t1"])
def test_demotions_within_a_policy_hold_and_what_they_demote_is_not_counted(trunk):
    demotion = {"detector": "range_probing", "operator": "op-a", "trunk": trunk}
    held = engine(demotions=[demotion])
    decisions, outcomes = process(held, scan("a", trunk="t1"))
    assert (decisions[-1]["action"], decisions[-1]["shadow_action"]) == ("allow", "block")
    assert not any(told >> NAMES.index("range_probing") & 1 for _, _, _, told in outcomes.standing)
    expected = "allow" if trunk is None else "block"
    assert blocks(held, scan("b", "+77012222222", NOW + 10_000)) == (expected, "block")


def test_the_longer_of_two_demotions_holds():
    held = engine(demotions=[{"detector": "range_probing", "operator": "op-a", "trunk": "", "until": NOW}])
    demotion = Demotion(detector="range_probing", operator="op-a", trunk="", until=NOW + HOUR)
    held.apply("policy", demotion_key(demotion), encode(demotion))
    assert blocks(held, scan("a")) == ("allow", "block")


def test_demotions_long_over_are_not_kept():
    held = engine()
    for number in range(200):
        at = NOW + number * HOUR
        demotion = Demotion(detector="robocall", operator="op-a", trunk=f"t{number}", at=at, until=at + HOUR)
        held.apply("policy", demotion_key(demotion), encode(demotion))
    assert len(held._in_force.scopes) <= 26


def test_switches_may_keep_behaviour_blocks_but_none_with_an_origin_finding_and_none_that_is_late():
    held = engine()
    assert judge(held, scan("n", "+77012222222", ingress="national"))[-1]["cache_until"] == NOW + 5_900 + 60_000
    labelled = judge(held, scan("i", "+77013333333", ingress="international"))[-1]
    assert labelled["action"] == "block"
    assert any(reason.startswith("cli_spoofing") for reason in labelled["reasons"])
    assert labelled["cache_until"] is None
    late = judge(held, scan("l", "+77014444444", ingress="national"), NOW + HOUR)[-1]
    assert (late["action"], late["late"], late["cache_until"]) == ("block", True, None)


def test_a_single_block_among_few_calls_switches_nothing_off():
    calls = [(NOW + n, []) for n in range(250)]
    assert observe(Governor(), policy(max_share=0.002, min_calls=200), *calls, (NOW + 250, ["robocall"])) == []
