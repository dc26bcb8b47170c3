"""A rolling replacement of two workers under load: the new one joins before the old one leaves, over and over."""

import re

import orjson
import pytest

from streamer import __version__, versions
from tests.stream.live import Calls, Worker, get, read, setup, wait_until
from tests.stream.rolling import roll

pytestmark = pytest.mark.broker


@pytest.mark.slow
def test_workers_replaced_one_by_one_under_load_leave_no_setup_undecided(make_settings):
    settings = make_settings()

    def start():
        return Worker(settings)

    names = [("old", start), ("old", start)]
    rolled = roll(settings, names, [("new", start)] * 4)
    assert rolled.published > 4_000
    assert not rolled.undecided
    assert not rolled.repeated, rolled.log
    # Whoever leaves in order hands over at once; nobody waits until a silent worker is expelled.
    assert max(rolled.waits_ms) < settings.session_timeout_ms, rolled.turns
    assert not rolled.refused
    assert rolled.log.count(versions.line()) == 6


def test_a_worker_that_cannot_do_what_is_asked_says_so_and_is_not_ready(kafka_settings):
    """What a newer version published before all workers were replaced: refused, ignored, and told each in its way."""
    calls = Calls(kafka_settings)
    topics = calls.topics
    for topic, key, message in (
        (topics.policy, "policy@new", {"version": "new", "kill_switch": True, "detectors": {"cloned_voice": {"mode": "enforce"}}}),
        (topics.policy, "current", {"version": "new"}),
        (topics.policy, "demotion/cloned_voice/op-a", {"detector": "cloned_voice", "operator": "op-a"}),
        (topics.models, "second@1", {"name": "second"}),
    ):  # fmt: skip
        calls.producer.produce(topic, key=key, value=orjson.dumps(message))
    calls.producer.flush()
    with Worker(kafka_settings) as worker:
        worker.says("policy new is asked for and not in force")
        port = int(re.search(r"metrics on http://[^:]+:(\d+)", worker.log).group(1))
        wait_until(lambda: list(orjson.loads(get(port, "/readyz")[1])["reasons"]) == ["policy"])
        assert get(port, "/readyz")[0] == 503
        assert worker.log.count(": ignored: ") == 2
        assert "no detector is called 'cloned_voice'; there are cli_spoofing" in worker.log
        (letter,) = read(kafka_settings, f"{topics.policy}.dlq", 1)
        assert dict(letter.headers())["error.reason"] == b"unknown_value"

        def shown():
            return get(port, "/metrics")[1].decode().splitlines()

        wait_until(lambda: 'streamer_awaited{kind="policy"} 1.0' in shown())
        assert {
            'streamer_awaited{kind="model"} 0.0',
            'streamer_control_ignored_total{topic="models"} 1.0',
            'streamer_control_ignored_total{topic="policy"} 1.0',
            f'streamer_build_info{{state_layout="{versions.STATE_LAYOUT}",version="{__version__}",vocabulary="{versions.VOCABULARY}"}} 1.0',
        } <= set(shown())
        calls.publish(setup("judged", "+77010000001"))
        assert not calls.until({"judged"}), worker.log
        calls.producer.produce(
            topics.policy, key="policy@new", value=orjson.dumps({"version": "new", "kill_switch": True})
        )
        calls.producer.flush()
        worker.says("in force: policy new")
        assert get(port, "/readyz")[0] == 200
        assert worker.stop() == 0, worker.log
