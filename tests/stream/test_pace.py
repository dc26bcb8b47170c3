"""A poll waits for company when company is on its way, and only then."""

import pytest

from streamer.stream.pace import Pace


def run(rate, seconds, linger_s=0.001, start=1_000.0):
    pace, now, answers = Pace(linger_s), start, []
    while now < start + seconds:
        answers.append(pace.company_comes(now))
        pace.arrived(1)
        now += 1 / rate
    return answers


@pytest.mark.parametrize(
    ("rate", "waits"), [(100, False), (1_000, False), (1_900, False), (2_500, True), (5_000, True), (50_000, True)]
)
def test_waiting_hangs_on_the_rate(rate, waits):
    assert run(rate, 0.5)[-1] is waits


def test_a_lull_ends_the_waiting_and_no_linger_never_waits():
    pace = Pace(0.001)
    pace.company_comes(1.0)
    pace.arrived(5_000)
    assert pace.company_comes(1.1)
    assert not pace.company_comes(9.0)
    assert not any(run(100_000, 0.3, linger_s=0.0))
