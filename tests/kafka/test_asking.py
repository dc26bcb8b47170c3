"""Which errors end a reader, and for how long a partition may be missing."""

import pytest
from confluent_kafka import KafkaError

from streamer.kafka.asking import GONE_S, Missing, is_final

GONE = [KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART]


@pytest.mark.parametrize("code", GONE)
def test_a_partition_may_be_missing_for_a_while_after_an_outage_and_no_longer(code):
    error, missing = KafkaError(code), Missing()
    assert is_final(error)
    assert [missing.is_final(error, 100 + after) for after in (0, GONE_S, GONE_S + 0.1)] == [False, False, True]
    missing.found()
    assert not missing.is_final(error, 100 + GONE_S + 0.1)


def test_what_else_ends_a_reader_ends_it_at_once_and_what_passes_never():
    missing = Missing()
    assert missing.is_final(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), 0)
    assert not missing.is_final(KafkaError(KafkaError._ALL_BROKERS_DOWN), 1e6)
    assert missing.is_final(KafkaError(KafkaError._UNKNOWN_PARTITION, "the client is dead", fatal=True), 0)
