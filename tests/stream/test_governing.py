"""The governor of a worker on a real broker: it publishes, reads its own word back, and blocks turn to shadow."""

import re
import time

import orjson
import pytest

from streamer.calls.decisions import Band, Policy
from streamer.governor import MOST_SCOPES, NAMES
from streamer.kafka.topics import Topics
from streamer.policy import ASKED
from streamer.settings import Settings
from streamer.stream import metrics
from streamer.stream.governing import Governing
from tests.stream.live import Calls, Worker, get, read, setup, wait_until

GOOD = "+77011111111"
DAY = 86_400_000


def scan(calls, name, first, n):
    """Calls from the good line to one number after another; gives the id of the last."""
    for number in range(first, first + n):
        calls.publish(setup(f"{name}{number}", GOOD, callee=f"+7727{2_000_000 + number}", ingress="subscriber"))
    return f"{name}{first + n - 1}"


@pytest.mark.broker
def test_a_worker_publishes_a_demotion_and_blocks_become_shadow(kafka_settings):
    calls, now = Calls(kafka_settings), int(time.time() * 1_000)
    fact = {"number": GOOD, "at": now, "fact": "line", "value": "active", "since": now - 31 * DAY, "operator": "op-a"}
    rules = {"version": "g", "control_share": 0, "governor": {"max_share": 0.1, "min_calls": 30}}
    calls.producer.produce(calls.topics.line, key=GOOD, value=orjson.dumps(fact))
    calls.producer.produce(calls.topics.policy, key="policy@g", value=orjson.dumps(rules))
    calls.producer.produce(calls.topics.policy, key="current", value=b'{"version":"g"}')
    calls.producer.flush()
    with Worker(kafka_settings) as worker:
        last = scan(calls, "a", 0, 29)
        assert not calls.until({last}), worker.log
        before = calls.decided[last][0][0]
        assert (before["action"], before["shadow_action"]) == ("block", "block")

        scan(calls, "b", 29, 1)
        calls.producer.flush()
        worker.says("range_probing of operator 'op-a', trunk '', is demoted until", 20)
        record = read(kafka_settings, calls.topics.policy, 1, wanted=3)[2]
        demotion = orjson.loads(record.value())
        assert record.key() == b"demotion/range_probing/op-a/"
        assert (demotion["detector"], demotion["operator"], demotion["trunk"]) == ("range_probing", "op-a", "")
        assert demotion["until"] == demotion["at"] + 3_600_000
        assert "30 calls" in demotion["why"]

        numbers = iter(range(30, 1_000_000))

        def shadowed():
            asked = scan(calls, "c", next(numbers), 1)
            assert not calls.until({asked}), worker.log
            said = calls.decided[asked][0][0]
            assert said["shadow_action"] == "block"
            return said["action"] == "allow"

        wait_until(shadowed, 5, lambda: worker.log)
        last = scan(calls, "d", next(numbers), 100)
        assert not calls.until({last}), worker.log
        assert calls.decided[last][0][0]["action"] == "allow"
        port = re.search(r"metrics on http://[^:]+:(\d+)", worker.log).group(1)
        _, page = get(port, "/metrics")
        assert b'streamer_governor_demotions_total{detector="range_probing",operator="op-a"} 1.0' in page
        assert worker.stop() == 0, worker.log
        assert worker.log.count("is demoted until") == 1
    assert len(read(kafka_settings, calls.topics.policy, 1, wanted=4, seconds=2)) == 3


def test_metrics_and_log_tell_of_alarms_and_bound_their_labels(monkeypatch, caplog):
    monkeypatch.setattr(metrics, "MOST_OPERATORS", 3)
    shown = metrics.Metrics()
    held = Governing(Topics(Settings(prefix="", partitions=1)), shown)
    rules = Policy(version="t", governor=Band(min_calls=1))
    bits = (1 << len(NAMES)) - 1
    origin, behaviour = (1 << ASKED + NAMES.index(name) for name in ("cli_spoofing", "robocall"))
    for number in range(10):
        assert held.observe([(f"op\n{number}", "", DAY, bits | origin)], rules) == []
    messages = held.observe([("op/b", "t", DAY, bits | behaviour)], rules)
    assert [message[2] for message in messages] == [b"demotion/robocall/op%2Fb/t"]
    assert held.observe([("op/b", "t", DAY, bits | behaviour)], rules) == []
    held.forget()  # partitions lost: what was said may not have left
    assert len(held.observe([("op/b", "t", DAY, bits | behaviour)], rules)) == 1
    held.show()
    page = {sample.labels["operator"] for family in shown.registry.collect() for sample in family.samples
            if sample.name.startswith("streamer_governor") and "operator" in sample.labels}  # fmt: skip
    assert page == {"op\n0", "op\n1", "op\n2", "other"}
    assert (
        shown.registry.get_sample_value(
            "streamer_governor_alarms_total", {"detector": "cli_spoofing", "operator": "other"}
        )
        == 7
    )
    assert (
        shown.registry.get_sample_value(
            "streamer_governor_demotions_total", {"detector": "robocall", "operator": "other"}
        )
        == 2
    )
    assert "cli_spoofing of operator 'op\\n0', trunk '', is outside its band" in caplog.text
    for _ in range(2):
        held.observe([("op", f"{number}", 2 * DAY, bits) for number in range(MOST_SCOPES + 5)], rules)
    held.show()
    assert not any(
        sample.name == "streamer_governor_block_share"
        for family in shown.registry.collect()
        for sample in family.samples
    )
    held.heard("policy", "current", b'{"version":"t"}')
    held.heard("policy", messages[0][2].decode(), messages[0][1])
    held.heard("policy", messages[0][2].decode(), None)
