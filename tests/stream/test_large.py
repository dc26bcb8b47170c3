"""Records so large that their dead letters could not be sent as they came: the worker goes on, and so does the next one."""

import pytest

from streamer.kafka import clients, topics
from tests.stream.live import Calls, Worker, read, setup

pytestmark = pytest.mark.broker

ZEROS = b"0" * (9 * 2**20)
NEARLY = b"x" * (clients.MAX_MESSAGE_BYTES - 121)


def publish(settings, topic, *values, **more):
    """By a client that sends more than ours do."""
    sender = clients.producer(settings, **{"message.max.bytes": 100 * 2**20}, **more)
    refused = []
    for value in values:
        sender.produce(topic, value, b"+77010000001", on_delivery=lambda error, _: error and refused.append(error))
    assert sender.flush(30) == 0
    assert not refused


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_zipped_call_of_nine_mebibytes_is_a_dead_letter_cut_short(kafka_settings, compression):
    calls = Calls(kafka_settings)
    publish(kafka_settings, calls.topics.calls, ZEROS, **{"compression.type": compression})
    with Worker(kafka_settings) as worker:
        calls.publish(setup("after", "+77010000001"))
        assert not calls.until({"after"}), worker.log
        (letter,) = read(kafka_settings, topics.dead_letter(calls.topics.calls), 1)
        headers = dict(letter.headers())
        assert (headers["error.reason"], headers["error.truncated"]) == (b"too_large", b"%d" % len(ZEROS))
        assert ZEROS.startswith(letter.value())
        assert clients.MAX_MESSAGE_BYTES - len(letter.value()) < 4_096
        assert worker.stop() == 0, worker.log


def test_a_fact_that_fills_its_topics_limit_ends_no_worker(kafka_settings):
    calls = Calls(kafka_settings)
    publish(kafka_settings, calls.topics.sim, NEARLY)
    for turn in ("first", "second"):  # facts are read anew by each
        with Worker(kafka_settings) as worker:
            calls.publish(setup(turn, "+77010000001"))
            assert not calls.until({turn}), worker.log
            assert worker.stop() == 0, worker.log
    letters = read(kafka_settings, topics.dead_letter(calls.topics.sim), 1, wanted=2)
    assert [dict(letter.headers())["error.truncated"] for letter in letters] == [b"%d" % len(NEARLY)] * 2
    assert all(NEARLY.startswith(letter.value()) for letter in letters)
