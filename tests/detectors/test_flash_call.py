"""Calls that ring once, by a few numbers that are used again and again, and what looks like them."""

import random

import pytest

from tests.detectors.calling import HOUR, MONDAY, Call, anyone, enter, paced, played, quiet, why

NOON = MONDAY + 12 * HOUR


@pytest.fixture
def held():
    return quiet()


def flashes(numbers, count, gap_ms, ring_ms=1_200):
    """A sender that uses its numbers in turn."""
    return [
        Call(NOON + gap_ms * n, f"+4477000{n % numbers:05d}", f"+7701{1_000_003 * n % 10_000_000:07d}", ring_ms, 0, 16, "international")
        for n in range(count)
    ]  # fmt: skip


def flagged(said):
    return [one for one in said if "flash_call.never_answered" in one.reasons]


def test_flash_calls_of_numbers_that_come_again_are_labelled_and_never_blocked(held):
    said = played(held, flashes(20, 600, 6_000))
    assert len(flagged(said[80:])) / len(said[80:]) >= 0.9
    assert {one.action for one in said} == {"allow", "label"}
    last = said[-1].call
    observed, threshold, window_s = why(held, last._replace(at=last.at + 100_000), "flash_call.never_answered")
    assert observed >= threshold
    assert window_s == 600


def test_the_first_of_all_reasons_is_named_beside_the_last(held):
    """A mask of both has more bits than a float's 53."""
    last = played(held, flashes(20, 300, 6_000))[-1].call
    enter(held, "block", last.caller, "caller")
    (one,) = played(held, [last._replace(at=last.at + 100_000, callee="+77012222222")])
    assert (one.action, one.reasons) == ("block", ["list.block", "flash_call.never_answered"])


def test_numbers_that_are_used_once_are_not_seen_here(held):
    assert flagged(played(held, flashes(500, 500, 2_000))) == []


def test_an_allow_entry_exempts_a_sender_of_log_in_codes(held):
    enter(held, "allow", "+4477000", "caller", "prefix")
    assert flagged(played(held, flashes(20, 300, 6_000))) == []


@pytest.mark.parametrize("calls", [
    [Call(NOON + 40_000 * n, "+77011234567", f"+770155500{n % 2:02d}", 2_000) for n in range(8)],
    [Call(NOON + 40_000 * n, "+77011234567", anyone(random.Random(n), n), 2_000 if n else 9_000, 0 if n else 30_000) for n in range(8)],
    paced("+77011234567", NOON, 30, 60, anyone, answered=0.0, talk_s=float, ring_s=22),
    [Call(NOON + 40_000 * n, "", "+77015550000", 2_000) for n in range(8)],
], ids=["friends who are rung", "a line that was answered once", "a courier whom nobody answers", "withheld"])  # fmt: skip
def test_others_that_are_not_answered_pass(held, calls):
    assert flagged(played(held, calls)) == []
