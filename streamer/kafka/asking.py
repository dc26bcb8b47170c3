"""What every reader asks of the brokers before it reads, and which of their errors end it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streamer.errors import TopicError, TransportError
from streamer.kafka.clients import FINAL_ERRORS, REFUSALS, GoOn, always, metadata, unanswered

ANSWER_S: Final = 10.0
"""How long brokers may take to answer."""

GONE_S: Final = 30.0
"""For how long brokers that are back may not know of a topic or partition that was there."""
_GONE: Final = {
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's own errors are named so
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
_PAUSE_S: Final = 0.05
_SPEC: Final[Any] = OffsetSpec  # its methods carry no types
Asked = dict[tuple[str, int], "Future[Any]"]
_T = TypeVar("_T")


def is_final(error: Any) -> bool:
    """Whether no waiting mends what a reader hears; everything else is left to librdkafka, which goes on trying."""
    return bool(error.fatal() or error.code() in FINAL_ERRORS or error.code() in _GONE)


class Missing:
    """Patience with brokers that say that a topic or partition is not there: just back, they may not know of it for `GONE_S`."""

    def __init__(self) -> None:
        self._since: float | None = None

    def is_final(self, error: Any, now: float) -> bool:
        """As `is_final`, with that patience; `now` is monotonic, s."""
        if error.fatal() or error.code() not in _GONE:
            return is_final(error)
        return self.for_too_long(now)

    def for_too_long(self, now: float) -> bool:
        """Whether it has been missing for longer than that, since this was first asked."""
        self._since = now if self._since is None else self._since
        return now - self._since > GONE_S

    def found(self) -> None:
        """It is there."""
        self._since = None


def is_end(error: Any) -> bool:
    """Whether a reader only hears that it has come to the end of a partition."""
    return bool(error.code() == KafkaError._PARTITION_EOF)  # noqa: SLF001


def offsets(client: AdminClient, places: Iterable[tuple[str, int]], *, ends: bool, wait_s: float) -> Asked:
    """By topic and partition the future of its first offset, or, with `ends`, of the one after its last; see `.offset` of the result."""
    which = _SPEC.latest() if ends else _SPEC.earliest()
    asked = client.list_offsets({TopicPartition(*place): which for place in places}, request_timeout=wait_s)
    return {(place.topic, place.partition): future for place, future in asked.items()}


def partition_count(client: Consumer, topic: str, wait_s: float = ANSWER_S, go_on: GoOn = always) -> int:
    """How many partitions `topic` has.

    Raises `TopicError` when it does not exist, `TransportError` when the brokers refuse or do not answer within `wait_s`,
    `StoppedError` once `go_on` says no.
    """
    try:
        found = metadata(client, wait_s, go_on, topic).topics[topic]
    except KafkaException as error:
        raise TransportError(
            unanswered(error, wait_s) + ("" if error.args[0].code() in REFUSALS else "; is `bootstrap` right?")
        ) from error
    if found.error is not None:
        raise TopicError(f"topic {topic} cannot be read: {found.error.str()}; `streamer topics apply` creates it")
    return len(found.partitions)


def answered(topic: str, question: Callable[..., _T], wait_s: float = ANSWER_S) -> _T:
    """What the brokers answer about `topic`, asked again for a while: one that was just made may have no leader yet.

    `question` takes librdkafka's `timeout`. Raises `TransportError` when they refuse or do not answer within `wait_s`.
    """
    until = time.monotonic() + wait_s
    while True:
        try:
            return question(timeout=wait_s)
        except KafkaException as error:
            reason = error.args[0]
            if reason.code() in FINAL_ERRORS or time.monotonic() > until:
                raise TransportError(f"{topic} cannot be read: {reason.str()}") from error
        time.sleep(_PAUSE_S)
