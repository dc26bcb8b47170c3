"""A handful of messages sent and waited for: what people do by hand."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from streamer.errors import DeliveryError
from streamer.kafka.clients import Heard, producer, unanswered
from streamer.settings import Settings

_WAIT_S: Final = 30.0
_SLICE_S: Final = 1.0
_URGENT_S: Final = 5.0
"""So long is a transaction's coordinator waited for where the message may go without one."""
_HANGING_MS: Final = 10_000
"""So long at most does a transaction whose owner died hold back who reads the topic."""
_TURNS: Final = 20
_OVERTAKEN: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - librdkafka's own errors are named so
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_TXN_STATE,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.UNKNOWN,
    }
)
"""What whoever is overtaken hears; the last is said where the coordinator was between two states, and leaves open what became of it."""


_MUTE: Final = logging.getLogger(f"{__name__}.mute")
"""librdkafka tells on standard error of whoever is overtaken, whatever its log level; here that is raised and mended."""
_MUTE.addHandler(logging.NullHandler())
_MUTE.propagate = False


class Outgoing(NamedTuple):
    """One message to send; without a partition Kafka's murmur2 of the key says which."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


def send(settings: Settings, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
    """Deliver `messages` in their order; gives partition and offset of each.

    Raises `DeliveryError` unless every one of them is in the log; it says how many are.
    """
    trouble = Heard()
    quiet = {"log_level": 2, "error_cb": trouble}  # what goes wrong is raised; that a coordinator is loading is no news
    client = producer(settings, **{"delivery.timeout.ms": int(_WAIT_S * 1000)}, **quiet)
    placed: list[tuple[int, int] | None] = [None] * len(messages)
    refused: list[str] = []

    def heard(row: int, error: Any, message: Any) -> None:
        if error is None:
            placed[row] = (message.partition(), message.offset())
        else:
            refused.append(error.str())

    for row, message in enumerate(messages):
        _hand_over(client, message, partial(heard, row))
        client.poll(0)
    until = time.monotonic() + _WAIT_S + 5
    while (left := client.flush(_SLICE_S)) and time.monotonic() < until:
        _stop_if_refused(settings, trouble, f"{len(messages) - left} of {len(messages)} messages were delivered")
    found = [place for place in placed if place is not None]
    if left or len(found) < len(messages):
        why = refused[0] if refused else "the brokers did not answer"
        raise DeliveryError(
            f"{settings.bootstrap}: {len(found)} of {len(messages)} messages were delivered: {why}; is `bootstrap` right?"
        )
    return found


def exchange(settings: Settings, name: str, answer: Callable[[], Sequence[Outgoing]], *, urgent: bool = False) -> None:
    """Deliver what `answer` gives, all or none of it, as if nobody else wrote under `name` meanwhile.

    `answer` reads what it is about to change, and is called again when somebody else under `name` came in between: only the
    last who took the name can write (Kafka fences the transactions of those before), and what they wrote lies in the log by
    then. So changes that are made at one moment follow one another. Nothing is sent when `answer` gives nothing, as it has to
    where it finds what it gave before: brokers may leave open whether they took that.
    What is `urgent` is sent all the same where the brokers refuse the transaction itself, for lack of rights say, or do not
    open it within 5 s.
    Raises `DeliveryError` when the brokers do not take it, or others come in between again and again.
    """
    own = {
        "transactional.id": name,
        "transaction.timeout.ms": _HANGING_MS,
        "delivery.timeout.ms": _HANGING_MS,
        "logger": _MUTE,
    }
    for _ in range(_TURNS):
        trouble = Heard()
        client, begun = producer(settings, error_cb=trouble, **own), False
        try:
            _open(settings, client, trouble, _URGENT_S if urgent else _WAIT_S)
            messages = answer()
            if messages:
                client.begin_transaction()
                begun = True
                for message in messages:
                    _hand_over(client, message)
                client.commit_transaction(_WAIT_S)
        except KafkaException as error:
            reason = error.args[0]
            if urgent and not begun and reason.code() not in _OVERTAKEN:
                send(settings, answer())
                return
            if reason.code() not in _OVERTAKEN:
                after = "look whether the change is in force" if begun else "nothing was changed"
                raise DeliveryError(f"{settings.bootstrap}, as {name}: {reason.str()}; {after}") from error
            time.sleep(random.uniform(0.05, 0.5))  # so that two do not overtake each other in step
        else:
            return
    raise DeliveryError(f"{name}: others came in between {_TURNS} times; nothing was changed")


def _open(settings: Settings, client: Producer, trouble: Heard, wait_s: float) -> None:
    """Take the name of the transactions, within `wait_s`."""
    until = time.monotonic() + wait_s
    while True:
        try:
            client.init_transactions(min(_SLICE_S, wait_s))
        except KafkaException as error:
            client.poll(0)
            _stop_if_refused(settings, trouble, "nothing was changed")
            if not error.args[0].retriable() or time.monotonic() > until:
                raise
        else:
            return


def _stop_if_refused(settings: Settings, trouble: Heard, so_far: str) -> None:
    if trouble.refusal is not None:
        raise DeliveryError(f"{settings.bootstrap}: {unanswered(KafkaException(trouble.refusal), 0)}; {so_far}")


def _hand_over(client: Producer, message: Outgoing, on_delivery: Callable[[Any, Any], None] | None = None) -> None:
    """Put a message into the client's queue, waiting while that is full."""
    where: dict[str, Any] = {} if message.partition is None else {"partition": message.partition}
    while True:
        try:
            client.produce(
                message.topic,
                key=message.key,
                value=message.value,
                headers=list(message.headers),
                on_delivery=on_delivery,
                **where,
            )
        except BufferError:
            client.poll(0.1)
        else:
            return
