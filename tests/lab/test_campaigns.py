"""Campaigns: at their published paces, over the trunks and to the numbers that they promise, one test a fraud type."""

from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import mean

import pytest

from streamer.calls.events import FraudType, Setup
from streamer.lab.adversaries import NAMED
from streamer.lab.campaigns import Campaign, Habits, Storm
from streamer.lab.frauds import ADVERSARIES, CAMPAIGNS
from streamer.lab.frauds.borrowing import NeighbourSpoofing, Spoofing
from streamer.lab.frauds.diallers import FlashCall, Wangiri
from streamer.lab.frauds.storms import NumberRotation, TelephonyDenial
from streamer.lab.frauds.swindlers import ScamCentre, SimSwap
from streamer.lab.frauds.thieves import PbxHacking, RevenueShare, SimBox
from streamer.lab.honest import SHARES
from streamer.lab.network import KAZAKHSTAN
from streamer.lab.population import Population
from streamer.lab.publishers import PUBLISHERS
from streamer.lab.traffic import DEFAULT_START_MS, Traffic

POPULATION = Population(KAZAKHSTAN, 2_000_000, {"office": 200})
EVERY = pytest.mark.parametrize("kind", [*CAMPAIGNS, *ADVERSARIES], ids=lambda kind: kind.name or kind.label)


def drafts(kind, count, calls_a_second=2.0):
    campaign = kind(POPULATION, Random(1), calls_a_second)
    found = []
    while len(found) < count:
        found += [draft for _, draft in campaign.planned() if draft.label]
    return found


def by(found, field):
    groups = defaultdict(list)
    for draft in found:
        groups[getattr(draft, field)].append(draft)
    return groups


# all of them


def test_every_fraud_type_can_be_simulated():
    assert {kind.label for kind in CAMPAIGNS} == set(FraudType.__args__)


@EVERY
def test_a_campaign_keeps_its_pace_and_gives_up_its_numbers(kind):
    campaign = kind(POPULATION, Random(1), calls_a_second=2.0)
    assert len(campaign.lines) == pytest.approx(120 / kind.calls_a_minute, abs=1)
    shown = Counter()
    for draft in drafts(kind, 3_000):
        assert draft.label == kind.label
        assert draft.operator in {"op-a", "op-b", "op-c"}
        assert draft.ring_ms >= 0
        assert draft.talk_ms >= 0
        assert (draft.ingress == "international") == (draft.country is not None)
        assert (draft.ingress == "subscriber") == (draft.trunk is None) == (draft.device is not None)
        assert draft.campaign.startswith(f"{kind.name or kind.label}.")
        shown[draft.caller] += 1
    if kind.name != "spoofed_bank":  # that has three banks to show
        numbers = [count for caller, count in shown.items() if caller.startswith("+")]
        assert max(numbers) <= 4 * kind.calls_a_line + 2  # a few numbers are drawn twice
        assert len(shown) >= 3_000 / kind.calls_a_line / 2


@pytest.mark.parametrize(("kind", "campaigns"), [(Wangiri, 5), (Spoofing, 1)])
def test_a_number_is_a_campaign_of_its_own_unless_numbers_rotate(kind, campaigns):
    campaign = kind(POPULATION, Random(1), calls_a_second=0.01)
    found = [campaign.draft() for _ in range(5 * kind.calls_a_line)]
    assert len({draft.campaign for draft in found}) == campaigns
    assert len({draft.caller for draft in found}) == 5
    assert len({(draft.campaign, draft.caller) for draft in found}) == 5


def test_a_campaign_without_a_plan_cannot_be_made():
    class Vague(Campaign):
        label, share, calls_a_minute, calls_a_line = "wangiri", 0.1, 1.0, 1

    with pytest.raises(TypeError, match="abstract"):
        Vague(POPULATION, Random(1), 1.0)
    assert issubclass(Wangiri, Campaign)


@EVERY
def test_what_operators_publish_because_of_it_is_no_later_than_the_start(kind):
    campaign = kind(POPULATION, Random(1), 2.0)
    assert all(0 < fact.at <= DEFAULT_START_MS for fact in campaign.facts(DEFAULT_START_MS))


def test_the_page_of_the_laboratory_names_all_that_can_be_asked_for():
    page = (Path(__file__).parents[2] / "docs/lab.md").read_text("utf-8")
    names = [*NAMED, *SHARES, "ported", *PUBLISHERS]
    assert [name for name in names if f"`{name}" not in page] == []
    assert [habit for habit in Habits._fields if f"`{habit}@" not in page] == []


