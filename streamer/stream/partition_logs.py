"""Logs of a partition that is gained, read by whoever restores it: asked for until brokers answer or the partition goes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streamer.errors import TransportError
from streamer.kafka.asking import Missing, is_end
from streamer.stream.parts import Wish

log = logging.getLogger("streamer.restoring")

ANSWER_S: Final = 2.0
POLL_S: Final = 0.1
_T = TypeVar("_T")


class Logs:
    """Belongs to the restoring thread, whose client it is handed; `goes_on` says whether a wish still holds.

    Attributes
    ----------
    trouble : str | None
        What librdkafka is retrying at the moment.
    """

    def __init__(self, goes_on: Callable[[Wish], bool]) -> None:
        self._goes_on = goes_on
        self.trouble: str | None = None

    def hear(self, error: Any) -> None:
        """What librdkafka says of a broker, or of a partition that is read."""
        if self.trouble is None:
            log.warning("trouble with the brokers, trying again: %s", error.str())
        self.trouble = error.str()

    def ends(self, client: Any, topic: str, wish: Wish) -> tuple[int, int]:
        """The first offset of a partition and the one after its last; nothing that counts once the wish is given up."""
        asked = partial(client.get_watermark_offsets, TopicPartition(topic, wish.partition), timeout=ANSWER_S)
        return self.answered(topic, wish, asked) or (0, 0)

    def answered(self, topic: str, wish: Wish, question: Callable[[], _T]) -> _T | None:
        """What the brokers answer, asked until they do; None once the wish is given up."""
        missing = Missing()
        while True:
            try:
                found = question()
            except KafkaException as reason:
                if missing.is_final(reason.args[0], time.monotonic()):
                    raise TransportError(
                        f"{topic}[{wish.partition}] cannot be read: {reason.args[0].str()}"
                    ) from reason
                self.trouble = reason.args[0].str()
                if not self._goes_on(wish):
                    return None
                time.sleep(POLL_S)
            else:
                self.trouble = None
                return found

    def read(self, client: Any, wish: Wish, topic: str, begin: int, end: int, most: int) -> Iterator[Any]:
        """The records of a partition from `begin` to before `end`, as far as they are there, by so many at once at most."""
        if begin >= end:
            return
        place = TopicPartition(topic, wish.partition, begin)
        client.incremental_assign([place])
        missing = Missing()
        try:
            reached = begin
            while reached < end and self._goes_on(wish):
                first = client.poll(POLL_S)  # `consume` would wait until as many have come as it is asked for
                if first is None:
                    continue
                for message in (first, *client.consume(most, 0)):
                    error = message.error()
                    if error is None:
                        missing.found()
                        self.trouble = None
                        reached = message.offset() + 1
                        if reached <= end:
                            yield message
                    elif is_end(error):
                        reached = max(reached, message.offset())
                    elif missing.is_final(error, time.monotonic()) or error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - so librdkafka names it
                        raise TransportError(f"{topic}[{wish.partition}] cannot be read: {error.str()}")
                    else:
                        self.hear(error)
        finally:
            client.incremental_unassign([TopicPartition(topic, wish.partition)])
