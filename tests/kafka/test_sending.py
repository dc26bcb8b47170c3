"""Changes that several make at one moment, on a real broker: they follow one another, and none is lost."""

import threading

import pytest

from streamer.errors import DeliveryError
from streamer.kafka import sending
from streamer.kafka.logs import read
from streamer.kafka.sending import Outgoing, exchange, send
from streamer.kafka.topics import Topics
from streamer.settings import load

pytestmark = pytest.mark.broker


def test_changes_made_at_one_moment_follow_one_another(kafka_settings):
    topic = Topics(kafka_settings).policy
    begin = threading.Barrier(4)

    def append(own):
        def answer():
            values = [record.value.decode() for record in read(kafka_settings, topic)]
            last = values[-1].split() if values else []
            return [] if own in last else [Outgoing(topic, b"names", " ".join([*last, own]).encode(), (), 0)]

        begin.wait()
        exchange(kafka_settings, f"{topic}-desk", answer)

    names = ["a", "b", "c", "d"]
    together = [threading.Thread(target=append, args=(name,)) for name in names]
    for one in together:
        one.start()
    for one in together:
        one.join()
    told = [record.value.decode().split() for record in read(kafka_settings, topic)]
    assert [len(one) for one in told] == [1, 2, 3, 4]
    assert sorted(told[-1]) == names


def test_brokers_that_do_not_answer_are_told_by_the_error_alone(monkeypatch, caplog):
    monkeypatch.setattr(sending, "_WAIT_S", 1.0)
    with pytest.raises(
        DeliveryError, match=r"127\.0\.0\.1:1: 0 of 1 messages were delivered: .*; is `bootstrap` right"
    ):
        send(load(bootstrap="127.0.0.1:1"), [Outgoing("lists.v1", b"k", b"{}")])
    assert [record.getMessage() for record in caplog.records] == []


def test_whoever_is_overtaken_leaves_nothing_and_answers_anew(kafka_settings):
    topic = Topics(kafka_settings).policy
    seen = []

    def answer():
        seen.append([record.value for record in read(kafka_settings, topic)])
        if len(seen) == 1:
            exchange(kafka_settings, f"{topic}-desk", lambda: [Outgoing(topic, b"k", b"other", (), 0)])
        return [Outgoing(topic, b"k", b"%d" % len(seen), (), 0)]

    exchange(kafka_settings, f"{topic}-desk", answer)
    assert seen == [[], [b"other"]]
    assert [record.value for record in read(kafka_settings, topic)] == [b"other", b"2"]


def test_what_the_brokers_refuse_is_told_and_nothing_of_it_is_there(kafka_settings):
    topic = Topics(kafka_settings).policy
    with pytest.raises(DeliveryError):
        exchange(
            kafka_settings,
            f"{topic}-desk",
            lambda: [Outgoing(topic, b"k", b"there", (), 0), Outgoing(topic, b"k", b"nowhere", (), 7)],
        )
    assert list(read(kafka_settings, topic)) == []


def test_what_is_urgent_is_sent_where_the_brokers_refuse_transactions(kafka_settings, monkeypatch):
    """A timeout that the brokers do not grant stands for every refusal of the transaction itself."""
    monkeypatch.setattr(sending, "_HANGING_MS", 100_000_000)
    topic = Topics(kafka_settings).policy
    message = [Outgoing(topic, b"k", b"there", (), 0)]
    with pytest.raises(DeliveryError, match="nothing was changed"):
        exchange(kafka_settings, f"{topic}-desk", lambda: message)
    exchange(kafka_settings, f"{topic}-desk", lambda: message, urgent=True)
    assert [record.value for record in read(kafka_settings, topic)] == [b"there"]


def test_what_is_urgent_is_sent_where_no_transaction_is_opened_in_time(kafka_settings, monkeypatch):
    for name in ("_WAIT_S", "_URGENT_S"):
        monkeypatch.setattr(sending, name, 0.001)
    topic = Topics(kafka_settings).policy
    message = [Outgoing(topic, b"k", b"there", (), 0)]
    with pytest.raises(DeliveryError, match="nothing was changed"):
        exchange(kafka_settings, f"{topic}-desk", lambda: message)
    monkeypatch.setattr(sending, "_WAIT_S", 30.0)
    exchange(kafka_settings, f"{topic}-desk", lambda: message, urgent=True)
    assert [record.value for record in read(kafka_settings, topic)] == [b"there"]