# one by one


def test_a_scam_centre_calls_ever_new_people_from_one_block_over_one_trunk_and_most_see_through_it():
    found = drafts(ScamCentre, 20_000, 20.0)
    centres = by(found, "campaign")
    assert {len({draft.caller[:-4] for draft in calls}) for calls in centres.values()} == {1}
    assert {len({draft.trunk for draft in calls}) for calls in centres.values()} == {1}
    own = [calls[0].trunk is None for calls in centres.values()]
    assert 0.2 < sum(own) / len(own) < 0.8
    assert all(len({draft.callee for draft in calls}) > 0.95 * len(calls) for calls in centres.values())
    assert max(len({draft.caller for draft in calls}) for calls in centres.values()) > 10
    activated = {fact.number: fact.since for fact in ScamCentre(POPULATION, Random(1), 20.0).facts(DEFAULT_START_MS)}
    assert {draft.caller for draft in found if draft.trunk is None} <= set(activated)
    assert all(0 < DEFAULT_START_MS - since < 30 * 86_400_000 for since in activated.values())
    talks = [draft.talk_ms for draft in found if draft.talk_ms]
    seen_through = [talk for talk in talks if talk < 60_000]
    assert mean(seen_through) == pytest.approx(13_500, rel=0.05)
    fallen = [talk for talk in talks if talk >= 60_000]
    assert 0.05 < len(fallen) / len(talks) < 0.15
    assert mean(fallen) > 240_000


def test_revenue_share_fraud_pumps_a_range_that_is_dear_with_long_calls_to_number_after_number():
    dear = tuple(one.prefix for one in KAZAKHSTAN.premium)
    for calls in by(drafts(RevenueShare, 3_000), "caller").values():
        assert all(draft.callee.startswith(dear) for draft in calls)
        assert len({draft.callee[:-4] for draft in calls}) <= 2
        steps = Counter(int(next_.callee) - int(one.callee) for one, next_ in pairwise(calls))
        assert len(calls) < 30 or steps[1] > 0.8 * len(calls)
    talks = [draft.talk_ms for draft in drafts(RevenueShare, 3_000)]
    assert sum(talk > 0 for talk in talks) > 0.9 * len(talks)
    assert mean(talk for talk in talks if talk) > 240_000


def test_a_hacked_exchange_calls_far_countries_with_several_calls_at_a_time_and_at_night():
    found = drafts(PbxHacking, 2_000)
    offices = {POPULATION.line(POPULATION.business("office", which))[1] for which in range(200)}
    assert {draft.caller for draft in found} <= offices
    assert not any(draft.callee.startswith("+7") for draft in found)
    assert mean(draft.talk_ms for draft in found) / 60_000 * PbxHacking.calls_a_minute > 5  # at a time (Little's law)
    night = Traffic(1, 30, seconds=600, start_ms=DEFAULT_START_MS + 14 * 3_600_000, rhythm=True)
    day = Traffic(1, 30, seconds=600, start_ms=DEFAULT_START_MS + 6 * 3_600_000, rhythm=True)
    hacked = [sum(label == "pbx_hacking" for _, _, label in traffic) for traffic in (night, day)]
    assert hacked[0] > 10 > hacked[1] == 0


def test_a_sim_box_is_many_sims_on_few_devices_in_one_cell_with_a_holder_of_more_than_ten():
    found = drafts(SimBox, 40_000, 0.1)
    boxes = [calls for calls in by(found, "campaign").values() if len(calls) > 500]
    assert len(boxes) > 2
    for calls in boxes:
        assert len({draft.device[0] for draft in calls}) >= 32
        assert len({draft.device[1] for draft in calls}) == 4
        assert len({draft.device[2] for draft in calls}) == 1
    sims = {number: calls for number, calls in by(found, "caller").items() if len(calls) > 50}
    assert len(sims) > 32
    assert all(len({draft.callee for draft in calls}) > 0.9 * len(calls) for calls in sims.values())
    assert SimBox.calls_a_minute * 60 * 24 > 50
    campaign = SimBox(POPULATION, Random(1), 2.0)
    facts = list(campaign.facts(DEFAULT_START_MS))
    held = Counter(fact.value for fact in facts if fact.fact == "holder")
    assert min(held.values()) > 10
    assert {draft.caller for draft in drafts(SimBox, 500)} <= {fact.number for fact in facts}


