"""A poll waits for company when company is on its way, and only then."""

import time

import pytest

from streamer.stream.pace import Pace


class Client:
    """Has so many records at once, and so many more within a linger; notes what it is asked for after the first."""

    def __init__(self, there, later=0):
        self.there, self.later, self.asked = there, later, []

    def poll(self, _):
        self.there -= 1
        return 0 if self.there >= 0 else None

    def consume(self, most, wait_s):
        self.asked.append((most, wait_s))
        if wait_s and self.there < most:
            self.there += self.later
        given = min(most, self.there)
        self.there -= given
        return [0] * given


def paced(rate):
    """A pace that has measured so many records a second, and measures nothing else for a while."""
    pace = Pace(0.001)
    pace._a_second, pace._since = rate, time.monotonic() + 1_000
    return pace


@pytest.mark.parametrize(
    ("rate", "client", "taken", "asked"),
    [
        (5_000, Client(0), 0, []),
        (100, Client(1), 1, [(499, 0)]),
        (100, Client(8), 8, [(499, 0)]),
        (5_000, Client(5, 100), 5, [(4, 0.001), (495, 0)]),
        (5_000, Client(9), 9, [(4, 0.001), (495, 0)]),
        (5_000, Client(1, 2), 3, [(4, 0.001)]),
        (5_000, Client(1, 100), 101, [(4, 0.001), (495, 0)]),
        (10_000_000, Client(1_000), 500, [(249, 0.001), (250, 0)]),
    ],
)
def test_a_poll_waits_for_company_once_and_takes_what_is_there_beside_it(rate, client, taken, asked):
    assert len(paced(rate).poll(client, 0.1, 500)) == taken
    assert client.asked == asked


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
