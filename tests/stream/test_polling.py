"""Until when a worker may send what came of a membership."""

from types import SimpleNamespace

from streamer.stream.polling import Poller
from streamer.stream.session import Session


def test_a_membership_that_is_over_may_send_nothing_however_alive_the_worker_is():
    session = Session(6.0)
    poller = SimpleNamespace(_session=session, epoch=3)
    assert Poller.held_until(poller, 3) == session.alive_at + 6.0
    assert Poller.held_until(poller, 2) == 0.0
