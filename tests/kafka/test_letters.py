"""Dead letters of the trainer, and what its readers hear that is no record."""

import time
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, Message
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streamer.calls import numbers
from streamer.errors import TransportError
from streamer.kafka import clients
from streamer.kafka.topics import Topics, dead_letter
from streamer.training.active import ActiveTrainer
from streamer.training.cases import Cases
from streamer.training.metrics import TrainerMetrics
from streamer.training.process import wall_ms
from streamer.training.reader import POLL_RECORDS, poll


def for_a_while(step):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        step()


@pytest.mark.broker
def test_a_record_whose_dead_letter_is_refused_does_not_count_as_read(kafka_settings, tmp_path):
    topic = Topics(kafka_settings).feedback
    place = ConfigResource(ResourceType.TOPIC, dead_letter(topic))
    place.add_incremental_config(ConfigEntry("max.message.bytes", "1000", incremental_operation=AlterConfigOpType.SET))
    admin = clients.admin(kafka_settings)
    admin.incremental_alter_configs([place])[place].result()
    sender = clients.producer(kafka_settings)
    sender.produce(topic, key="+77010000000", value=b"{" + b"9" * 5_000)
    assert sender.flush(20) == 0

    cases = Cases(tmp_path / "cases.sqlite3", numbers.home_plan("KZ"))
    trainer = ActiveTrainer(kafka_settings, cases, TrainerMetrics(), owner="test", now_ms=wall_ms, go_on=lambda: True)
    with pytest.raises(TransportError, match=r"refuse a dead letter.*too large"):
        for_a_while(trainer.step)
    trainer.close()
    again = Cases(tmp_path / "cases.sqlite3", numbers.home_plan("KZ"))
    assert again.positions() == {}
    again.close()


def heard(*codes):
    """What `poll` gives when librdkafka hands out a record, errors of `codes`, and a record."""
    record = [Message(topic="evidence.v1", partition=0, offset=offset, value=b"{}") for offset in (4, 5)]
    errors = [Message(topic="evidence.v1", partition=0, offset=9, error=KafkaError(code)) for code in codes]
    handed = {(POLL_RECORDS, 0.1): [record[0], *errors, record[1]]}
    reader = SimpleNamespace(consume=lambda most, timeout: handed[most, timeout])
    return [(message.offset(), ended) for message, ended in poll(reader, 0.1)]


def test_a_reader_goes_on_through_what_librdkafka_mends_and_is_told_ends():
    assert heard(KafkaError._TRANSPORT, KafkaError._PARTITION_EOF, KafkaError.REQUEST_TIMED_OUT) == [
        (4, False), (9, True), (5, False),
    ]  # fmt: skip


@pytest.mark.parametrize("code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART])
def test_a_reader_ends_by_what_no_waiting_mends(code):
    with pytest.raises(TransportError, match=r"evidence\.v1 cannot be read"):
        heard(code)
