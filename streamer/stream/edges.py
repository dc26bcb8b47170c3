"""Where a partition goes on whose log may have lost records: its oldest, which were kept for long enough, or its newest."""

from __future__ import annotations

import logging
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

log = logging.getLogger("streamer.edges")


def goes_on_at(due: int, first: int, end: int, later: int | None) -> int:
    """The offset to go on at where `due` was to be next, in a log from `first` to before `end`.

    `later` is the first offset whose record was appended after the newest one judged, or `end`; None where that is not known,
    and then a log that ends before `due` is read from its first record. A log that lost its end (its broker lost power, or one
    took over that had not copied it) goes on there, whether others have taken the lost records' offsets yet or not.

    >>> goes_on_at(50, 0, 80, 50), goes_on_at(50, 0, 80, 51), goes_on_at(50, 60, 80, 60)
    (50, 50, 60)
    >>> goes_on_at(50, 0, 45, 45), goes_on_at(50, 0, 80, 45), goes_on_at(50, 0, 45, None)
    (45, 45, 0)
    """
    if later is None:
        return due if first <= due <= end else first
    return max(min(due, later), first)


def later_than(client: Any, topic: str, partition: int, newest_ms: int, end: int, wait_s: float) -> int:
    """The first offset of a record that was appended after that time (ms since 1970); `end`, asked for before, where there is none.

    Raises `KafkaException` when the brokers do not say so within `wait_s`.
    """
    (found,) = client.offsets_for_times([TopicPartition(topic, partition, newest_ms + 1)], timeout=wait_s)
    if found.error is not None:
        raise KafkaException(found.error)
    return int(found.offset) if found.offset >= 0 else end


def tell(partition: int, due: int, begin: int) -> None:
    """Say so where a partition goes on elsewhere."""
    if begin > due:
        log.warning("partition %d: records %d to %d were deleted before they were judged", partition, due, begin - 1)
    elif begin < due:
        log.warning(
            "partition %d lost the end of its log, or was made anew: it goes on at %d instead of %d, and what was judged stands",
            partition,
            begin,
            due,
        )


def tell_of_decisions(partition: int, said: int, low: int, high: int) -> None:
    """Say that decisions from the offset `said` on are not all there."""
    log.warning(
        "partition %d: decisions from %d on were to be read back, there are those from %d to before %d; calls judged again may have two",
        partition,
        said,
        low,
        high,
    )
