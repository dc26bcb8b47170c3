"""Reading a log to its end: by whoever takes his time with what he reads."""

import time

import pytest
from confluent_kafka import Message

from streamer.errors import TransportError
from streamer.kafka import logs


class Log:
    """A client that hands out these polls, then nothing."""

    def __init__(self, *polls):
        self.polls = list(polls)

    def consume(self, most, timeout):
        return self.polls.pop(0) if self.polls else []


def record(offset):
    return Message(topic="t", partition=0, offset=offset, value=b"v", timestamp=(1, 1))


def test_a_slow_reader_is_no_silent_broker(monkeypatch):
    monkeypatch.setattr(logs, "_SILENCE_S", 0.5)
    told = []
    for found in logs._until_the_ends(Log([record(0)], [], [record(1)]), {0: 2}, None):
        told.append(found.offset)
        time.sleep(0.6)
    assert told == [0, 1]


def test_a_silent_broker_is_told(monkeypatch):
    monkeypatch.setattr(logs, "_SILENCE_S", 0.0)
    with pytest.raises(TransportError, match="nothing came"):
        list(logs._until_the_ends(Log([record(0)]), {0: 2}, None))
