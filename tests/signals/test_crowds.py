"""Crowds of honest people through engine, merger and book of cases: whoever calls a hotline is neither blocked nor in a case."""

import random

import pytest

from tests.signals.played import Played, after, ordinary, setup
from tests.test_engine import NOW

HOTLINE = "+77272345678"
THEN = NOW + 1_000_000
OPERATORS = {"op-a": ["+7701"], "op-b": ["+7702"], "op-s": ["+7727"]}


def redialling(people, own, *, every_ms=20_000, calls=18, seed=1):
    """So many people who call a busy hotline so often; of ten of them `own` are lines of the operator that sees their calls."""
    draw, found = random.Random(seed), []
    for n in range(people):
        is_own = n % 10 < own
        number = f"+7702{3_000_000 + n:07d}" if is_own else f"+77182{200_000 + 2_003 * n:06d}"
        begin = THEN + draw.randrange(every_ms)
        for again in range(calls):
            at = begin + every_ms * again + draw.randrange(2_000)
            call = setup(f"p{n}-{again}", at, number, HOTLINE, "op-b", "subscriber" if is_own else "national")
            answered = draw.random() < 0.04
            found += [
                call,
                after(call, "answer", at + 5_000, ring_ms=5_000)
                if answered
                else after(call, "end", at + 1_500, cause=17),
            ]
    return found


def test_people_who_call_a_busy_hotline_again_and_again_are_no_few_lines():
    held = Played(OPERATORS).play([*ordinary(), *redialling(100, 6)])
    assert len(held.of(callee=HOTLINE)) == 1_800
    assert "block" not in held.of()
    assert held.opened() == set()
    values = held.merger._said[f"callee/{HOTLINE}"].values
    assert 90 <= values["callers_1m"] <= 130
    assert 54 <= values["own_1m"] <= 80


def test_few_lines_that_call_a_number_again_and_again_are_blocked_for_as_long_as_they_do():
    few = redialling(10, 0, every_ms=6_000, calls=60)
    held = Played(OPERATORS).play([*ordinary(), *few])
    late = [one["action"] for one in held.said if one["callee"] == HOTLINE and one["at"] >= THEN + 120_000]
    assert late.count("block") > 0.98 * len(late)
    assert ("tdos", "notify_partner") in held.opened()
    assert 9 <= held.merger._said[f"callee/{HOTLINE}"].values["callers_1m"] <= 14


@pytest.mark.parametrize("late_ms", [-300, 300])
def test_own_lines_are_known_whichever_operator_tells_of_their_calls_first(late_ms):
    told = ordinary()
    for n in range(200):
        at, caller = THEN + 250 * n, f"+770{1 + n % 2}{4_000_000 + n:07d}"
        told.append((at, setup(f"s{n}", at, caller, HOTLINE, "op-s")))
        operator = "op-a" if n % 2 == 0 else "op-b"
        told.append((at + late_ms, setup(f"o-{n}", at - 100, caller, HOTLINE, operator, "subscriber")))
    held = Played(OPERATORS).play(told, 100)
    assert "block" not in held.of()
    values = held.merger._said[f"callee/{HOTLINE}"].values
    assert 0.9 * values["callers_1m"] <= values["own_1m"] <= values["callers_1m"]
    assert values["callers_1m"] <= 200
    assert held.opened() == set()


def test_an_own_line_that_is_told_of_late_again_and_again_is_one_caller():
    told = ordinary()
    for n in range(60):
        at, caller = THEN + 500 * n, "+77014000000" if n % 2 else f"+447400{100_000 + n}"
        told.append((at, setup(f"s{n}", at, caller, HOTLINE, "op-s", "national" if n % 2 else "international")))
        if n % 2:
            told.append((at + 200, setup(f"o-{n}", at, caller, HOTLINE, "op-a", "subscriber")))
    held = Played(OPERATORS).play(told, 100)
    assert held.merger.total("callee", HOTLINE, "own") <= 2


def test_a_quiz_that_is_called_from_own_lines_is_no_case_of_swindlers():
    told = ordinary()
    for n in range(300):
        at, own = THEN + 250 * n, n % 5 != 0
        number = f"+7702{3_000_000 + n:07d}" if own else f"+77182{200_000 + 2_003 * n:06d}"
        call = setup(f"q{n}", at, number, HOTLINE, "op-b", "subscriber" if own else "national")
        told += [call, after(call, "answer", at + 100, ring_ms=100)] if n % 20 == 0 else [call]
    held = Played(OPERATORS).play(told)
    assert held.of(callee=HOTLINE).count("label") > 200
    assert held.opened() == set()


