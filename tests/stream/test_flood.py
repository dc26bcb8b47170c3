"""A flood of one operator through a real worker: each set-up has its decision, the flood its share, the others verdicts."""

import time
from itertools import chain

import pytest

from streamer.throttling import BACKLOG_MS
from tests.stream import undisturbed
from tests.stream.live import Calls, Worker, setup, wait_until
from tests.stream.mixed import check, control, rules

pytestmark = pytest.mark.broker

FLOOD, SHARE, OFTEN = 40_000, 0.1, 40
"""Set-ups of the flood, the part that its operator may have, and of how many calls one is another operator's."""


def test_a_flood_has_its_share_and_nobody_else_waits_for_a_verdict_in_vain(kafka_settings):
    rules(kafka_settings)
    calls, published = Calls(kafka_settings), set()
    control(kafka_settings, calls.topics.operators, "op-a", {"operator": "op-a", "max_share": SHARE})
    listed = {"list": "block", "match": "prefix", "number": "+7707", "side": "caller"}
    control(kafka_settings, calls.topics.lists, "block/prefix/caller//+7707", listed)

    for number in range(FLOOD):
        calls.publish(setup(f"flood{number}", f"+7701{number:07d}"))
        published.add(f"flood{number}")
        if number % OFTEN == 0:
            calls.publish(setup(f"other{number}", f"+7707{number:07d}", operator="op-b"))
            published.add(f"other{number}")
    calls.producer.flush(30)
    logged = [*chain.from_iterable(undisturbed.log(kafka_settings, calls.topics.calls).values())]
    assert len(logged) == len(published)
    # Nothing comes after these, so that all of them wait, and each for long enough.
    newest_ms = max(record.timestamp()[1] for record in logged)
    wait_until(lambda: time.time() * 1000 - newest_ms > BACKLOG_MS)
    with Worker(kafka_settings, STREAMER_CHECKPOINT_S="0.5") as killed:
        assert not calls.until({"flood0", "other0"}), killed.log
        killed.kill()
    with Worker(kafka_settings, STREAMER_CHECKPOINT_S="0.5") as worker:
        assert not calls.until(published), worker.log
        wait_until(lambda: sum(calls.committed()) == len(published), tell=lambda: worker.log)
        reasons = {name: [tuple(one["reasons"]) for one, _ in found] for name, found in calls.decided.items()}
        others = [said for name in reasons if name.startswith("other") for said in reasons[name]]
        assert set(others) == {("list.block",)}
        floods = [said for name in reasons if name.startswith("flood") for said in reasons[name]]
        assert set(floods) == {(), ("input.throttled",)}
        assert SHARE / 2 < floods.count(()) / len(published) < 2 * SHARE
        # It has passed: the same operator is judged like any other.
        calls.publish(setup("after", "+77070000001"))
        assert not calls.until({"after"}), worker.log
        assert calls.decided["after"][0][0]["reasons"] == ["list.block"]
        published.add("after")
        assert worker.stop() == 0, worker.log
    check(kafka_settings, calls, published)
