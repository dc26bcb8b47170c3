"""Where a call was seen to begin holds for all its sightings, however they come: nobody honest is blocked for a network's way of passing it on."""

import orjson
import pytest

from streamer.windows import callers, originations, sliding, table
from streamer.windows import calls as recent
from tests.detectors.test_unverified_origin import FIXED, A, B, Log, come_in, engine, own, policy
from tests.test_engine import NOW, PARTITIONS, batch, setup, windows

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
