"""Consumer groups as the brokers tell of them."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaException

from streamer.kafka import clients
from streamer.settings import Settings

_WAIT_S: Final = 5.0


def shares(settings: Settings, group: str, topic: str) -> frozenset[tuple[int, str]] | None:
    """Which member of a group has which partition of a topic, as (partition, member id); None when the brokers do not tell."""
    admin = clients.admin(settings, log_level=2)  # held while it is asked: its answers go with it
    try:
        members = admin.describe_consumer_groups([group])[group].result(timeout=_WAIT_S).members
    except (KafkaException, TimeoutError):
        return None
    return frozenset(
        (place.partition, member.member_id)
        for member in members
        if member.assignment is not None
        for place in member.assignment.topic_partitions
        if place.topic == topic
    )
