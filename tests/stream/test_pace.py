"""A poll waits for company when company is on its way, and only then."""

import pytest

from streamer.stream.pace import Pace


def run(rate, seconds, linger_s=0.001, start=1_000.0):
    pace, now, answers = Pace(linger_s), start, []
    while now < start + seconds:
        answers.append(pace.company(now))
        pace.arrived(1)
        now += 1 / rate
    return answers


@pytest.mark.parametrize(("rate", "wanted"), [(100, 0), (1_000, 0), (1_400, 0), (2_500, 2), (5_000, 5), (50_000, 50)])
def test_so_much_company_is_waited_for_as_comes_within_the_linger(rate, wanted):
    assert run(rate, 0.5)[-1] == pytest.approx(wanted, rel=0.05, abs=0)


def test_a_lull_ends_the_waiting_and_no_linger_never_waits():
    pace = Pace(0.001)
    pace.company(1.0)
    pace.arrived(5_000)
    assert pace.company(1.1)
    assert not pace.company(9.0)
    assert not any(run(100_000, 0.3, linger_s=0.0))
