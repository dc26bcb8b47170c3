"""Until when a worker may send what came of a membership."""

from types import SimpleNamespace

from streamer.stream.polling import Poller


def test_a_membership_that_is_over_may_send_nothing_however_alive_the_worker_is():
    poller = SimpleNamespace(_alive_at=100.0, _session_s=6.0, epoch=3)
    assert Poller.held_until(poller, 3) == 106.0
    assert Poller.held_until(poller, 2) == 0.0