def test_a_storm_of_calls_is_fifty_in_thirty_seconds_on_one_number_from_as_many():
    campaign = TelephonyDenial(POPULATION, Random(3), 1.0)
    storms = [planned for planned in (campaign.planned() for _ in range(1_000)) if planned]
    assert len(storms) == 10
    for storm in storms:
        assert len({draft.callee for _, draft in storm}) == 1
        assert len({draft.caller for _, draft in storm}) > 95
        begun = sorted(wait for wait, _ in storm)
        assert max(sum(at <= other < at + 30_000 for other in begun) for at in begun) >= 50
        assert sum(draft.talk_ms == 0 for _, draft in storm) > 75
    assert len({storm[0][1].callee for storm in storms}) == len({storm[0][1].campaign for storm in storms}) == 10


def test_numbers_that_rotate_meet_each_victim_within_five_seconds_over_one_trunk():
    campaign = NumberRotation(POPULATION, Random(3), 0.4)
    storms = [planned for planned in (campaign.planned() for _ in range(600)) if planned]
    assert len(storms) == 100
    for storm in storms:
        assert max(wait for wait, _ in storm) < 5_000
        assert len({draft.callee for _, draft in storm}) == 1
        assert len({draft.caller for _, draft in storm}) == 6
    for campaign_ in by([draft for storm in storms for _, draft in storm], "campaign").values():
        assert len({draft.trunk for draft in campaign_}) == 1
        assert len({draft.callee for draft in campaign_}) > 30


def test_a_neighbour_shares_six_or_seven_digits_with_each_victim_over_one_trunk():
    found = drafts(NeighbourSpoofing, 2_000)
    shared = Counter()
    for draft in found:
        assert draft.caller != draft.callee
        assert draft.caller[:8] == draft.callee[:8]  # +7 and six national digits
        shared[draft.caller[:9] == draft.callee[:9]] += 1
    assert 0.7 < shared[True] / len(found) < 0.9
    assert all(len({draft.trunk for draft in calls}) == 1 for calls in by(found, "campaign").values())
    assert len({draft.caller for draft in found}) > 1_990


def test_a_flash_call_rings_once_is_never_answered_and_shows_a_number_that_is_seen_once():
    found = drafts(FlashCall, 3_000)
    assert all(draft.talk_ms == 0 and draft.ring_ms < 3_000 and draft.cause == 16 for draft in found)
    assert len({draft.caller for draft in found}) > 0.99 * len(found)


def test_a_swapped_sim_calls_a_bank_that_is_to_be_protected_hours_later():
    found = drafts(SimSwap, 1_000)
    protected = {entry.number for entry in POPULATION.lists() if entry.list == "protected"}
    assert {draft.callee for draft in found} <= protected
    changed = {fact.number: fact.at for fact in SimSwap(POPULATION, Random(1), 2.0).facts(DEFAULT_START_MS)}
    assert {draft.caller for draft in found} <= changed.keys()
    ages = [(DEFAULT_START_MS - at) / 3_600_000 for at in changed.values()]
    assert 1 <= min(ages) < max(ages) <= 48


def test_storms_keep_their_part_of_all_setups():
    for kind in (TelephonyDenial, NumberRotation):
        assert issubclass(kind, Storm)
        campaign = kind(POPULATION, Random(5), 1.0)
        made = sum(len(campaign.planned()) for _ in range(1_000 * kind.burst))
        assert made == 1_000 * kind.burst


# in traffic


def test_what_a_campaign_needs_to_be_known_is_published_with_its_traffic():
    traffic = Traffic(1, 100, seconds=60, frauds={"sim_swap": 0.1, "irsf": 0.1, "scam_centre": 0.1})
    lists = {(entry.list, entry.match, entry.number) for entry in traffic.lists()}
    trunks = {trunk.trunk for trunk in traffic.trunks()}
    swapped = {fact.number for fact in traffic.facts() if fact.fact == "sim"}
    seen = Counter()
    for _, event, label in traffic:
        if not isinstance(event, Setup):
            continue
        assert event.trunk is None or event.trunk in trunks
        if label == "sim_swap":
            assert ("protected", "exact", event.callee) in lists
            assert event.caller in swapped
        if label == "irsf":
            assert any(kind == "premium" and event.callee.startswith(number) for kind, _, number in lists)
        seen[label] += 1
    assert min(seen[label] for label in ("sim_swap", "irsf", "scam_centre")) > 100
