"""Honest lines that do what fraud does: as their kind does it, never more at once than they have seats, and none is blocked."""

from collections import Counter, defaultdict
from random import Random

import pytest

from streamer.lab.drafts import Draft
from streamer.lab.evaluation.evaluation import Rules, Simulation, simulate
from streamer.lab.honest.businesses import lines_needed
from streamer.lab.honest.lookalikes import CROWDS, DESKS, Lookalikes
from streamer.lab.honest.people import People
from streamer.lab.network import KAZAKHSTAN
from streamer.lab.population import Population
from streamer.lab.traffic import DEFAULT_START_MS
from streamer.settings import Settings

POPULATION = Population(KAZAKHSTAN, 200_000, lines_needed(200, rhythm=False))
MORNING, NIGHT = DEFAULT_START_MS + 3_600_000, DEFAULT_START_MS - 6 * 3_600_000
"""9:00 and 2:00, local time."""


def lookalikes(seed=1):
    rng = Random(seed)
    return Lookalikes(POPULATION, rng, People(POPULATION, rng))


def desk_calls(kind, begin, count=3_000):
    """(begin, draft) of calls of the desks of a kind at their pace."""
    (desk,) = (one for one in DESKS if one.kind == kind)
    make, gap_ms = lookalikes().desk(desk), 60_000 / desk.pace / POPULATION.businesses[kind]
    found = []
    for n in range(count):
        ((_, draft), *_) = make(begin + int(n * gap_ms))
        if draft.kind == kind:
            found.append((begin + int(n * gap_ms), draft))
    return desk, found


def dear(draft: Draft) -> bool:
    return not draft.callee.startswith("+77")


@pytest.mark.parametrize("kind", [desk.kind for desk in DESKS])
def test_a_desk_talks_no_more_at_once_than_it_has_seats(kind):
    desk, found = desk_calls(kind, MORNING)
    lines = defaultdict(list)
    for at, draft in found:
        lines[draft.caller].append((at, 1))
        lines[draft.caller].append((at + draft.ring_ms + draft.talk_ms, -1))
    assert len(lines) == POPULATION.businesses[kind]
    most = []
    for steps in lines.values():
        going = highest = 0
        for _, step in sorted(steps):
            going += step
            highest = max(highest, going)
        most.append(highest)
    assert 2 <= max(most) <= desk.seats


def test_a_branch_is_called_by_day_and_seldom_at_night():
    by_day, by_night = ([draft for _, draft in desk_calls("branch", begin)[1]] for begin in (MORNING, NIGHT))
    assert all(map(dear, by_day))
    places = {
        draft.caller: {called.callee[:-3] for called in by_day if called.caller == draft.caller} for draft in by_day
    }
    assert {len(branch) for branch in places.values()} == {1}
    assert 0.02 < sum(map(dear, by_night)) / len(by_night) < 0.1


@pytest.mark.parametrize(("kind", "countries"), [("hotel", 6), ("help_desk", 9), ("reseller", 9)])
def test_others_call_many_countries(kind, countries):
    network = KAZAKHSTAN
    seen = Counter()
    for _, draft in desk_calls(kind, NIGHT)[1]:
        seen.update(place for place in (*network.neighbours, *network.far) if draft.callee.startswith(place.prefix))
    assert len(seen) == countries


def test_old_lists_are_partly_dead_and_the_others_are_talked_with():
    _, found = desk_calls("collector", MORNING, 10_000)
    dead, talked = Counter(), Counter()
    for _, draft in found:
        dead[draft.caller] += draft.cause == 1
        talked[draft.caller] += draft.talk_ms > 6_000
    calls = Counter(draft.caller for _, draft in found)
    assert 0.25 < max(dead[line] / count for line, count in calls.items()) < 0.45
    assert all(talked[line] > 0.08 * count for line, count in calls.items())


def test_resellers_are_on_the_list_of_those_who_are_allowed():
    allowed = {entry.number for entry in POPULATION.lists() if entry.list == "allow"}
    assert {draft.caller for _, draft in desk_calls("reseller", MORNING)[1]} <= allowed
    others = {draft.caller for kind in ("branch", "hotel", "collector") for _, draft in desk_calls(kind, MORNING)[1]}
    assert not others & allowed


@pytest.mark.parametrize("crowd", CROWDS, ids=lambda crowd: crowd.kind)
def test_a_crowd_calls_one_number_mostly_from_own_lines(crowd):
    found = lookalikes().crowd(crowd)(MORNING)
    assert len(found) == crowd.calls
    assert len({draft.callee for _, draft in found}) == 1
    waits = [wait for wait, _ in found]
    assert waits == sorted(waits)
    assert crowd.within_ms / 2 < waits[-1] <= crowd.within_ms
    callers = {(draft.caller, draft.ingress) for _, draft in found}
    own = sum(ingress == "subscriber" for _, ingress in callers) / len(callers)
    assert 0.6 < own < 0.95
    assert len(callers) < crowd.calls


@pytest.mark.slow
def test_none_of_them_is_blocked_at_night():
    order = Simulation((71,), 60, 1_200, frauds={"pbx_hacking": 0.01, "wangiri": 0.02}, hours=(22,))
    spared = simulate(order, Rules(), Settings(partitions=1)).tally.spared
    assert {kind: one.wrong for kind, one in spared.items() if one.wrong} == {}
    assert {desk.kind for desk in DESKS} <= spared.keys()
    assert spared["collector"].labels["range_probing.old_list"] > 0
    backs = spared.pop("call_back")
    assert backs.labels["wangiri.called_back"] == backs.labelled > backs.calls / 2
    assert not [kind for kind, one in spared.items() if one.labels["wangiri.called_back"]]
