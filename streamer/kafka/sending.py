"""A handful of messages sent and waited for: what people do by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from streamer.errors import DeliveryError
from streamer.kafka.clients import producer
from streamer.settings import Settings

_WAIT_S: Final = 30.0


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
    client = producer(settings, **{"delivery.timeout.ms": int(_WAIT_S * 1000)})
    placed: list[tuple[int, int] | None] = [None] * len(messages)
    refused: list[str] = []

    def heard(row: int, error: Any, message: Any) -> None:
        if error is None:
            placed[row] = (message.partition(), message.offset())
        else:
            refused.append(error.str())

    for row, message in enumerate(messages):
        where: dict[str, Any] = {} if message.partition is None else {"partition": message.partition}
        while True:
            try:
                client.produce(
                    message.topic,
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers),
                    on_delivery=partial(heard, row),
                    **where,
                )
            except BufferError:
                client.poll(0.1)
            else:
                break
        client.poll(0)
    left = client.flush(_WAIT_S + 5)
    found = [place for place in placed if place is not None]
    if left or len(found) < len(messages):
        why = refused[0] if refused else "the brokers did not answer"
        raise DeliveryError(f"{len(found)} of {len(messages)} messages were delivered: {why}")
    return found
