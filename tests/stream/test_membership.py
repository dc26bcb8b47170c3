"""Workers join, leave, die and freeze while calls are published: afterwards every set-up has its decision."""

import signal

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
            for turn in range(8):
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
    assert len(load.published) > 3_000


@pytest.mark.parametrize(
    ("keeps", "comes_and_goes", "ends"),
    [("plain", "slow", ("kill", "freeze", "kill", "freeze")), (None, None, ("kill", "kill"))],
    ids=["trivial", "engine"],
)
def test_kills_and_freezes_leave_no_setup_undecided(kafka_settings, keeps, comes_and_goes, ends):
    """What a frozen worker held too long it does not publish after it wakes; it joins anew and leaves in order."""
    calls = Calls(kafka_settings)
    with Worker(kafka_settings, judge=keeps) as keeper:
        calls.publish(setup("first", "+77010000001"))
        assert not calls.until({"first"}), keeper.log
        with Load(calls, 1_000) as load:
            for how in ends:
                with Worker(kafka_settings, judge=comes_and_goes) as other:
                    other.says("partitions gained")
                    assert not calls.until(set(load.published)), other.log
                    if how == "kill":
                        other.kill()
                        continue
                    other.send(signal.SIGSTOP)
                    assert not calls.until(set(load.published)), keeper.log
                    other.send(signal.SIGCONT)
                    # It or its client notices first that the session is over; either way it begins anew.
                    other.says("partitions gained", times=2)
                    assert other.stop() == 0, other.log
        assert not calls.until(load.published), keeper.log
        assert keeper.stop() == 0, keeper.log
    calls.rest()
    held = [
        record.timestamp()[1] - decision["decided_at"] for found in calls.decided.values() for decision, record in found
    ]
    assert max(held) < kafka_settings.session_timeout_ms
