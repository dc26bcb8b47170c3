"""Whether the brokers answer the consumer: what is waited out, and what ends the worker."""

from __future__ import annotations

import logging
from typing import Any

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaException

from streamer.errors import TransportError
from streamer.kafka.asking import Missing
from streamer.kafka.clients import FINAL_ERRORS

log = logging.getLogger("streamer.lookout")


class Lookout:
    """Hears librdkafka's errors. `trouble` is what it is retrying at the moment, or None."""

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics
        self._final: str | None = None
        self._missing = Missing()
        self.trouble: str | None = None

    def hear(self, error: Any) -> None:
        """An error of a broker or a partition; called while the consumer is polled."""
        if error.fatal() or error.code() in FINAL_ERRORS:
            self._final = error.str()
            return
        if self.trouble is None:
            log.warning("trouble with the brokers, trying again: %s", error.str())
        self.trouble = error.str()

    def check(self) -> None:
        """Raises `TransportError` after an error that waiting does not mend."""
        if self._final is not None:
            raise TransportError(f"calls cannot be read: {self._final}")

    def look(self, client: Client, now: float) -> None:
        """In trouble, ask whether the brokers answer again. Raises `TransportError` when they do, but the topics are gone."""
        if self.trouble is None:
            self._missing.found()
            return
        try:
            found = client.list_topics(timeout=0.5).topics
        except KafkaException:
            return
        missing = [topic for topic in self._topics if topic not in found or found[topic].error is not None]
        if not missing:
            log.warning("the brokers answer again")
            self.trouble = None
        elif self._missing.for_too_long(now):
            raise TransportError(f"the brokers do not have {', '.join(missing)} any more")
