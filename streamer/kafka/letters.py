"""Dead letters of a process that counts its own positions: none is given up before the brokers have it."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Message, Producer

from streamer.errors import MessageError, StoppedError, TransportError
from streamer.kafka import clients
from streamer.kafka.dead_letters import DeadLetter, buried
from streamer.kafka.headers import headers_of
from streamer.settings import Settings


class DeadLetters:
    """Records that could not be taken in, on their way to the topic for such.

    A record may count as read once `deliver` has come back: what is not delivered by then has to be met again.

    Parameters
    ----------
    settings
        Where the brokers are.
    go_on
        Asked while brokers do not answer; False means stop trying. As long as it says yes they are waited for.
    """

    def __init__(self, settings: Settings, go_on: clients.GoOn) -> None:
        self._go_on = go_on
        self._refused: str | None = None
        self._producer: Producer = clients.producer(settings, **{"delivery.timeout.ms": 0})  # 0: no end

    def bury(self, message: Message, error: MessageError) -> None:
        """Send a record that `error` says cannot be taken in. Raises as `deliver` when too many wait already."""
        place = str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
        received: Any = headers_of(message)
        key: Any = message.key()
        letter = buried(error.reason, str(error), place, key, message.value(), received)
        try:
            self._send(letter)
        except BufferError:
            self.deliver()
            self._send(letter)

    def _send(self, letter: DeadLetter) -> None:
        said: dict[str, Any] = {"headers": letter.headers, "on_delivery": self._heard}
        self._producer.produce(letter.topic, letter.value, letter.key, letter.partition, **said)

    def deliver(self) -> None:
        """Wait until the brokers have every letter.

        Raises `TransportError` when they refuse one, `StoppedError` once `go_on` says no and a last moment has passed.
        """
        stops = 0
        while self._producer.flush(clients.SLICE_S):
            stops += not self._go_on()
            if stops > 1:
                raise StoppedError("stopped before the brokers took a dead letter; its record will be met again")
        if self._refused is not None:
            raise TransportError(f"the brokers refuse a dead letter: {self._refused}")

    def close(self) -> None:
        """Drop what was not delivered: its records do not count as read, and so are met again."""
        self._producer.purge()

    def _heard(self, error: Any, _: Message) -> None:
        if error is not None:
            self._refused = error.str()
