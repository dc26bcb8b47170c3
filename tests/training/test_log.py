"""State on `trainer.v1`: in pieces and back, and one writer at a time."""

import random

import pytest

from streamer.errors import StateError
from streamer.kafka.lease import LeaseLostError
from streamer.kafka.tables import Change
from streamer.kafka.topics import Topics
from streamer.training import log as trainer_log
from streamer.training.log import joined, lease, pieces, read
from streamer.training.publication import Publisher

BIG = {"epoch": 3, "seq": 9, "text": "".join(random.Random(1).choices('ab"\\é', k=1_000_000))}
SMALL = {"epoch": 3, "seq": 10, "text": ""}


def as_table(records):
    latest = {}
    for offset, (topic, key, value) in enumerate(records):
        latest.pop(key, None)
        latest[key] = Change("trainer", key, value, topic, 0, offset, key.encode(), [])
    return list(latest.values())


def test_pieces_fit_a_record_and_join_again():
    records = pieces("trainer.v1", BIG, 0)
    assert len(records) > 1
    assert max(len(value) for _, _, value in records) < 900_000
    assert joined(as_table([lease("trainer.v1", 4, 7, "host:1", 0), *records])) == (4, 7, BIG, len(records), {})


def test_a_smaller_state_leaves_no_piece_of_the_larger_behind():
    big = pieces("trainer.v1", BIG, 0)
    records = [*big, *pieces("trainer.v1", SMALL, len(big))]
    assert joined(as_table(records)) == (0, 0, SMALL, 1, {})


def test_nothing_yet():
    assert joined([]) == (0, 0, None, 0, {})


def test_half_a_state_is_refused():
    with pytest.raises(StateError, match="not whole"):
        joined(as_table(pieces("trainer.v1", BIG, 0)[1:]))


@pytest.mark.parametrize("key", ["lease", "state/0"])
@pytest.mark.parametrize(
    "value", [b"{", b"[]", b"\xff", b'{"epoch":"x"}', b'{"epoch":1e400}', b'{"epoch":' + b"9" * 10**6 + b"}"]
)
def test_what_no_trainer_wrote_is_refused_by_name(key, value):
    with pytest.raises(StateError, match=key):
        joined(as_table([("trainer.v1", key, value)]))


def test_a_damaged_state_is_refused_and_foreign_keys_are_left_alone():
    (topic, key, value), *_ = pieces("trainer.v1", SMALL, 0)
    with pytest.raises(StateError, match="damaged"):
        joined(as_table([(topic, key, value.replace(b'{\\"epoch', b'\\"epoch'))]))
    assert joined(as_table([(topic, "else", b"{")])) == (0, 0, None, 0, {})


def test_a_piece_that_is_not_utf8_is_refused():
    piece = b'{"epoch":1,"seq":1,"part":0,"parts":1,"text":"\xb0"}'
    with pytest.raises(StateError, match=r"state/0 on trainer\.v1 cannot be read"):
        joined(as_table([("trainer.v1", "state/0", piece)]))


@pytest.mark.broker
def test_a_later_publisher_fences_the_earlier_one(kafka_settings):
    topic = Topics(kafka_settings).trainer
    first = Publisher(kafka_settings, lambda: True)
    assert first.publish([lease(topic, 1, 0, "first", 0), *pieces(topic, BIG, 0)])
    second = Publisher(kafka_settings, lambda: True)
    assert second.publish([lease(topic, 2, 0, "second", 0)])
    with pytest.raises(LeaseLostError):
        first.publish(trainer_log.pieces(topic, SMALL, 3))
    left = read(kafka_settings)
    assert (left.epoch, left.state) == (2, BIG)
