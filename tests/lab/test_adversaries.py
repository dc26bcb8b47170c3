"""Adversaries that adapt: by name, and as far as they are told to."""

from collections import Counter
from random import Random

import pytest

from streamer.calls.events import Setup
from streamer.lab.adversaries import NAMED, campaign, parsed
from streamer.lab.campaigns import Habits
from streamer.lab.network import KAZAKHSTAN
from streamer.lab.population import Population
from streamer.lab.traffic import Traffic

POPULATION = Population(KAZAKHSTAN, 2_000_000, {"office": 200})


def drafts(named, count, calls_a_second=2.0):
    found, made = campaign(named, POPULATION, Random(1), calls_a_second), []
    while len(made) < count:
        made += [draft for _, draft in found.planned() if draft.label]
    return made


def test_a_name_says_who_and_how_far():
    kind, extent, habits = parsed("scam_centre+slower@4+mixed@0.5")
    assert (kind, extent, habits) == (NAMED["scam_centre"], 1.0, Habits(slower=4, mixed=0.5))
    assert parsed("spoofed_roamer@0.25") == (NAMED["spoofed_roamer"], 0.25, Habits())


@pytest.mark.parametrize("named", ["", "nobody", "robocall+", "robocall+loud@2", "robocall+slower@x", "robocall+mixed@1", "robocall+slower@0.5", "robocall@nan", "robocall+spread@inf"])  # fmt: skip
def test_a_name_that_means_nothing_is_refused(named):
    with pytest.raises(ValueError):
        parsed(named)


@pytest.mark.parametrize("named", ["robocall", "wangiri", "scam_centre", "sim_box"])
def test_a_slower_one_has_more_lines_for_the_same_calls(named):
    one, slower = (campaign(each, POPULATION, Random(1), 20.0) for each in (named, f"{named}+slower@4"))
    assert len(slower.lines) == pytest.approx(4 * len(one.lines), rel=0.05)


@pytest.mark.parametrize("named", ["robocall", "wangiri", "range_probing"])
def test_one_that_rotates_needs_more_numbers(named):
    one, rotating = (len({draft.caller for draft in drafts(each, 6_000)}) for each in (named, f"{named}+rotating@10"))
    assert rotating > 6 * one


def test_one_that_mixes_calls_accomplices_who_answer_and_says_so_in_the_truth():
    found = drafts("robocall+mixed@0.5", 4_000)
    mixed = [draft for draft in found if draft.kind == "camouflage"]
    assert len(mixed) / len(found) == pytest.approx(0.5, abs=0.05)
    assert sum(draft.talk_ms for draft in mixed) / len(mixed) > 20_000
    callers = Counter(draft.caller for draft in mixed)
    for caller, count in callers.items():
        assert len({draft.callee for draft in mixed if draft.caller == caller}) <= min(5, count)


@pytest.mark.parametrize("named", ["robocall", "number_rotation", "neighbour_spoofing", "flash_call"])
def test_one_that_spreads_comes_in_over_many_trunks_that_are_registered(named):
    trunks = {draft.trunk for draft in drafts(f"{named}+spread@8", 4_000)}
    assert len(trunks) >= 8 * 3
    assert trunks <= {trunk.trunk for trunk in POPULATION.trunks()}


@pytest.mark.parametrize("extent", [1.0, 0.4])
def test_who_is_shown_is_known_to_roam_or_to_be_a_bank_as_often_as_is_asked_for(extent):
    roaming = {fact.number for fact in POPULATION.facts(1_000_000_000_000) if fact.value == "roaming"}
    allowed = {entry.number for entry in POPULATION.lists() if entry.list == "allow" and entry.match == "exact"}
    for named, known in (("spoofed_roamer", roaming), ("spoofed_bank", allowed)):
        found = drafts(f"{named}@{extent}", 4_000)
        assert all(draft.ingress == "international" and draft.label == "cli_spoofing" for draft in found)
        assert sum(draft.caller in known for draft in found) / len(found) == pytest.approx(extent, abs=0.1)


def test_an_active_subscriber_called_the_victim_seconds_before():
    begun, after, alone = {}, 0, 0
    for at, event, label in Traffic(3, 50, seconds=120, frauds={"spoofed_active@0.5": 0.2}):
        if not isinstance(event, Setup):
            continue
        pair = event.caller, event.callee
        if label is None and event.ingress == "subscriber":
            begun[pair] = at
        elif label == "unverified_origin":
            assert event.ingress == "national"
            if at - begun.get(pair, 0) < 4_000:
                after += 1
            else:
                alone += 1
    assert after + alone > 500
    assert after / (after + alone) == pytest.approx(0.5, abs=0.08)


def test_adversaries_are_in_no_traffic_unless_asked_for():
    assert not {draft.campaign.split(".")[0] for draft in drafts("robocall", 10)} & {"scam_line", "spoofed_bank"}
    labels = {
        label for _, _, label in Traffic(1, 50, seconds=20, frauds={"scam_line@50": 0.1, "wangiri+slower@9": 0.1})
    }
    assert labels == {None, "scam_centre", "wangiri"}
