"""Where a call was seen to begin holds for all its sightings, however they come: nobody honest is blocked for a network's way of passing it on."""

import orjson
import pytest

from streamer.windows import callers, originations, sliding, table
from streamer.windows import calls as recent
from tests.detectors.test_unverified_origin import FIXED, A, B, Log, come_in, engine, own, policy, with_others
from tests.test_engine import NOW, PARTITIONS, batch, end, setup, windows

D = "+77077777777"
DIVERSION = ["cli_spoofing.diversion_unverified"]


@pytest.fixture
def held():
    return engine()


def fact(held, value, **more):
    told = {"number": A, "at": NOW - 3_600_000, "fact": "location", "value": value, "operator": "op-a", **more}
    held.apply("subscribers.location", A, orjson.dumps(told))


def publishes_locations(held):
    told = {"operator": "op-a", "ranges": ["+7701"], "publishes_originations": True, "publishes_locations": True}
    held.apply("operators", "op-a", orjson.dumps(told))


def from_abroad(call_id, at=NOW, operator="op-t", **more):
    return setup(call_id, A, B, at, operator=operator, ingress="international", trunk="igw", **more)


def said_of(held, *messages, until=NOW + 30_000):
    """Actions of the calls in the order of the log, and which of them were revised to block."""
    log = Log(held)
    for message in messages:
        log.judge(message)
    log.tick(until)
    return [one["action"] for one in log.decisions], [one["call_id"] for one in log.revisions]


def test_a_roamer_whose_call_comes_over_a_national_trunk_needs_no_origination_at_home(held):
    publishes_locations(held)
    fact(held, "roaming", country="TR")
    assert said_of(held, come_in("1")) == (["allow"], [])


@pytest.mark.parametrize("order", [1, -1])
def test_a_call_that_was_seen_to_come_from_abroad_is_not_asked_for_when_it_is_passed_on(held, order):
    """What is not known of the caller's place labels where he comes in, and blocks nowhere."""
    sightings = [from_abroad("gateway"), come_in("passed on", at=NOW + 200)][::order]
    actions, revised = said_of(held, *sightings)
    assert (actions[::order], revised) == (["label", "label" if order == 1 else "allow"], [])


def test_what_is_passed_on_from_abroad_keeps_its_label(held):
    """The operator of the called line is the one that can warn."""
    log = Log(held)
    log.judge(from_abroad("gateway"), come_in("passed on", at=NOW + 200))
    assert [one["reasons"] for one in log.decisions] == 2 * [["cli_spoofing.domestic_from_abroad_unverified"]]


def test_whoever_is_not_looked_at_from_abroad_proves_nothing(held):
    """A withheld number that the network asserts, and a roaming number called first, open no door for the next call."""
    publishes_locations(held)
    fact(held, "home")
    held.apply("lists", "m", b'{"list":"roaming_numbers","match":"exact","number":"+77059999999","side":"called"}')
    log = Log(held)
    log.judge(from_abroad("withheld") | {"caller": "anonymous", "asserted": A})
    log.judge(come_in("passed on", at=NOW + 500))
    log.judge(from_abroad("diverted", at=NOW + 5_000, diverted_from=B) | {"callee": FIXED})
    log.judge(from_abroad("to a guest", at=NOW + 6_000) | {"callee": "+77059999999"})
    log.judge(from_abroad("diverted by him", at=NOW + 7_000, diverted_from="+77059999999") | {"callee": FIXED})
    log.tick(NOW + 30_000)
    of = {one["call_id"]: one["action"] for one in log.decisions}
    assert (of["diverted"], of["diverted by him"]) == ("withhold_cli", "withhold_cli")
    assert "passed on" in [one["call_id"] for one in log.revisions]


def test_a_leg_whose_place_is_not_known_is_none(held):
    log = Log(held)
    log.judge(from_abroad("leg"), come_in("leg passed on", operator="op-t", at=NOW + 300))
    log.judge(from_abroad("diverted", at=NOW + 5_000, diverted_from=B) | {"callee": FIXED})
    assert log.decisions[-1]["action"] == "withhold_cli"


def test_calls_from_abroad_do_not_keep_an_origination_alive(held):
    log = Log(held)
    log.judge(own("call"), *(from_abroad(f"a{n}", NOW + 9_900 * n, operator="op-a") for n in range(1, 6)))
    log.judge(come_in("national", at=NOW + 49_550))
    assert log.decisions[-1]["reasons"] == ["cli_spoofing.domestic_from_abroad_unverified"]
    assert not any(originations.shares_of(held.state.on_time, partition) for partition in range(PARTITIONS))


