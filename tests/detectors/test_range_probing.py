"""Who feels out a range in any order, and who only has an old list of numbers to call."""

import random

import pytest

from tests.detectors.calling import HOUR, MONDAY, Call, anyone, played, quiet, recall

NOON = MONDAY + 12 * HOUR


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


@pytest.mark.parametrize("dead", [0.3, 0.6, 1.0])
def test_whoever_talks_with_nobody_is_blocked_in_whatever_order_he_calls(dead):
    said = played(quiet(), listed("+77272585001", 200, 2, dead, probing, seed=1))
    assert recall(said[40:], "range_probing.unallocated_share") >= 0.9
