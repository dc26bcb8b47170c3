"""Honest lines: each kind calls as its kind does, and none is blocked by the detectors that are there."""

from collections import Counter, defaultdict
from itertools import islice
from random import Random
from statistics import mean, median

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls.codec import encode
from streamer.calls.events import Answer, End, Setup
from streamer.calls.numbers import caller_key, home_plan
from streamer.calls.partitioner import partition_of
from streamer.engine import Engine
from streamer.lab.control import of_traffic
from streamer.lab.drafts import MAX_TALK_MS
from streamer.lab.honest import SHARES, Honest
from streamer.lab.honest.businesses import BUSINESSES, lines_needed
from streamer.lab.honest.newcomers import SEATS, Newcomers
from streamer.lab.network import KAZAKHSTAN
from streamer.lab.population import COMMUNITY, Population
from streamer.lab.publishers import PUBLISHERS
from streamer.lab.traffic import DEFAULT_START_MS, Traffic
from streamer.records import Batch

POPULATION = Population(KAZAKHSTAN, 2_000_000, lines_needed(100, rhythm=False))


@pytest.fixture(scope="module")
def calls():
    """Set-up, end and truth of every call in five minutes of honest calls."""
    traffic = Traffic(4, 100, seconds=300, frauds={})
    setups, truths, found = {}, {}, []
    for _, event, _ in traffic:
        if isinstance(event, Setup):
            setups[event.call_id], truths[event.call_id] = event, traffic.truth(event.call_id)
        elif isinstance(event, End):
            found.append((setups[event.call_id], event, truths[event.call_id].kind))
    return found


def of_kind(calls, kind):
    return [(setup, end) for setup, end, each in calls if each == kind]


@given(st.integers(0, 2**32), st.integers(0, 23))
def test_an_honest_call_makes_sense(seed, hour):
    for rhythm in (False, True):
        planned = Honest(POPULATION, Random(seed), rhythm=rhythm).planned(DEFAULT_START_MS, hour if rhythm else 0)
        assert planned[0][0] == 0
        for wait, draft in planned:
            assert wait >= 0
            assert draft.label is None
            assert draft.kind in {"ported", *SHARES}
            assert draft.caller != draft.callee
            assert (draft.ingress == "subscriber") == (draft.trunk is None) == (draft.line >= 0)
            assert 0 <= draft.talk_ms <= MAX_TALK_MS
            assert draft.sighting != draft.operator


def test_kinds_have_their_parts_and_a_day_changes_what_is_called():
    def kinds(hour, rhythm):
        honest = Honest(POPULATION, Random(7), rhythm=rhythm)
        return Counter(honest.planned(DEFAULT_START_MS, hour)[0][1].kind for _ in range(20_000))

    flat = kinds(0, rhythm=False)
    for kind, share in SHARES.items():
        assert flat[kind] == pytest.approx(share / sum(SHARES.values()) * 20_000, rel=0.15, abs=100)
    evening, night = kinds(18, rhythm=True), kinds(3, rhythm=True)
    assert evening["school"] > 3 * flat["school"]
    assert night["school"] == night["bank"] == night["courier"] == 0 < night["taxi"]


def test_each_kind_of_business_calls_many_people_at_its_pace(calls):
    for business in BUSINESSES:
        found = of_kind(calls, business.kind)
        assert len({setup.callee for setup, _ in found}) > 0.5 * len(found)
        answered = [end.talk_ms for _, end in found if end.talk_ms]
        assert len(answered) / len(found) == pytest.approx(business.answered, abs=0.08)
        if business.kind != "login":
            lines = {setup.caller for setup, _ in found}
            assert len(found) / len(lines) / 5 == pytest.approx(business.pace, rel=0.6, abs=0.3)
    assert median(end.talk_ms for _, end in of_kind(calls, "taxi") if end.talk_ms) < 12_000
    schools = [end.talk_ms for _, end in of_kind(calls, "school") if end.talk_ms]
    assert 0.1 < sum(talk < 6_000 for talk in schools) / len(schools) < 0.35
    assert all(end.ring_ms < 3_000 and not end.talk_ms for _, end in of_kind(calls, "login"))


