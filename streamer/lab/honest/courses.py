"""How honest calls go: how long they ring, whether they are answered, how long the talk lasts.

Talk times of people are lognormal with the median and the mean of the honest subscribers of the Sichuan records (37 s and
77 s a line); how often calls are answered is background knowledge, to be calibrated on data.
"""

from __future__ import annotations

from math import exp
from random import Random
from typing import Final

from streamer.lab.drafts import MAX_TALK_MS, Course

TALK_MU: Final = 3.62
"""Logarithm of the median talk time of people, in s."""
TALK_SIGMA: Final = 1.20
"""Its standard deviation from call to call of one line."""
LINE_SIGMA: Final = 0.75
"""Its standard deviation from line to line."""

NO_ANSWER, GIVEN_UP, BUSY, UNREACHABLE, UNKNOWN = 19, 16, 17, 20, 1


def talk(rng: Random, mu: float, sigma: float) -> int:
    """A lognormal talk time in ms, of which `mu` and `sigma` are those of its logarithm in s."""
    return min(MAX_TALK_MS, 1_000 + int(1_000 * exp(mu + sigma * rng.gauss(0, 1))))


def people(rng: Random, mu: float = TALK_MU) -> Course:
    """A call among people: six in ten are answered."""
    draw = rng.random()
    if draw < 0.6:
        return 2_000 + int(12_000 * rng.random()), talk(rng, mu, TALK_SIGMA), 16, "caller" if draw < 0.3 else "callee"
    return unanswered(rng)


def unanswered(rng: Random) -> Course:
    """Nobody comes, the caller gives up (a fifth of them at once), it is busy, switched off, or a number that nobody has."""
    draw = rng.random()
    if draw < 0.49:
        return 25_000 + int(20_000 * rng.random()), 0, NO_ANSWER, "network"
    if draw < 0.72:
        return 1_000 + int(19_000 * rng.random()), 0, GIVEN_UP, "caller"
    if draw < 0.90:
        return 0, 0, BUSY, "network"
    return (0, 0, UNREACHABLE, "network") if draw < 0.985 else (0, 0, UNKNOWN, "network")