def test_an_own_line_that_was_blocked_shows_nothing(held):
    """An enterprise's trunk over which somebody shows a number that is none of its own."""
    trunk = {"trunk": "pbx", "operator": "op-c", "partner": "shop", "kind": "enterprise", "ranges": ["+7727234"]}
    held.apply("trunks", "op-c/pbx", orjson.dumps(trunk))
    claimed = own("claimed", operator="op-c", trunk="pbx")
    assert said_of(held, claimed, come_in("spoofed", at=NOW + 500)) == (["block", "allow"], ["spoofed"])


PBX = {"trunk": "pbx", "partner": "shop", "kind": "enterprise", "ranges": ["+7727234"]}


def with_trunk(held, operator, **more):
    held.apply("trunks", f"{operator}/pbx", orjson.dumps(PBX | {"operator": operator} | more))


@pytest.mark.parametrize("operator", ["op-a", "op-b", "op-c"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_blocked_claim_takes_nothing_back_that_another_showed(held, operator, order):
    with_trunk(held, operator)
    sightings = [own("honest"), own("claim", operator=operator, trunk="pbx", at=NOW + 200)][::order]
    actions, revised = said_of(held, *sightings, come_in("other end", at=NOW + 500))
    assert (actions[:2][::order], actions[2], revised) == (["allow", "block"], "allow", [])


def test_a_blocked_claim_leaves_alone_what_came_in_from_abroad(held):
    with_trunk(held, "op-t")
    claim = own("claim", operator="op-t", trunk="pbx", at=NOW + 100)
    assert said_of(held, from_abroad("gateway"), claim, come_in("passed on", at=NOW + 200))[1] == []


def test_blocked_claims_do_not_keep_an_origination_alive(held):
    with_trunk(held, "op-a")
    claims = [own(f"claim {n}", trunk="pbx", at=NOW + 4_000 * n) for n in range(1, 4)]
    assert said_of(held, own("call"), *claims, come_in("spoofed", at=NOW + 12_500))[1] == ["spoofed"]


def test_where_a_call_with_a_blocked_claim_began_is_handed_over(held):
    with_trunk(held, "op-a")
    log = Log(held)
    log.judge(own("honest"), own("claim", trunk="pbx", at=NOW + 200))
    (partition,) = batch([own("honest")]).partitions
    other = engine()
    other.import_state(partition, held.export(partition))
    log.held = other
    log.judge(come_in("other end", at=NOW + 500))
    log.tick(NOW + 30_000)
    assert log.revisions == []


def test_an_enterprise_that_shows_another_operators_number_is_labelled_at_the_other_end(held):
    """Over a trunk that is registered; its asserted number, or the one that diverts, is its own. Whichever of both ends comes first."""
    with_trunk(held, "op-b")
    for n, more in enumerate(({"asserted": FIXED}, {"diverted_from": FIXED})):
        at = NOW + 60_000 * n
        shown = own("shown", operator="op-b", trunk="pbx", at=at, **more)
        there = come_in("there", operator="op-c", at=at + 500)
        assert said_of(held, shown, there, until=at + 30_000) == (["allow", "label"], [])
        assert said_of(engine_with_trunk(), there, shown, until=at + 30_000) == (["allow", "allow"], [])


def engine_with_trunk():
    made = engine()
    with_trunk(made, "op-b")
    return made


def test_a_line_of_another_operator_shows_nothing(held):
    rented = own("rented", operator="op-b", trunk="not registered")
    assert said_of(held, rented, come_in("spoofed", operator="op-c", at=NOW + 500)) == (["allow", "allow"], ["spoofed"])


def test_a_ported_number_is_its_new_operators(held):
    ported = {"number": A, "at": NOW - 1, "fact": "network", "value": "ported", "owner": "op-b", "operator": "op-b"}
    held.apply("subscribers.network", A, orjson.dumps(ported))
    assert said_of(held, own("call", operator="op-b"), come_in("there", operator="op-c", at=NOW + 500))[1] == []
    assert said_of(held, own("of before", callee=D), come_in("spoofed", callee=D, operator="op-c"))[1] == ["spoofed"]


def test_a_call_that_a_line_diverts_began_where_its_first_leg_did(held):
    """The operator of the line that diverts reports the second leg as its own; on the way on the diverting number is lost."""
    legs = (
        own("leg"),
        come_in("rings", at=NOW + 200),
        own("on", callee=D, operator="op-b", diverted_from=B, at=NOW + 9_000),
    )
    assert said_of(held, *legs, come_in("there", callee=D, operator="op-c", at=NOW + 9_200)) == (["allow"] * 4, [])


def test_a_line_of_another_operator_is_no_first_leg_of_a_call_from_abroad(held):
    diverted = from_abroad("diverted", at=NOW + 5_000, diverted_from=B) | {"callee": FIXED}
    assert said_of(held, own("rented", operator="op-c"), diverted)[0] == ["allow", "withhold_cli"]


def test_a_line_of_another_operator_says_nothing_of_its_owners_line(held):
    """Whoever shows a number on a line that he rents calls dead numbers in a row; its owner is judged by his own calls."""
    log = Log(held)
    for n in range(40):
        called, at = f"+7727234{n:04d}", NOW + 2_000 * n
        log.judge(own(f"r{n}", callee=called, operator="op-b", at=at))
        log.judge(end(f"r{n}", A, called, at + 1_000, operator="op-b", ring_ms=0, talk_ms=0, cause=1))
    assert log.decisions[-1]["action"] == "block"
    log.judge(own("owner", callee="+77272340040", at=NOW + 90_000))
    assert (log.decisions[-1]["action"], log.decisions[-1]["reasons"]) == ("allow", [])


CROOK = "+77017654321"


def calls_dead_numbers(log, **more):
    """A's number is shown by one who calls dead numbers in a row; what is then said of a call of its owner's."""
    for n in range(40):
        called, at = f"+7727234{n:04d}", NOW + 2_000 * n
        log.judge(own(f"r{n}", callee=called, at=at, **more))
        log.judge(end(f"r{n}", A, called, at + 1_000, operator="op-a", ring_ms=0, talk_ms=0, cause=1))
    assert log.decisions[-1]["action"] == "block"
    log.judge(own("owner", callee="+77272340040", at=NOW + 90_000))
    return log.decisions[-1]["action"]


@pytest.mark.parametrize("trunk", [None, "pbx-7"])
def test_a_line_for_which_another_number_is_asserted_says_nothing_of_the_one_that_it_shows(held, trunk):
    """Of the same operator; the owner is judged by his own calls."""
    assert calls_dead_numbers(Log(held), asserted=CROOK, trunk=trunk) == "allow"


@pytest.mark.parametrize("asserted", [None, A, "8 701 123 45 67", f"sip:{A}@op-a.kz", "anonymous", "101"])
def test_whatever_is_asserted_that_is_no_other_number_a_line_answers_for_its_calls(held, asserted):
    assert calls_dead_numbers(Log(held), asserted=asserted) == "block"


@pytest.mark.parametrize(("ranges", "action"), [(["+77011"], "block"), (["+77017654"], "allow")])
def test_an_enterprise_answers_for_the_numbers_that_its_trunk_carries(held, ranges, action):
    with_trunk(held, "op-a", ranges=ranges)
    asserted = CROOK if "+77017654" in ranges else "+77011110001"
    assert calls_dead_numbers(Log(held), asserted=asserted, trunk="pbx") == action


def test_a_call_began_on_a_line_of_its_operator_whatever_number_is_asserted(held):
    """A company's line shows its extension and has the number of its contract asserted: nobody is blocked for that."""
    sightings = own("call", asserted=CROOK), come_in("other end", at=NOW + 500)
    assert said_of(held, *sightings) == (["allow"] * 2, [])
    policy(held, "any", on_time_share=0.0)
    late = come_in("late", callee=D, at=NOW), own("late call", callee=D, asserted=CROOK, at=NOW + 500)
    assert said_of(held, *late) == (["allow"] * 2, [])


def test_each_sighting_from_abroad_counts_from_its_own_time(held):
    """A caller who tries again through another gateway within the ten seconds."""
    sightings = (
        from_abroad("1"),
        come_in("passed on", at=NOW + 200),
        from_abroad("2", NOW + 9_900, operator="op-g"),
        come_in("passed on again", at=NOW + 10_100),
    )
    assert said_of(held, *sightings)[1] == []


@pytest.mark.parametrize(
    ("of", "why"), [("other", "another pair"), ("at home", "its owner is at home"), ("before", "long ago")]
)
def test_what_is_no_sighting_from_abroad(held, of, why):
    publishes_locations(held)
    first = from_abroad("gateway", at=NOW - (10_001 if of == "before" else 0))
    if of == "at home":
        fact(held, "home")
        policy(held, "u", mode="enforce")
    if of == "other":
        first |= {"callee": FIXED}
    assert said_of(held, first, come_in("2", at=NOW + 1))[1] == ["2"], why


def in_a_backlog(log, *messages):
    """Judge records that have waited for longer than a second."""
    messages = with_others(messages)
    given = batch(messages)
    offsets = list(range(log.offset, log.offset + len(messages)))
    log.offset += len(messages)
    log.heard(log.held.process(given._replace(offsets=offsets, append_ms=[NOW] * len(messages)), NOW + 1_500))


def flooded(held):
    """The operator of the caller has had its share of a backlog."""
    told = {"operator": "op-a", "ranges": ["+7701"], "publishes_originations": True, "max_share": 0.4}
    held.apply("operators", "op-a", orjson.dumps(told))
    log = Log(held)
    in_a_backlog(log, *(own(f"f{number}", caller=f"+7702{number:07d}", callee=FIXED) for number in range(500)))
    log.decisions.clear()
    return log


def attempts_of(held, number):
    """Attempts that count for a caller within the last minute."""
    held_by = held.state.callers
    return sum(
        int(held_by.counts[row, : sliding.STEPS, sliding.ATTEMPTS].sum())
        for partition in range(PARTITIONS)
        for row in callers.slots_of(held_by, partition)
        if held_by.key[row] == int(number[1:])
    )


@pytest.mark.parametrize("order", [1, -1])
def test_a_call_whose_origination_was_throttled_is_not_blocked_at_its_other_end(held, order):
    log = flooded(held)
    in_a_backlog(log, *[own("origination"), come_in("other end", at=NOW + 50)][::order])
    log.tick(NOW + 2_200)
    of = {one["call_id"]: (one["action"], one["reasons"]) for one in log.decisions}
    assert of == {"origination": ("allow", ["input.throttled"]), "other end": ("allow", [])}
    assert log.revisions == []


def test_a_call_from_abroad_that_was_throttled_is_not_blocked_where_it_is_passed_on(held):
    log = flooded(held)
    in_a_backlog(log, from_abroad("gateway", operator="op-a"), come_in("passed on", at=NOW + 200))
    log.tick(NOW + 2_300)
    assert ([one["action"] for one in log.decisions], log.revisions) == (["allow", "label"], [])


ASSERTED = "+77011110001"


@pytest.mark.parametrize(
    ("more", "shows"),
    [
        ({"asserted": ASSERTED}, True),
        ({"asserted": "1234", "diverted_from": ASSERTED}, True),
        ({"diverted_from": "+77011110005"}, True),
        ({"diverted_from": FIXED}, True),
        ({"asserted": FIXED}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("throttled", [False, True])
def test_an_origination_over_an_enterprises_trunk_shows_the_same_judged_or_not(held, throttled, more, shows):
    with_trunk(held, "op-a", ranges=["+77011110"])
    sightings = own("origination", trunk="pbx", **more), come_in("other end", at=NOW + 50)
    log = flooded(held) if throttled else Log(held)
    if throttled:
        in_a_backlog(log, *sightings)
    else:
        log.judge(*sightings)
    log.tick(NOW + 2_200)
    assert ("input.throttled" in log.decisions[0]["reasons"]) is throttled
    assert [one["call_id"] for one in log.revisions] == ([] if shows else ["other end"])


@pytest.mark.parametrize("off", ["shadow", "operator"])
def test_where_a_trunk_is_not_enforced_what_is_throttled_shows_as_well(held, off):
    with_trunk(held, "op-a", ranges=["+77011110"])
    log = flooded(held)
    if off == "shadow":
        told = {"version": "s", "detectors": {"trunk_mismatch": {"mode": "shadow"}}}
        told["detectors"]["unverified_origin"] = {"thresholds": {"matches": 0}}
        held.apply("policy", "policy@s", orjson.dumps(told))
        held.apply("policy", "current", b'{"version":"s"}')
    else:
        shares = {"operator": "op-a", "ranges": ["+7701"], "publishes_originations": True, "max_share": 0.4}
        held.apply("operators", "op-a", orjson.dumps(shares | {"mode": "shadow"}))
    in_a_backlog(log, own("origination", trunk="pbx"), come_in("other end", at=NOW + 50))
    log.tick(NOW + 2_200)
    assert log.revisions == []


def test_what_a_list_blocks_shows_nothing_if_it_is_throttled_either(held):
    entry = {"list": "block", "match": "exact", "number": A, "side": "caller", "trunk": "bad"}
    held.apply("lists", "a", orjson.dumps(entry))
    log = flooded(held)
    in_a_backlog(log, own("origination", trunk="bad"), come_in("other end", at=NOW + 50))
    log.tick(NOW + 2_200)
    assert [one["call_id"] for one in log.revisions] == ["other end"]


def test_of_a_throttled_origination_nothing_counts_and_the_call_counts_once_where_it_is_judged(held):
    log = flooded(held)
    before = [windows(held, partition) for partition in range(PARTITIONS)]
    in_a_backlog(log, own("origination"))
    assert [windows(held, partition) for partition in range(PARTITIONS)] == before
    log.judge(come_in("other end", at=NOW + 50), come_in("a third", at=NOW + 90, operator="op-c"))
    assert attempts_of(held, A) == 1


def test_the_first_leg_of_a_forwarded_call_may_come_late(held):
    """Its origination lies behind the diverted call in the log, and is there before the time is up."""
    log = Log(held)
    log.judge(come_in("forwarded", callee=D, operator="op-c", diverted_from=B, at=NOW + 100))
    log.judge(own("leg", at=NOW), appended=NOW + 400)
    log.tick(NOW + 20_000)
    assert ([one["reasons"] for one in log.decisions], log.revisions) == ([DIVERSION, []], [])


@pytest.mark.parametrize("leg", ["none", "to another", "later"])
def test_a_diversion_without_a_first_leg_is_revised(held, leg):
    log = Log(held)
    log.judge(come_in("forwarded", callee=D, operator="op-c", diverted_from=B, at=NOW))
    if leg != "none":
        log.judge(
            own("leg", callee=FIXED if leg == "to another" else B, at=NOW + (5_001 if leg == "later" else 0)),
            appended=NOW + 400,
        )
    log.tick(NOW + 20_000)
    assert [one["call_id"] for one in log.revisions] == ["forwarded"]


def test_a_first_leg_that_was_originated_after_it_came_in_is_one(held):
    sightings = (
        come_in("first leg comes in", at=NOW + 50),
        own("leg"),
        come_in("forwarded", callee=D, operator="op-c", diverted_from=B, at=NOW + 15_000),
    )
    assert said_of(held, *sightings) == (["allow", "allow", "allow"], [])


def test_a_call_that_comes_back_from_a_platform_began_where_it_began(held):
    """Ringback tones, recording, intelligent networks: its own operator reports it a second time, as coming in."""
    sightings = own("call"), come_in("back", operator="op-a", at=NOW + 300), come_in("other end", at=NOW + 600)
    assert said_of(held, *sightings) == (["allow"] * 3, [])


def test_attempts_anew_take_over_where_the_call_began(held):
    policy(held, "u", on_time_share=0.0)
    log = Log(held)
    log.judge(come_in("1"), own("call", at=NOW + 300), come_in("2", at=NOW + 1_000), come_in("3", at=NOW + 1_500))
    log.judge(come_in("4", operator="op-c", at=NOW + 1_600))
    log.tick(NOW + 9_000)
    assert log.revisions == []


def test_and_not_for_ever(held):
    """Whoever goes on with a number that its owner used once gains ten seconds."""
    log = Log(held)
    log.judge(own("call"), *(come_in(str(n), at=NOW + 4_000 * n) for n in range(1, 4)))
    log.tick(NOW + 60_000)
    assert [one["call_id"] for one in log.revisions] == ["3"]


def test_where_a_call_began_is_handed_over(held):
    log = Log(held)
    log.judge(own("call"), come_in("back", operator="op-a", at=NOW + 2_340))
    log.judge(come_in("forwarded", callee=D, operator="op-c", diverted_from="+77053333333", at=NOW + 100))
    (partition,) = {p for p in range(PARTITIONS) if held.state.waiting.count[p]}
    other = engine()
    other.import_state(partition, held.export(partition))
    flags = [int(table.flags_at(other.state.pairs, cell)) for cell in table.all_of(other.state.pairs, partition)]
    assert recent.ORIGINATED | (128 + 23) << recent.APART_SHIFT in [flag & ~recent.LET_THROUGH for flag in flags]
    following = Log(other)
    following.offset = log.offset
    following.judge(own("leg", callee="+77053333333", at=NOW), appended=NOW + 1_900)
    following.judge(come_in("other end", at=NOW + 2_900))
    following.tick(NOW + 20_000)
    assert following.revisions == []
