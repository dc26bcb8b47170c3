"""The governor of a worker on a real broker: it publishes, reads its own word back, and blocks turn to shadow."""

import re
import time

import orjson
import pytest

from streamer.calls.codec import decode_demotion
from streamer.calls.decisions import Band, Demotion, Policy
from streamer.governor import GRACE_MS, MOST_OF_OPERATOR, MOST_SCOPES, NAMES
from streamer.kafka.topics import Topics
from streamer.policy import ASKED
from streamer.settings import Settings
from streamer.stream import metrics
from streamer.stream.governing import Governing
from tests.stream.live import Calls, Worker, get, read, setup, wait_until

CREW = tuple(f"+770111111{n:02}" for n in range(10))
DAY = 86_400_000
BEHIND_MS = 240_000
"""So far behind the clock lie the calls, for a demotion by their time to end soon by the clock."""
DEMOTION_S = 265


def scan(calls, line, first, n):
    """Calls from a good line to one dead number after another; gives the id of the last."""
    for number in range(first, first + n):
        at, callee = int(time.time() * 1_000) - BEHIND_MS, f"+7727{2_000_000 + number}"
        call = setup(f"{line}-{number}", line, at, callee=callee, ingress="subscriber")
        calls.publish(call)
        calls.publish(
            {name: call[name] for name in ("call_id", "at", "operator", "caller", "callee")}
            | {"type": "end", "cause": 1}
        )
    return f"{line}-{first + n - 1}"


def table(settings, topic, wanted):
    """What the policy topic says by key, the last word of each, once it has so many records."""
    return {record.key(): record.value() for record in read(settings, topic, 1, wanted=wanted)}


@pytest.mark.broker
def test_a_worker_demotes_a_detector_by_its_own_word_and_lifts_what_has_ended(kafka_settings):
    calls, now = Calls(kafka_settings), int(time.time() * 1_000)
    for line in CREW:
        fact = {
            "number": line,
            "at": now,
            "fact": "line",
            "value": "active",
            "since": now - 31 * DAY,
            "operator": "op-a",
        }
        calls.producer.produce(calls.topics.line, key=line, value=orjson.dumps(fact))
    rules = {"version": "g", "control_share": 0,
             "governor": {"max_share": 0.1, "min_lines": 10, "demotion_s": DEMOTION_S}}  # fmt: skip
    calls.producer.produce(calls.topics.policy, key="policy@g", value=orjson.dumps(rules))
    calls.producer.produce(calls.topics.policy, key="current", value=b'{"version":"g"}')
    left = b"demotion/robocall/op-z/igw%2F7"
    ended = {"detector": "robocall", "operator": "op-z", "trunk": "igw/7", "at": now - DAY, "until": now - DAY + 1}
    calls.producer.produce(calls.topics.policy, key=left, value=orjson.dumps(ended))
    calls.producer.flush()
    with Worker(kafka_settings) as worker:
        worker.says("1 demotions have ended and are lifted")
        assert table(kafka_settings, calls.topics.policy, 4)[left] is None

        last = {scan(calls, line, 0, 8) for line in CREW[:-1]}
        assert not calls.until(last), worker.log
        for asked in last:
            before = calls.decided[asked][0][0]
            assert (before["action"], before["shadow_action"]) == ("block", "block")

        scan(calls, CREW[-1], 0, 1)
        calls.producer.flush()
        worker.says("range_probing of operator 'op-a', trunk '', is demoted until")
        key = b"demotion/range_probing/op-a/"
        demotion = orjson.loads(table(kafka_settings, calls.topics.policy, 5)[key])
        assert (demotion["detector"], demotion["operator"], demotion["trunk"]) == ("range_probing", "op-a", "")
        assert demotion["until"] == demotion["at"] + 1_000 * DEMOTION_S
        assert "9 of 10 own lines" in demotion["why"]

        numbers = iter(range(8, 1_000_000))

        def says(action):
            asked = scan(calls, CREW[0], next(numbers), 1)
            assert not calls.until({asked}), worker.log
            said = calls.decided[asked][0][0]
            assert said["shadow_action"] == "block"
            return said["action"] == action

        wait_until(lambda: says("allow"), tell=lambda: worker.log)
        last = [scan(calls, line, 8, 20) for line in CREW[1:]]
        assert not calls.until(last), worker.log
        assert {calls.decided[asked][0][0]["action"] for asked in last} == {"allow"}
        port = re.search(r"metrics on http://[^:]+:(\d+)", worker.log).group(1)
        _, page = get(port, "/metrics")
        assert b'streamer_governor_demotions_total{detector="range_probing",operator="op-a"} 1.0' in page

        worker.says("1 demotions have ended and are lifted", times=2)
        assert time.time() * 1_000 >= demotion["until"] + GRACE_MS
        assert table(kafka_settings, calls.topics.policy, 6)[key] is None
        wait_until(lambda: says("block"), tell=lambda: worker.log)
        assert worker.stop() == 0, worker.log
        assert worker.log.count("is demoted until") == 1
    assert len(read(kafka_settings, calls.topics.policy, 1, wanted=7, seconds=2)) == 6


