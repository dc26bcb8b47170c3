"""The governor: its sliding hour against brute force, who can reach it and who cannot, and the loop closed by the engine."""

import random
from itertools import count

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import governor as governing
from streamer.calls.codec import encode
from streamer.calls.decisions import Band, Demotion, Policy
from streamer.demotions import MOST_HELD, demotion_key, named_by
from streamer.engine import Engine
from streamer.errors import MessageError
from streamer.governor import (
    GRACE_MS,
    MOST_DEMOTIONS,
    MOST_OF_OPERATOR,
    MOST_SCOPES,
    NAMES,
    Alarm,
    Governor,
)
from streamer.policy import ASKED
from streamer.standing import HOUR_STEP_MS, share_for_sure
from tests.test_engine import NOW, PARTITIONS, batch, end, judge, setup

HOUR = 3_600_000
DAY = 24 * HOUR
GOOD = "+77011111111"
CREW = tuple(f"+7701555000{n}" for n in range(4))
CALLED = "+77272345678"


def bits(*asked):
    """All detectors in enforce, these asked to block."""
    return (1 << len(NAMES)) - 1 | sum(1 << ASKED + NAMES.index(name) for name in asked)


def policy(**band):
    return Policy(version="t", governor=Band(**{"max_share": 0.25, "min_lines": 4, "demotion_s": 1_800} | band))


lines = count(1)


def observe(held, rules, *calls, operator="op-a", trunk="", line=None, demotions=()):
    """One observation of (at, names that asked), each of a line of its own unless one is given."""
    told = [(operator, trunk, at, bits(*asked), next(lines) if line is None else line) for at, asked in calls]
    return held.observe(told, rules, dict(demotions))


class Oracle:
    """One scope by the rule alone: every call remembered, everything counted anew each time."""

    def __init__(self, band):
        self.band, self.calls, self.held, self.clock, self.step = band, [], {}, 0, 0

    def add(self, at, asked, line):
        step, self.clock = at // HOUR_STEP_MS, max(self.clock, at)
        self.step = max(self.step, step)
        self.calls += [(step, name, line, name in asked) for name in NAMES if self.held.get(name, 0) <= at]
        fired = []
        for name in NAMES:
            kept = [call for call in self.calls if call[1] == name and self.step - 7 < call[0]]
            judged, did = len({call[2] for call in kept}), len({call[2] for call in kept if call[3]})
            if judged >= self.band.min_lines and did > 1 and share_for_sure(did, judged) > self.band.max_share:
                fired.append((name, self.clock))
                self.calls = [call for call in self.calls if call[1] != name]
                self.held[name] = self.clock + 1_000 * self.band.demotion_s
        return fired


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1_500_000),
            st.integers(0, 6_000_000),
            st.sampled_from(["", "t1"]),
            st.sets(st.sampled_from(["robocall", "model", "cli_spoofing"])),
            st.integers(0, 11),
        ),
        max_size=80,
    ),
    st.sampled_from([0.1, 0.25, 0.5]),
    st.integers(1, 12),
)
def test_the_sliding_hour_equals_a_brute_force_oracle(moves, share, least):
    """Each move lets time go on and adds a call that lies somewhere behind it; origin detectors alarm, others are demoted."""
    rules = policy(max_share=share, min_lines=least)
    held, oracles, now = Governor(), {trunk: Oracle(rules.governor) for trunk in ("", "t1")}, NOW
    for ahead, behind, trunk, asked, line in moves:
        now += ahead
        said = observe(held, rules, (now - behind, asked), trunk=trunk, line=line)
        assert [(word.detector, word.at) for word in said] == oracles[trunk].add(now - behind, asked, line)
        for word in said:
            assert (word.operator, word.trunk) == ("op-a", trunk)
            assert isinstance(word, Alarm) == (word.detector == "cli_spoofing")
            if isinstance(word, Demotion):
                assert word.until == word.at + 1_800_000


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 900_000), st.booleans(), st.integers(0, 30)), min_size=1, max_size=60),
    st.integers(1, 60),
)
def test_any_cutting_counts_the_same(moves, size):
    whole, pieces, rules, now, calls = Governor(), Governor(), policy(min_lines=1_000), NOW, []
    for ahead, did, line in moves:
        now += ahead
        calls.append(("op-a", "", now, bits("robocall") if did else bits(), line))
    whole.observe(calls, rules, {})
    for begin in range(0, len(calls), size):
        pieces.observe(calls[begin : begin + size], rules, {})
    totals = [held._scopes["op-a", ""].totals() for held in (whole, pieces)]
    assert totals[0] == totals[1]


