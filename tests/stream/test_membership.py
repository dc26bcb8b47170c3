"""Workers join, leave, die and freeze while calls are published: afterwards every set-up has its decision."""

import signal
import time

import pytest

from tests.stream.live import Calls, Load, Worker, setup

pytestmark = pytest.mark.broker


def test_orderly_leaves_repeat_nothing(kafka_settings):
    calls = Calls(kafka_settings)
    with Worker(kafka_settings, judge="plain") as first:
        calls.publish(setup("first", "+77010000001"))
        assert not calls.until({"first"}), first.log
        staying, log = first, ""
        with Load(calls, 1_000) as load:
            for turn in range(5):
                other = Worker(kafka_settings, judge="plain")
                other.says("partitions gained")
                staying, leaving = (other, staying) if turn % 2 else (staying, other)
                assert leaving.stop() == 0, leaving.log
                log += leaving.log
            assert not calls.until(set(load.published)), staying.log
        assert not calls.until(load.published), staying.log
        assert staying.stop() == 0, staying.log
    calls.rest()
    repeated = {call_id: len(found) for call_id, found in calls.decided.items() if len(found) > 1}
    assert not repeated, log + staying.log
    assert len(load.published) > 2_000


@pytest.mark.parametrize(
    ("keeps", "comes_and_goes", "ends"),
    [("plain", "slow", ("kill", "freeze", "kill", "freeze")), (None, None, ("kill", "kill"))],
    ids=["trivial", "engine"],
)
def test_kills_and_freezes_leave_no_setup_undecided(brief_sessions, keeps, comes_and_goes, ends):
    """What a frozen worker held it does not publish after it wakes; it joins anew and leaves in order.

    What is sent was judged no longer ago than a session, the slow judge's time and that of sending a batch. A freeze is
    twice a session, so that what lay in the frozen worker is older. The one message that was on its way to the client
    when the freeze came may be.
    """
    freeze_ms = 2 * brief_sessions.session_timeout_ms
    calls = Calls(brief_sessions)
    with Worker(brief_sessions, judge=keeps) as keeper:
        calls.publish(setup("first", "+77010000001"))
        assert not calls.until({"first"}), keeper.log
        with Load(calls, 1_000) as load:
            for how in ends:
                with Worker(brief_sessions, judge=comes_and_goes) as other:
                    other.says("partitions gained")
                    assert not calls.until(set(load.published)), other.log
                    if how == "kill":
                        other.kill()
                        continue
                    gained = other.log.count("partitions gained")
                    other.send(signal.SIGSTOP)
                    wakes_at = time.monotonic() + freeze_ms / 1000
                    assert not calls.until(set(load.published)), keeper.log
                    time.sleep(max(0.0, wakes_at - time.monotonic()))
                    other.send(signal.SIGCONT)
                    # It or its client notices first that the session is over; either way it begins anew.
                    other.says("partitions gained", times=gained + 1)
                    assert other.stop() == 0, other.log
        assert not calls.until(load.published), keeper.log
        assert keeper.stop() == 0, keeper.log
    calls.rest()
    held = [
        record.timestamp()[1] - decision["decided_at"] for found in calls.decided.values() for decision, record in found
    ]
    assert sum(age_ms >= freeze_ms for age_ms in held) <= ends.count("freeze")