def test_metrics_and_log_tell_of_alarms_and_bound_their_labels(monkeypatch, caplog):
    monkeypatch.setattr(metrics, "MOST_OPERATORS", 3)
    shown = metrics.Metrics()
    held = Governing(Topics(Settings(prefix="", partitions=1)), shown)
    rules = Policy(version="t", governor=Band(min_lines=1))
    bits = (1 << len(NAMES)) - 1
    origin, behaviour = (1 << ASKED + NAMES.index(name) for name in ("cli_spoofing", "robocall"))

    def two(operator, trunk, asked, at=DAY):
        return held.observe([(operator, trunk, at, bits | asked, line) for line in (1, 2)], rules, {})

    for number in range(10):
        assert two(f"op\n{number}", "", origin) == []
    messages = two("op/b", "t", behaviour)
    assert [message[2] for message in messages] == [b"demotion/robocall/op%2Fb/t"]
    assert two("op/b", "t", behaviour) == []
    held.forget()  # partitions lost: what was said may not have left
    assert len(two("op/b", "t", behaviour)) == 1
    held.show({}, rules, 2 * DAY)
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
        held.observe([("op", f"{number}", 2 * DAY, bits, 1) for number in range(MOST_SCOPES + 5)], rules, {})
    held.show({}, rules, 2 * DAY)
    assert not any(
        sample.name == "streamer_governor_block_share"
        for family in shown.registry.collect()
        for sample in family.samples
    )
    held.heard("policy", "current", b'{"version":"t"}')
    held.heard("policy", messages[0][2].decode(), messages[0][1])
    held.heard("policy", messages[0][2].decode(), None)
    assert decode_demotion(messages[0][1]).trunk == "t"
    ended = {messages[0][2].decode(): decode_demotion(messages[0][1])}
    own = Policy(
        version="own",
        demotions=[
            Demotion(detector="wangiri", operator="op"),
            Demotion(detector="robocall", operator="op", until=DAY),
            Demotion(detector="cli_spoofing", operator="op"),
        ],
    )
    for policy, demotions in ((rules, 1), (own, 2)):
        held.show(ended, policy, 2 * DAY)
        assert shown.registry.get_sample_value("streamer_governor_demotions_held") == demotions
    assert held.lift(ended, 2 * DAY) == [("policy.v1", None, b"demotion/robocall/op%2Fb/t", 0, None)]
    assert held.lift(ended, 2 * DAY) == []


def test_alarms_of_one_detector_and_operator_are_all_counted_and_one_a_minute_is_logged(caplog):
    shown = metrics.Metrics()
    held = Governing(Topics(Settings(prefix="", partitions=1)), shown)
    bits = (1 << len(NAMES)) - 1 | 1 << ASKED + NAMES.index("robocall")
    for number in range(MOST_OF_OPERATOR + 5):
        calls = [("op", f"t{number}", DAY, bits, line) for line in (1, 2)]
        held.observe(calls, Policy(version="t", governor=Band(min_lines=1)), {})
    labels = {"detector": "robocall", "operator": "op"}
    assert shown.registry.get_sample_value("streamer_governor_demotions_total", labels) == MOST_OF_OPERATOR
    assert shown.registry.get_sample_value("streamer_governor_alarms_total", labels) == 5
    assert caplog.text.count("is outside its band and stays in force") == 1
    assert f"{MOST_OF_OPERATOR} demotions of this operator are in force already" in caplog.text
