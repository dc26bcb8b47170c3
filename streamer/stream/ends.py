"""Where the partitions of calls end, asked of the brokers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from confluent_kafka import KafkaException

from streamer.kafka.asking import offsets
from streamer.kafka.clients import admin
from streamer.kafka.topics import Topics
from streamer.settings import Settings

_ANSWER_S = 1.0


class Ends:
    """A worker whose position is the end of a partition has judged all that was appended there before it asked.

    What the consumer knows of ends does not tell that: it may be as old as the last answer to a fetch, and a worker that was
    stopped for a while knows what was true before.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = Topics(settings).calls
        self._admin = admin(settings, log_level=2)

    async def of(self, partitions: Iterable[int]) -> dict[int, int]:
        """The offset after the last record of each partition for which an answer came within a second."""
        places = [(self._topic, partition) for partition in partitions]
        asked = offsets(self._admin, places, ends=True, wait_s=_ANSWER_S)
        answers = await asyncio.gather(*map(asyncio.wrap_future, asked.values()), return_exceptions=True)
        found = {}
        for (_, partition), answer in zip(asked, answers, strict=True):
            if not isinstance(answer, BaseException):
                found[partition] = int(answer.offset)
            elif not isinstance(answer, KafkaException):
                raise answer
        return found
