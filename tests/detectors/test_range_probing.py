"""Who feels out a range in any order, and who only has an old list of numbers to call."""

import random

import pytest

from tests.detectors.calling import HOUR, MONDAY, Call, anyone, played, quiet, recall

NOON = MONDAY + 12 * HOUR
SERVER = "+77272500000"
"""An own line that calls one number after another."""


def listed(caller, count, gap_s, dead, course, seed):
    """Calls of a line to a list of which a part is dead; `course` gives ring and talk in ms of the others."""
    draw, at, found = random.Random(seed), NOON, []
    for n in range(count):
        at += int(1_000 * draw.expovariate(1 / gap_s))
        if draw.random() < dead:
            found.append(Call(at, caller, anyone(draw, n), 0, 0, 1))
        else:
            ring, talk = course(draw)
            found.append(Call(at, caller, anyone(draw, n), ring, talk, 16))
    return found


def collecting(draw):
    """A third is reached, of whom a third hangs up at once."""
    if draw.random() > 0.33:
        return 20_000, 0
    return 8_000, 3_000 if draw.random() < 0.3 else 6_000 + int(1_000 * draw.expovariate(1 / 60))


def probing(draw):
    return (1_000, 0) if draw.random() < 0.9 else (4_000, 1_500)


@pytest.mark.parametrize("dead", [0.2, 0.3, 0.4, 0.5])
def test_a_debt_collector_with_an_old_list_is_labelled_at_most(dead):
    held = quiet()
    said = [one for n in range(8) for one in played(held, listed(f"+7701500000{n}", 200, 20, dead, collecting, seed=n))]
    reasons = {reason for one in said for reason in one.reasons}
    assert {one.action for one in said} <= {"allow", "label"}
    assert reasons <= {
        "range_probing.old_list",
        "scam_centre.profile",
        "sim_box.profile",
        "robocall.short_calls_known_line",
    }
    assert ("range_probing.old_list" in reasons) >= (dead > 0.25)


def in_order(count, gap_ms, ring_ms, talk_ms=0, cause=16, begin=NOON):
    """Calls of the server to numbers each one above the last."""
    return [Call(begin + gap_ms * n, SERVER, f"+7727250{1_000 + n}", ring_ms, talk_ms, cause) for n in range(count)]


@pytest.mark.parametrize("gap_ms", [0, 300, 2_000, 5_000])
@pytest.mark.parametrize("dead", [0, 2])
def test_whoever_is_called_all_at_once_may_ring_before_he_answers(gap_ms, dead):
    """A hospital's alarm, a conference that dials out: consecutive numbers, nobody has answered when the last is called."""
    calls = in_order(40, gap_ms, 9_000, 60_000)
    calls[:dead] = [call._replace(ring_ms=0, talk_ms=0, cause=1) for call in calls[:dead]]
    assert {(one.action, *one.reasons) for one in played(quiet(), calls)} == {("allow",)}


def test_an_alarm_that_is_never_heard_passes_in_its_first_minute():
    assert {one.action for one in played(quiet(), in_order(12, 2_000, 30_000, cause=19))} == {"allow"}


@pytest.mark.parametrize(("course", "until"), [
    ({"ring_ms": 0, "cause": 1}, 6), ({"ring_ms": 1_000}, 8), ({"ring_ms": 9_000, "cause": 19}, 55), ({"ring_ms": 0, "cause": 17}, 55),
])  # fmt: skip
def test_whoever_walks_a_range_is_blocked_once_his_calls_have_come_to_nothing(course, until):
    said = played(quiet(), in_order(600, 1_500, **course))
    assert "block" not in {one.action for one in said[:5]}
    assert {one.action for one in said[until:]} == {"block"}, [n for n, one in enumerate(said) if one.action != "block"]
    assert {"range_probing.consecutive_numbers"} <= set(said[-1].reasons)


@pytest.mark.parametrize("dead", [0.3, 0.6, 1.0])
def test_whoever_talks_with_nobody_is_blocked_in_whatever_order_he_calls(dead):
    said = played(quiet(), listed("+77272585001", 200, 2, dead, probing, seed=1))
    assert recall(said[40:], "range_probing.unallocated_share") >= 0.9