@pytest.mark.parametrize("band", [{}, {"max_share": 0.002, "min_lines": 200}, {"max_share": 0.001, "min_lines": 1}])
def test_one_line_moves_nobody_however_much_it_calls(band):
    held, rules = Governor(), policy(**band)
    assert observe(held, rules, *[(NOW, [])] * 200) == []
    for minute in range(60):
        at = NOW + 60_000 * minute
        assert observe(held, rules, *[(at, ["robocall", "cli_spoofing", "model"])] * 500, line=0) == []
    assert held._scopes["op-a", ""].totals()[0] == (0, 201, 1)


def test_a_line_that_is_blocked_on_two_trunks_counts_on_each_and_two_lines_suffice():
    held, rules = Governor(), policy(max_share=0.002, min_lines=200)
    observe(held, rules, *[(NOW, [])] * 198, trunk="t1")
    assert observe(held, rules, (NOW, ["robocall"]), trunk="t1", line=0) == []
    assert observe(held, rules, (NOW, ["robocall"]), trunk="t2", line=0) == []
    (word,) = observe(held, rules, (NOW, ["robocall"]), trunk="t1")
    assert (word.detector, word.trunk) == ("robocall", "t1")


def test_what_is_said_names_share_calls_and_band():
    (word,) = observe(Governor(), policy(), (NOW, []), *[(NOW, ["robocall"])] * 3)
    assert (word.detector, word.operator, word.trunk) == ("robocall", "op-a", "")
    assert (word.at, word.until) == (NOW, NOW + 1_800_000)
    assert "3 of 4 own lines" in word.why
    assert "75.000%" in word.why
    assert "25.000% from 4 lines on" in word.why


def test_nothing_is_said_again_before_its_time_is_over_and_then_afresh():
    held, rules = Governor(), policy()
    flood = [(NOW, ["robocall", "cli_spoofing"])] * 10
    assert {type(word) for word in observe(held, rules, *flood)} == {Alarm, Demotion}
    for later in range(0, 1_800_000, 100_000):
        assert observe(held, rules, *[(NOW + later, ["robocall", "cli_spoofing"])] * 10) == []
    ended = NOW + 1_800_000
    assert observe(held, rules, *[(ended, ["robocall"])] * 3) == []
    assert [word.detector for word in observe(held, rules, (ended, ["robocall"]))] == ["robocall"]


@pytest.mark.parametrize("trunk", ["", None])
def test_a_lifted_demotion_is_judged_afresh_from_no_calls(trunk):
    held, rules = Governor(), policy()
    observe(held, rules, *[(NOW, ["robocall"])] * 4)
    for other in ("demotion/robocall/op-a/t1", "demotion/robocall/op-b/", "demotion/wangiri/op-a/", "demotion/nonsense",
                  "demotion/no_such/op-a/"):  # fmt: skip
        held.heard(other, None)
    assert observe(held, rules, *[(NOW, ["robocall"])] * 4) == []
    held.heard(demotion_key(Demotion(detector="robocall", operator="op-a", trunk=trunk)), None)
    assert observe(held, rules, *[(NOW, ["robocall"])] * 3) == []
    assert len(observe(held, rules, (NOW, ["robocall"]))) == 1


def demotions(n, *, operator="op-a", until=NOW + HOUR):
    """So many demotions of one operator, by key."""
    said = [
        Demotion(detector="robocall", operator=operator, trunk=f"x{k}", at=NOW - HOUR, until=until) for k in range(n)
    ]
    return {demotion_key(word): word for word in said}