def test_card_holders_abroad_who_call_their_bank_make_no_case_of_it():
    told = ordinary()
    for n in range(30):
        at = THEN + 5_000 * n
        call = setup(f"r{n}", at, f"+7701{2_000_000 + n:07d}", HOTLINE, "op-b", "international")
        told += [call, after(call, "answer", at + 2_000, ring_ms=2_000)]
    held = Played(OPERATORS).play(told)
    assert held.of(callee=HOTLINE).count("label") == 30
    assert held.opened() == set()


CITY = {"op-b": ["+7702"], "op-c": ["+77272"]}
CLINIC = "+77025550001"
DIRECT = (("op-b", "dc", "op-c"),)


def test_a_clinic_that_opens_gets_nobody_blocked_on_the_trunk_that_its_patients_come_over():
    """A city whose operator tells of no originations, behind one direct trunk; 20 calls a minute from there, 6 from own mobiles."""
    draw, told = random.Random(5), []
    for second in range(1_600):
        at = NOW + 1_000 * second
        for n in range(2):
            city = f"+7727{2_000_000 + draw.randrange(20_000):07d}"
            told.append(setup(f"c{second}-{n}", at, city, f"+7702{draw.randrange(10**7):07d}", "op-b", trunk="dc"))
        if second < 1_000:
            continue
        if draw.random() < 0.33:
            patient = f"+7727{2_000_000 + draw.randrange(20_000):07d}"
            told.append(setup(f"p{second}", at + 1, patient, CLINIC, "op-b", trunk="dc"))
        if draw.random() < 0.1:
            told.append(setup(f"m{second}", at + 2, f"+7702{draw.randrange(10**7):07d}", CLINIC, "op-b", "subscriber"))
    held = Played(CITY, DIRECT).play(told, 1_000)
    assert len(held.of(callee=CLINIC)) > 200
    assert "block" not in held.of()
    assert held.opened() == set()


def test_a_company_that_joins_a_conference_is_no_rotation_of_numbers():
    told = ordinary("op-b")
    for n in range(20):
        at = THEN + 1_000 * n
        call = setup(f"j{n}", at, f"+7727250{100 + 7 * n:04d}", "+77021110000", "op-b", trunk="dc")
        told += [call, after(call, "answer", at + 500, ring_ms=500)]
    told.append(setup("other", THEN + 60_000, "+77272500999", "+77025556677", "op-b", trunk="dc"))
    held = Played({"op-b": ["+7702"], "op-c": ["+7727250"]}, DIRECT).play(told)
    assert "block" not in held.of()
    assert held.opened() == set()


def test_numbers_that_rotate_from_one_victim_to_the_next_are_blocked():
    """Six numbers of a block on each victim within five seconds: nobody after the second has to answer them."""
    told = ordinary("op-b", seconds=1_160)
    for n in range(60):
        at = THEN + 15_000 * (n // 6) + 800 * (n % 6)
        told.append(
            setup(f"v{n}", at, f"+7727250{(n * 37) % 1_000:04d}", f"+7702{6_000_000 + n // 6:07d}", "op-b", trunk="dc")
        )
    held = Played({"op-b": ["+7702"], "op-c": ["+7727250"]}, DIRECT).play(told)
    rotating = [one["action"] for one in held.said if one["call_id"].startswith("v")]
    assert set(rotating[:6]) <= {"allow", "label"}
    assert rotating[12:].count("block") >= 0.95 * len(rotating[12:])
    assert ("number_rotation", "notify_partner") in held.opened()


def villagers(place_of):
    """A call every eight seconds over the trunk between two operators whose numbers share six digits with those they call."""
    draw, told = random.Random(2), ordinary("op-b")
    for n in range(120):
        place = place_of(draw)
        caller, callee = f"+7{place}2{draw.randrange(1_000):03d}", f"+7{place}9{draw.randrange(1_000):03d}"
        told.append(setup(f"v{n}", NOW + 8_000 * n, caller, callee, "op-b", trunk="dc"))
    return told


def test_neighbours_in_a_village_that_two_operators_share_are_let_through():
    held = Played({"op-b": ["+77103629"], "op-c": ["+77103622"]}, DIRECT).play(villagers(lambda draw: "710362"))
    assert "block" not in held.of()
    assert "neighbour_spoofing" not in {kind for kind, _ in held.opened()}


def test_neighbours_of_victims_all_over_the_country_are_blocked():
    held = Played({"op-b": [], "op-c": []}, DIRECT).play(
        villagers(lambda draw: f"7{draw.randrange(10, 29)}2{draw.randrange(10, 99)}")
    )
    assert held.of().count("block") > 60
    assert ("neighbour_spoofing", "notify_partner") in held.opened()
