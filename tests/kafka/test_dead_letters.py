"""Dead letters of records that are too large to be sent on."""

from typing import Any

import pytest
from confluent_kafka import KafkaException, Message

from streamer.errors import MessageError
from streamer.kafka.clients import MAX_MESSAGE_BYTES, producer
from streamer.kafka.dead_letters import buried, dead_letter_headers
from streamer.kafka.letters import DeadLetters
from streamer.settings import load

PLACE = "subscribers.sim.v1", 3, 2**40
MEBIBYTE = 2**20


def sent(letter: tuple[Any, ...]) -> None:
    """Hand a letter to a client, which refuses what is too large whether a broker answers or not."""
    client = producer(load(bootstrap="127.0.0.1:1"), log_level=0)
    topic, value, key, partition, headers = letter
    client.produce(topic, value, key, partition, None, None, 0, headers)
    client.purge()


def test_a_record_that_fits_is_buried_whole() -> None:
    received = [("by", b"an analyst"), ("empty", None), ("error.truncated", b"5")]
    key, value = b"+77010000001", b"x" * (MAX_MESSAGE_BYTES - 4_096)
    letter = buried("too_large", "é" * 9, PLACE, key, value, received)
    assert letter == (
        "subscribers.sim.v1.dlq", value, key, 0, dead_letter_headers("too_large", "é" * 9, *PLACE, received),
    )  # fmt: skip
    assert letter.headers[-2:] == [("by", b"an analyst"), ("empty", b"")]
    assert "error.truncated" not in dict(letter.headers)
    sent(letter)


def test_headers_that_came_with_a_record_give_way_first() -> None:
    value = b"x" * (7 * MEBIBYTE)
    letter = buried("wrong_type", "why", PLACE, b"k", value, [("a", b"h" * MEBIBYTE), ("b", b"i" * 9)])
    assert letter.value == value
    assert letter.headers == [*dead_letter_headers("wrong_type", "why", *PLACE), ("error.truncated.headers", b"2")]
    sent(letter)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (12, MAX_MESSAGE_BYTES - 121, {"error.truncated": b"8388487"}),
        (12, 9 * MEBIBYTE, {"error.truncated": b"9437184"}),
        (5 * MEBIBYTE, 9 * MEBIBYTE, {"error.truncated": b"9437184", "error.truncated.key": b"5242880"}),
        (9 * MEBIBYTE, 100, {"error.truncated.key": b"9437184"}),
        (9 * MEBIBYTE, None, {"error.truncated.key": b"9437184"}),
        (None, 9 * MEBIBYTE, {"error.truncated": b"9437184"}),
    ],
)
def test_of_a_record_that_is_too_large_the_beginning_is_kept(
    key: int | None, value: int | None, told: dict[str, bytes]
) -> None:
    whole_key = None if key is None else bytes(range(256)) * (key // 256) + b"x" * (key % 256)
    whole = None if value is None else bytes(range(256)) * (value // 256) + b"x" * (value % 256)
    letter = buried("too_large", "\U0001f600" * 512, PLACE, whole_key, whole, [("a", b"b")] * 64)
    sent(letter)
    ours = dead_letter_headers("too_large", "\U0001f600" * 512, *PLACE)
    told = {"error.truncated.headers": b"64"} | told
    assert letter.headers[: len(ours)] == ours
    assert dict(letter.headers[len(ours) :]) == told
    for kept, given, name in (
        (letter.key, whole_key, "error.truncated.key"),
        (letter.value, whole, "error.truncated"),
    ):
        if given is None or name not in told:
            assert kept == given
        else:
            assert kept is not None
            assert given.startswith(kept)
    assert len(letter.key or b"") + len(letter.value or b"") > MAX_MESSAGE_BYTES - 8_192


def test_what_the_client_does_not_take_is_seen_here() -> None:
    """Else the tests above would show nothing."""
    with pytest.raises(KafkaException, match="too large"):
        sent(("t", b"x" * (MAX_MESSAGE_BYTES - 121), b"+77010000001", 0, dead_letter_headers("r", "m", *PLACE)))


def test_who_counts_its_own_positions_buries_what_is_too_large() -> None:
    letters = DeadLetters(load(bootstrap="127.0.0.1:1"), lambda: False)
    headers = [("a", b"b" * MEBIBYTE)]
    message = Message(topic="feedback.v1", partition=2, offset=7, key=b"k", value=b"x" * 9 * MEBIBYTE, headers=headers)
    letters.bury(message, MessageError("too_large", "too much"))
    letters.close()