def test_a_demotion_that_ended_is_lifted_once_by_each_worker_and_another_tombstone_changes_nothing():
    held, rules = Governor(), policy()
    (word,) = observe(held, rules, *[(NOW, ["robocall"])] * 4)
    key, for_ever = demotion_key(word), Demotion(detector="robocall", operator="op-b")
    read_back = {key: word, demotion_key(for_ever): for_ever}
    held.heard(key, word)
    assert held.ended(read_back, word.until + GRACE_MS - 1) == []
    assert held.ended(read_back, word.until + GRACE_MS) == [key]
    assert held.ended(read_back, word.until + GRACE_MS + 1) == []
    assert Governor().ended(read_back, word.until + GRACE_MS) == [key]
    assert observe(held, rules, *[(word.until, ["robocall"])] * 3) == []
    held.heard(key, None)
    held.heard(key, None)
    (again,) = observe(held, rules, (word.until, ["robocall"]))  # what was counted since its end is counted still
    assert again.at == word.until
    held.heard(key, again)
    assert held.ended({key: again}, again.until + GRACE_MS) == [key]


def test_of_one_operator_and_of_all_so_many_are_demoted_and_then_people_are_told():
    held, rules, said = Governor(), policy(), []
    for number in range(MOST_OF_OPERATOR + 3):
        said += observe(held, rules, *[(NOW, ["robocall"])] * 4, trunk=f"t{number}")
    assert [type(word) for word in said] == [Demotion] * MOST_OF_OPERATOR + [Alarm] * 3
    assert f"{MOST_OF_OPERATOR} demotions of this operator" in said[-1].why
    assert observe(held, rules, *[(NOW, ["robocall"])] * 4, trunk=f"t{MOST_OF_OPERATOR}") == []
    (other,) = observe(held, rules, *[(NOW, ["robocall"])] * 4, operator="op-b")
    assert isinstance(other, Demotion)
    (later,) = observe(held, rules, *[(NOW + HOUR, ["robocall"])] * 4, trunk="later")  # the others have ended
    assert isinstance(later, Demotion)

    there = {}
    for number in range(MOST_DEMOTIONS // MOST_OF_OPERATOR):
        there |= demotions(MOST_OF_OPERATOR, operator=f"op{number}")
    (alarm,) = observe(Governor(), rules, *[(NOW, ["robocall"])] * 4, demotions=there)
    assert f"{MOST_DEMOTIONS} demotions are in force" in alarm.why
    (word,) = observe(Governor(), rules, *[(NOW + HOUR, ["robocall"])] * 4, demotions=there)
    assert isinstance(word, Demotion)


def test_another_policy_begins_the_count_anew_and_the_kill_switch_ends_it():
    held = Governor()
    assert observe(held, policy(), *[(NOW, ["robocall"])] * 3) == []
    assert observe(held, policy(), *[(NOW, ["robocall"])] * 3) == []
    stopped = Policy(version="k", kill_switch=True, governor=Band(min_lines=1))
    assert observe(held, stopped, *[(NOW, ["robocall"])] * 10) == []


def test_calls_that_a_detector_did_not_judge_in_enforce_do_not_count_for_it():
    held, rules = Governor(), policy()
    unjudged = [(NOW, bits() & ~(1 << NAMES.index("robocall")))] * 100
    told = [("op-a", "", at, word, next(lines)) for at, word in [*unjudged, *[(NOW, bits("robocall"))] * 3]]
    assert held.observe(told, rules, {}) == []
    assert [word.detector for word in observe(held, rules, (NOW, ["robocall"]))] == ["robocall"]


def test_shares_are_those_of_the_worst_trunk_and_vanish_with_their_hour():
    held, rules = Governor(), policy(max_share=1.0)
    observe(held, rules, *[(NOW, ["robocall"])] * 3, *[(NOW, [])] * 3)
    observe(held, rules, *[(NOW, ["robocall"])] * 1, *[(NOW, [])] * 3, trunk="t1")
    observe(held, rules, *[(NOW, ["robocall"])] * 3, trunk="few")
    assert held.shares() == {("robocall", "op-a"): 0.5}
    observe(held, rules, (NOW + 2 * HOUR, []), operator="op-b")
    assert held.shares() == {}


def test_hostile_names_take_bounded_memory_and_push_no_busy_line_out():
    held, rules = Governor(), policy(min_lines=100)
    assert observe(held, rules, *[(NOW, ["robocall"])] * 99) == []
    for number in range(6 * MOST_SCOPES):
        held.observe([(f"op/{number % 7}", f"{number}" * 10, NOW + number, bits("robocall"), number)], rules, {})
        assert len(held) <= MOST_SCOPES
    assert [word.operator for word in observe(held, rules, (NOW, ["robocall"]))] == ["op-a"]


def test_lines_of_all_scopes_together_take_bounded_memory(monkeypatch):
    monkeypatch.setattr(governing, "MOST_LINES", 2_000)
    held, rules, spread = Governor(), policy(max_share=1.0), random.Random(1)
    for number in range(40):
        calls = [("op-a", f"t{number % 10}", NOW, bits("robocall"), spread.getrandbits(63)) for _ in range(200)]
        assert held.observe(calls, rules, {}) == []
        assert sum(len(scope) for scope in held._scopes.values()) <= 2_000
    for scope in held._scopes.values():
        row, judged, asked = scope.totals()[0]
        assert (row, judged) == (NAMES.index("robocall"), pytest.approx(800, rel=0.6))
        assert asked == pytest.approx(judged, rel=0.6)


@given(st.text(max_size=8), st.text(max_size=8) | st.none(), st.text(max_size=8), st.text(max_size=8) | st.none())
def test_no_two_names_share_a_key_and_a_key_names_what_it_was_made_of(operator, trunk, other, another):
    one = demotion_key(Demotion(detector="robocall", operator=operator, trunk=trunk))
    two = demotion_key(Demotion(detector="robocall", operator=other, trunk=another))
    assert (one == two) == ((operator, trunk) == (other, another))
    assert named_by(one) == ("robocall", operator, trunk)


# -- the engine and the governor together ---------------------------------------------------------------


def engine(**given_):
    held = Engine(partitions=PARTITIONS, max_callers=10_000)
    rules = {"version": "g", "control_share": 0.0,
             "governor": {"max_share": 0.25, "min_lines": 4, "demotion_s": 1_800}} | given_  # fmt: skip
    held.apply("policy", "policy@g", orjson.dumps(rules))
    held.apply("policy", "current", b'{"version":"g"}')
    for line in (GOOD, *CREW):
        line_fact(held, line)
    return held


def line_fact(held, number=GOOD, since=NOW - 31 * DAY, value="active", operator="op-a"):
    fact = {"number": number, "at": NOW - DAY, "fact": "line", "value": value, "since": since, "operator": operator}
    held.apply("subscribers.line", number, orjson.dumps(fact))


def scan(name, caller=GOOD, at=NOW, n=60, **more):
    """Calls to one dead number after another, which range_probing blocks after a few."""
    more = {"ingress": "subscriber"} | more
    calls = [(f"{name}{i}", caller, f"+7727{2_000_000 + i}", at + 100 * i) for i in range(n)]
    return [one for call in calls for one in (setup(*call, **more), end(*call, ring_ms=0, talk_ms=0, cause=1))]


def crew(name, at=NOW):
    """Every line of the crew scans."""
    return [call for n, line in enumerate(CREW) for call in scan(f"{name}{n}-", line, at + n, n=10)]


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
    asked = [bool(told >> ASKED + NAMES.index("range_probing") & 1) for _, _, _, told, _ in outcomes.standing]
    assert asked == ["range_probing.consecutive_numbers" in decision["reasons"] for decision in decisions]
    assert {decision["action"] for decision, did in zip(decisions, asked, strict=True) if did} == {"block", "label"}
    assert process(held, calls)[1].standing == []


@pytest.mark.parametrize("more", [{"ingress": "national"}, {"ingress": "international", "ingress_country": "GB"}])
def test_spoofing_a_good_line_from_elsewhere_reaches_no_detector(more):
    held, guard = engine(), Governor()
    decisions, outcomes = process(held, scan("s", n=300, **more))
    assert decisions[-1]["action"] == "block"
    assert outcomes.standing == []
    assert guard.observe(outcomes.standing, held.policy, held.demotions) == []


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


@pytest.mark.parametrize(("days", "lines"), [(29, 0), (31, 1)])
def test_a_line_of_unknown_age_is_at_least_as_old_as_what_is_told_of_it(days, lines):
    held = engine()
    fact = {"number": GOOD, "at": NOW - days * DAY, "fact": "line", "value": "active", "operator": "op-a"}
    held.apply("subscribers.line", GOOD, orjson.dumps(fact))
    assert len(process(held, [setup("1", GOOD, CALLED, ingress="subscriber")])[1].standing) == lines


def test_a_flood_of_blocks_by_an_origin_detector_switches_nothing_off():
    held, guard = engine(), Governor()
    entry = {"list": "do_not_originate", "match": "exact", "number": GOOD, "side": "caller"}
    held.apply("lists", "k", orjson.dumps(entry))
    calls = [setup(f"o{n}", GOOD, f"+7727{2_000_000 + 7 * n}", NOW + n, trunk="") for n in range(300)]
    decisions, outcomes = process(held, calls)
    assert {decision["action"] for decision in decisions} == {"block"}
    assert guard.observe(outcomes.standing, held.policy, held.demotions) == []
    forced = Demotion(detector="number_invalid", operator="op-a", trunk="")
    held.apply("policy", demotion_key(forced), encode(forced))
    assert blocks(held, [setup("after", GOOD, CALLED, NOW + 1_000)]) == ("block", "block")


def test_blocks_turn_to_shadow_on_that_operator_and_trunk_alone_and_return():
    held, guard = engine(), Governor()
    decisions, outcomes = process(held, crew("a"))
    assert decisions[-1]["action"] == "block"
    (demotion,) = guard.observe(outcomes.standing, held.policy, held.demotions)
    assert (demotion.detector, demotion.operator, demotion.trunk) == ("range_probing", "op-a", "")
    assert blocks(held, scan("still", at=NOW + 10_000)) == ("block", "block")  # not before it is read back

    held.apply("policy", demotion_key(demotion), encode(demotion))
    guard.heard(demotion_key(demotion), demotion)
    decisions, outcomes = process(held, scan("b", at=NOW + 20_000))
    assert {decision["action"] for decision in decisions} == {"allow"}
    assert (decisions[-1]["shadow_action"], decisions[-1]["reasons"]) == ("block", [])
    assert decisions[-1]["cache_until"] is None
    assert guard.observe(outcomes.standing, held.policy, held.demotions) == []

    other = "+77012222222"
    assert blocks(held, scan("t", other, NOW + 30_000, trunk="t9")) == ("block", "block")
    assert blocks(held, scan("i", other, NOW + 40_000, ingress="international", trunk="igw")) == ("block", "block")
    assert blocks(held, [{**call, "operator": "op-b"} for call in scan("o", other, NOW + 50_000)]) == ("block", "block")

    decisions, outcomes = process(held, crew("c", at=demotion.until))
    assert decisions[-1]["action"] == "block"
    (again,) = guard.observe(outcomes.standing, held.policy, held.demotions)
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
    assert not any(told >> NAMES.index("range_probing") & 1 for _, _, _, told, _ in outcomes.standing)
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
    assert len(held._in_force.demotions.scopes) == len(held.demotions) <= 27


def test_more_demotions_than_are_held_are_refused_until_some_are_lifted():
    held = engine()
    known = demotions(MOST_HELD)
    for key, demotion in known.items():
        held.apply("policy", key, encode(demotion))
    more = Demotion(detector="robocall", operator="op-b", trunk="t", at=NOW, until=NOW + HOUR)
    with pytest.raises(MessageError, match="4096 demotions are held already"):
        held.apply("policy", demotion_key(more), encode(more))
    key, demotion = next(iter(known.items()))
    held.apply("policy", key, encode(demotion))
    held.apply("policy", key, None)
    held.apply("policy", demotion_key(more), encode(more))
    assert len(held.demotions) == len(held._in_force.demotions.scopes) == MOST_HELD


def test_a_demotion_touches_nothing_but_its_own_row():
    held = engine()
    before = held._in_force.rules
    for key, demotion in demotions(40).items():
        held.apply("policy", key, encode(demotion))
    assert held._in_force.rules is before


def test_switches_may_keep_behaviour_blocks_but_none_with_an_origin_finding_and_none_that_is_late():
    held = engine()
    assert judge(held, scan("n", "+77012222222", ingress="national"))[-1]["cache_until"] == NOW + 5_900 + 60_000
    labelled = judge(held, scan("i", "+77013333333", ingress="international"))[-1]
    assert labelled["action"] == "block"
    assert any(reason.startswith("cli_spoofing") for reason in labelled["reasons"])
    assert labelled["cache_until"] is None
    late = judge(held, scan("l", "+77014444444", ingress="national"), NOW + HOUR)[-1]
    assert (late["action"], late["late"], late["cache_until"]) == ("block", True, None)
