"""What the logs still hold of a call: its decisions, and the evidence that they were made with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol, TypeVar

from streamer.calls.decisions import Evidence
from streamer.calls.numbers import WITHHELD_PREFIX, home_plan, is_withheld, normalise, utf8
from streamer.calls.partitioner import partition_of
from streamer.desk import verdicts
from streamer.kafka.logs import partition_count, read
from streamer.kafka.topics import HOUR_MS, Topics
from streamer.settings import Settings

MOST_RECORDS: Final = 50
"""Records of one call id that are kept of a topic: whoever publishes may repeat an id as often as he likes."""
_AROUND_MS: Final = 60_000
"""Evidence lies within so much of its decision in the log: both leave with the same batch."""


class Recalled(NamedTuple):
    """The decisions on a call id by call, each with its evidence; `alone` is evidence whose decisions are gone.

    `cut`: there is more than was kept.
    """

    calls: list[list[verdicts.Judged]]
    alone: list[Evidence]
    cut: bool = False


def recall(
    settings: Settings, call_id: str, caller: str | None, since_ms: int | None, until_ms: int | None, now_ms: int
) -> Recalled:
    """What there is of a call id, the first `MOST_RECORDS` of each partition. With `caller` only that line's partition is read,
    all of them where it is withheld.

    When the decisions are gone, the evidence of the span is searched; of the last hour when none is given.
    """
    topics, where = Topics(settings), None if caller is None else _partitions(settings, caller)
    few = _Few()
    records = read(settings, topics.decisions, where, since_ms=since_ms, until_ms=until_ms, key=call_id.encode())
    decisions = verdicts.told(few.of(records), call_id)
    if not decisions:
        begin = now_ms - HOUR_MS if since_ms is None else since_ms
        kept = read(settings, topics.evidence, where, since_ms=begin, until_ms=until_ms)
        return Recalled([], list(few.of(verdicts.evidence_on(kept, call_id))), few.cut)
    evidence: list[Evidence] = []
    sources = {one.source for one in decisions}
    for partition in sorted({one.partition for one in decisions}):
        times = [one.at_ms for one in decisions if one.partition == partition]
        begin, end = min(times) - _AROUND_MS, max(times) + _AROUND_MS
        near = read(settings, topics.evidence, [partition], since_ms=begin, until_ms=end)
        wanted = (one for one in verdicts.evidence_on(near, call_id) if sources & {None, (one.partition, one.offset)})
        evidence += _Few().of(wanted)
    return Recalled(verdicts.judged(decisions, evidence), [], few.cut)


class _Lying(Protocol):
    @property
    def partition(self) -> int: ...


_T = TypeVar("_T", bound=_Lying)


class _Few:
    """Passes on the first `MOST_RECORDS` of each partition; `cut` once there were more."""

    def __init__(self) -> None:
        self.cut = False
        self._passed: Counter[int] = Counter()

    def of(self, found: Iterable[_T]) -> Iterator[_T]:
        """Those of them that are passed on."""
        for one in found:
            if self._passed[one.partition] < MOST_RECORDS:
                self._passed[one.partition] += 1
                yield one
            else:
                self.cut = True


def _partitions(settings: Settings, caller: str) -> list[int] | None:
    """Where the calls of a line lie; None, all of them, for a withheld one, whose calls lie with the numbers that it calls."""
    plan = home_plan(settings.home)
    if caller.startswith(WITHHELD_PREFIX):
        key = WITHHELD_PREFIX + normalise(caller.removeprefix(WITHHELD_PREFIX), plan)
    elif is_withheld(caller):
        return None
    else:
        key = normalise(caller, plan)
    return [partition_of(utf8(key), partition_count(settings, Topics(settings).calls))]
