"""Operators' parts of the last ten seconds against plain counting."""

import random

from streamer.windows import shares


def test_parts_are_those_of_counting_what_came_in_the_last_ten_steps():
    draw = random.Random(3)
    held, log, now = shares.shares(3), [], 1_763_953_000_000
    for _ in range(3_000):
        now += draw.choice([0, 0, 0, 700, 2_500, 25_000])
        shares.advance(held, now)
        recent = [one for one in log if one[0] > now // 1_000 - 10]
        operator, most = draw.randrange(3), draw.choice([0.0005, 0.001, 0.002, 0.004])
        ours = sum(effect for _, who, effect in recent if who == operator)
        assert shares.is_over(held, operator, most) == (ours + 1 > most * max(len(recent) + 1, shares.FEWEST))
        effect = draw.random() < 0.7
        shares.count(held, operator, effect)
        log.append((now // 1_000, operator, effect))


def test_a_share_is_of_all_records_once_there_are_enough():
    held = shares.shares(2)
    shares.advance(held, 0)
    for number in range(10_000):
        over = shares.is_over(held, 0, 0.25)
        assert number or not over
        shares.count(held, 0, not over)
    assert held.counts[shares.STEPS].tolist() == [2_500, 0, 10_000]


def test_a_clock_that_was_set_back_begins_anew():
    held = shares.shares(1)
    shares.advance(held, 60_000)
    for _ in range(shares.FEWEST):
        shares.count(held, 0, True)
    assert shares.is_over(held, 0, 0.5)
    shares.advance(held, 58_000)
    assert not held.counts.any()
