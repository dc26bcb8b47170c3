"""Publication: everything of one turn in one Kafka transaction, by one trainer at a time.

All trainers of a consumer group share one transactional id. Whoever takes the lease begins by fencing it, so that a
trainer that was thought dead can neither overwrite a version nor publish half of one. Its epoch in each snapshot says the
same to scorers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

from streamer.kafka import clients
from streamer.kafka.clients import SLICE_S, GoOn
from streamer.kafka.lease import LeaseLostError
from streamer.settings import Settings
from streamer.training.log import Record

LAST_WORD_S: Final = 10.0
"""How long a publication may still take, by brokers that answer, once it is time to stop."""


class Publisher:
    """The one transactional producer of the trainers of a group. Making one fences every earlier one.

    Parameters
    ----------
    settings
        Where the brokers are; `trainer_group` and `prefix` name the transactional id.
    go_on
        Asked between attempts while brokers do not answer; False means stop trying: at once when they are known to
        be away, else after `LAST_WORD_S`.
    """

    def __init__(self, settings: Settings, go_on: GoOn) -> None:
        self._go_on = go_on
        self._away = False
        self._producer: Producer = clients.producer(
            settings,
            **{
                "transactional.id": f"{settings.prefix}{settings.trainer_group}",
                "transaction.timeout.ms": 60_000,
                "delivery.timeout.ms": 30_000,
                "error_cb": self._hear,
            },
        )
        self._retried(self._producer.init_transactions, patience_s=0.0)

    def publish(self, records: Iterable[Record]) -> bool:
        """All of `records` or none. False: the brokers gave it up, try again later.

        Raises `LeaseLostError` when a later trainer has fenced this one, or `go_on` said to stop.
        """
        try:
            self._producer.begin_transaction()
            for record in records:
                self._send(*record)
            self._retried(self._producer.commit_transaction)
        except KafkaException as error:
            reason = error.args[0]
            if not reason.txn_requires_abort():
                raise LeaseLostError(f"the trainer can publish no more: {reason.str()}") from error
            self._retried(self._producer.abort_transaction)
            return False
        return True

    def _send(self, topic: str, key: str, value: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(topic, key=key, value=value)
            except BufferError:
                self._producer.poll(SLICE_S)
            else:
                return

    def _hear(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own code
            self._away = True

    def _retried(self, step: Callable[[float], object], patience_s: float = LAST_WORD_S) -> None:
        until: float | None = None
        while True:
            try:
                step(SLICE_S)
            except KafkaException as error:
                reason = error.args[0]
                if reason.fatal():
                    raise LeaseLostError(f"another trainer has taken over: {reason.str()}") from error
                if not reason.retriable():
                    raise
                if not self._go_on():
                    self._producer.poll(0)  # which serves `_hear`
                    until = until or time.monotonic() + patience_s
                    if self._away or time.monotonic() >= until:
                        raise LeaseLostError(f"gave up waiting for the brokers: {reason.str()}") from error
            else:
                self._away = False
                return