def test_schools_take_turns_of_twenty_minutes():
    honest = Honest(POPULATION, Random(1), rhythm=False)
    turns = defaultdict(set)
    for minute in range(60):
        for _ in range(2_000):
            ((_, draft), *_) = honest.planned(DEFAULT_START_MS + minute * 60_000, 0)
            if draft.kind == "school":
                turns[minute // 20].add(draft.caller)
    assert all(not one & other for one, other in ((turns[0], turns[1]), (turns[1], turns[2])))


def test_log_in_calls_come_from_a_range_that_is_allowed(calls):
    (allowed,) = [entry.number for entry in POPULATION.lists() if entry.list == "allow" and entry.match == "prefix"]
    assert {setup.caller[: len(allowed)] for setup, _ in of_kind(calls, "login")} == {allowed}


def test_ported_numbers_call_from_another_operators_line_and_a_fact_says_so():
    own = {carrier.operator: carrier.prefixes for carrier in KAZAKHSTAN.carriers}
    owners = {fact.number: fact.owner for fact in POPULATION.facts(1_000_000_000_000) if fact.fact == "network"}
    honest, seen = Honest(POPULATION, Random(3), rhythm=False), 0
    for _ in range(60_000):
        for _, draft in honest.planned(DEFAULT_START_MS, 0):
            if draft.kind == "ported":
                seen += 1
                assert not draft.caller.startswith(own[draft.operator])
                assert owners[draft.caller] == draft.operator
            elif draft.kind == "subscriber":
                assert draft.caller.startswith(own[draft.operator])
    assert seen > 20


def test_a_forwarded_call_has_a_first_leg_seconds_before_at_its_callers_operator():
    begun, passed_on = {}, 0
    for at, event, _ in Traffic(9, 100, seconds=120, frauds={}):
        if isinstance(event, Setup) and event.ingress == "subscriber":
            begun[event.caller, event.callee] = at
        if isinstance(event, Setup) and event.diverted_from:
            passed_on += 1
            assert event.trunk.endswith(f"-{event.operator}")
            assert 300 <= at - begun[event.caller, event.diverted_from] <= 20_000
    assert passed_on > 20


def test_only_some_roamers_have_a_fact(calls):
    roaming = {fact.number for fact in Traffic(4, 100).facts() if fact.value == "roaming"}
    assert {setup.caller for setup, _ in of_kind(calls, "roamer")} <= roaming
    assert not {setup.caller for setup, _ in of_kind(calls, "roamer_unknown")} & roaming
    assert len(of_kind(calls, "roamer_unknown")) > 20


def test_people_return_each_others_calls_and_some_call_far_more_than_others():
    traffic = Traffic(2, 4, seconds=20_000, frauds={}, subscribers=300)
    made, pairs = Counter(), set()
    people = {traffic.population.line(index)[1] for index in range(300)}
    for _, event, _ in traffic:
        if isinstance(event, Setup) and event.ingress == "subscriber" and {event.caller, event.callee} <= people:
            made[event.caller] += 1
            pairs.add((event.caller, event.callee))
    back = sum((callee, caller) in pairs for caller, callee in pairs) / len(pairs)
    assert back > 0.3
    most = sorted(made.values())
    assert sum(most[-len(most) // 5 :]) > 0.5 * sum(most)


def test_acquaintance_is_mutual_and_stays_in_the_community():
    rng = Random(1)
    for _ in range(5_000):
        index = POPULATION.caller(rng)
        friend = POPULATION.acquaintance(index, rng)
        assert friend != index
        assert friend // COMMUNITY == index // COMMUNITY


def test_who_is_not_answered_tries_again_within_minutes(calls):
    tried = defaultdict(list)
    for setup, end, kind in calls:
        if kind == "subscriber" and setup.ingress == "subscriber":
            tried[setup.caller, setup.callee].append((setup.at, end.talk_ms))
    again = sum(len(found) > 1 and found[0][1] == 0 for found in tried.values())
    unanswered = sum(found[0][1] == 0 for found in tried.values())
    assert 0.1 < again / unanswered < 0.4


# publishers


@pytest.mark.parametrize("name", PUBLISHERS)
def test_what_publishers_lose_shift_and_delay(name):
    publishers = PUBLISHERS[name]
    kinds, shifts, last = Counter(), defaultdict(list), 0
    for at, event, _ in Traffic(5, 150, seconds=100, frauds={}, publishers=publishers):
        assert at >= last
        last = at
        kinds[type(event)] += 1
        shifts[event.operator].append(event.at - at)
    for operator, found in shifts.items():
        wanted = publishers.skew_ms.get(operator, 0) - publishers.lag_ms.get(operator, 0)
        assert median(found) == wanted
        assert mean(found) == pytest.approx(wanted, abs=50)
    setups = kinds[Setup]
    assert 1 - kinds[End] / setups == pytest.approx(publishers.lost_ends, abs=0.004)
    exact = sum(isinstance(event, Answer) for _, event, _ in Traffic(5, 150, seconds=100, frauds={}))
    assert 1 - kinds[Answer] / exact == pytest.approx(publishers.lost_answers, abs=0.004)


# the detectors that are there


@pytest.mark.parametrize("publishers", ["good", "usual"])
def test_no_honest_call_is_blocked(publishers):
    engine, plan = Engine(partitions=4, max_callers=100_000, clamp=False), home_plan("KZ")
    traffic = Traffic(8, 150, seconds=120, frauds={}, publishers=PUBLISHERS[publishers])
    for record in of_traffic(traffic):
        engine.apply(record.kind, record.key, record.value)
    offsets, actions = Counter(), Counter()
    events = iter(traffic)
    while batch := list(islice(events, 500)):
        rows = []
        for at, event, _ in batch:
            key = caller_key(event.caller, event.asserted, event.callee, plan)
            place = partition_of(key.encode(), 4)
            rows.append((place, offsets[place], at, encode(event), False))
            offsets[place] += 1
        outcomes = engine.process(Batch(*map(list, zip(*rows, strict=True))), rows[-1][2])
        for _, _, value in outcomes.decisions:
            decision = orjson.loads(value)
            actions[decision["action"]] += 1
            assert decision["action"] in {"allow", "label"}, decision
    assert actions.total() == pytest.approx(18_000, rel=0.05)
    assert actions["label"] < 0.01 * actions.total()


# lines that nobody saw before


def test_contact_centres_call_from_neighbouring_landlines_over_a_trunk_each_and_some_are_called_back():
    made = Newcomers(POPULATION, Random(1))
    planned = [made.contact_centre(DEFAULT_START_MS) for _ in range(6_000)]
    centres = defaultdict(set)
    for (_, draft), *_ in planned:
        centres[draft.caller[:-4]].add((draft.trunk, int(draft.caller[-4:])))
    assert len(centres) > 1
    for seats in centres.values():
        assert len({trunk for trunk, _ in seats}) == 1
        numbers = {number for _, number in seats}
        assert max(numbers) - min(numbers) < len(numbers) == SEATS
    at_once = [draft.talk_ms < 6_000 for (_, draft), *_ in planned if draft.talk_ms]
    assert 0.2 < sum(at_once) / len(at_once) < 0.4
    back = [(first, back) for (_, first), *more in planned for _, back in more]
    assert all((one.callee, one.caller) == (first.caller, first.callee) for first, one in back)
    assert 0.01 < len(back) / len(planned) < 0.04


def test_new_numbers_lie_in_ranges_that_were_opened_lately_and_their_lines_are_not_the_only_new_ones(calls):
    facts = [fact for fact in Traffic(4, 100).facts() if fact.fact == "line"]
    since = {fact.number: fact.since for fact in facts}
    callers = {setup.caller for setup, _ in of_kind(calls, "newcomer")}
    assert callers <= set(since)
    ranges = {caller[:-4] for caller in callers}
    assert len(ranges) == len(KAZAKHSTAN.carriers)
    new = [number for number, at in since.items() if DEFAULT_START_MS - at < 30 * 86_400_000]
    elsewhere = [number for number in new if number[:-4] not in ranges]
    assert len(new) > 4_000
    assert len(elsewhere) > 4_000
    old = [number for number in since if number not in set(new)]
    assert len(old) > 0.2 * len(new)


def test_some_people_give_up_before_five_seconds(calls):
    rang = [end.ring_ms for _, end in of_kind(calls, "subscriber") if not end.talk_ms and end.cause == 16]
    assert 0.1 < sum(ring < 5_000 for ring in rang) / len(rang) < 0.35
