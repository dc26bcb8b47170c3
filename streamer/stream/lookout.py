"""Whether the brokers answer the consumer: what is waited out, and what ends the worker."""

from __future__ import annotations

import logging
from typing import Any, Final

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException

from streamer.errors import TransportError
from streamer.kafka.asking import Missing
from streamer.kafka.clients import FINAL_ERRORS

log = logging.getLogger("streamer.lookout")


_NOT_THERE: Final = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001 - librdkafka's own errors are named so


class Lookout:
    """Hears librdkafka's errors. `trouble` is what it is retrying at the moment, or None; `astray` says that a record which is due
    next is not there.
    """

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics
        self._final: str | None = None
        self._missing = Missing()
        self.trouble: str | None = None
        self.astray = False

    def hear(self, error: Any) -> None:
        """An error of a broker or a partition; called while the consumer is polled."""
        if error.fatal() or error.code() in FINAL_ERRORS:
            self._final = error.str()
            return
        if error.code() == _NOT_THERE:
            self.astray = True
            log.warning("a record that is due is not there: %s", error.str())
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
