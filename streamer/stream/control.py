"""Control topics and subscribers' facts, read beside the group by a thread of its own and applied between batches.

Facts come by millions when a subscribers' base is loaded, or when a partition is gained: they have a client of their own, of which
no more is read than waits to be applied, and are applied for moments at a time. Lists, policy, models and signals never
wait for them, nor do calls.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

from streamer.calls.codec import decode_fact
from streamer.calls.numbers import HomePlan, home_plan, normalise, utf8
from streamer.calls.partitioner import partition_of
from streamer.errors import MessageError
from streamer.kafka.tables import Change, TableReader
from streamer.kafka.topics import Topics
from streamer.settings import Settings

_POLL_S: Final = 0.05
_WAITING: Final = 20_000
"""Facts that may wait to be applied."""
_MOMENT_S: Final = 0.002
"""So long facts are applied at a time: calls that come meanwhile wait."""
_FACTS: Final = "subscribers."
AHEAD_MS: Final = 300_000
"""How far ahead of its record, and of this worker's clock, a fact may say it was found: clocks differ."""


def check_time(change: Change, now_ms: int) -> None:
    """Raises `MessageError` for a fact of a time that is yet to come: right ones of now would count as older, and be passed over.

    Its record's timestamp may be the publisher's own, and as wrong, so that `now_ms` bounds it too.
    """
    if change.value is None or not change.kind.startswith(_FACTS):
        return
    came_ms = min(change.at_ms, now_ms) if change.at_ms >= 0 else now_ms
    ahead_ms = decode_fact(change.value).at - came_ms
    if ahead_ms > AHEAD_MS:
        raise MessageError("out_of_range", f"`at` lies {ahead_ms} ms after the fact came; at most {AHEAD_MS} are taken")


def check_place(change: Change, plan: HomePlan, partitions: int) -> None:
    """Raises `MessageError` for a fact, or a tombstone of one, in another partition than its number's: whoever judges the number's calls
    does not read it there, and a worker that happens to own both would heed it until one of them goes.
    """
    if not change.kind.startswith(_FACTS):
        return
    number = change.key if change.value is None else decode_fact(change.value).number
    wanted = partition_of(utf8(normalise(number, plan)), partitions)
    if wanted != change.partition:
        text = f"lies in partition {change.partition}, {number!r} belongs to {wanted}: its key is the normalised number, the partitioner murmur2"
        raise MessageError("misplaced", text)


class Control:
    """Follows every control topic whole, and of the facts the partitions that the worker owns.

    `apply` hands what has come on, to the engine and whoever else follows, on the event loop; `ready` is true once everything up to the ends that
    were found at the start (and at each new partition) was applied, and `behind` while facts wait that came already.
    """

    def __init__(self, settings: Settings, fail: Callable[[BaseException], None], arrived: Callable[[], None]) -> None:
        self._settings = settings
        self._topics = Topics(settings)
        self._plan = home_plan(settings.home)
        self._fail = fail
        self._arrived = arrived
        self._wishes: queue.SimpleQueue[tuple[bool, tuple[int, ...], int]] = queue.SimpleQueue()
        self._changes: queue.SimpleQueue[Change | int] = queue.SimpleQueue()
        self._facts: queue.SimpleQueue[Change | int] = queue.SimpleQueue()
        self._wanted = 0
        self._reached = -1
        self._owned: set[int] = set()
        self._stop = threading.Event()
        self.trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether all that was there when last asked for has been applied."""
        return self._reached >= self._wanted

    @property
    def reached(self) -> int:
        """Whatever `follow` gave up to this number has been applied; negative until control topics were, to their first end."""
        return self._reached

    @property
    def behind(self) -> bool:
        """Whether facts that came wait to be applied."""
        return not self._facts.empty()

    def follow(self, partitions: list[int]) -> int:
        """Read the facts of these partitions too; gives the number that `reached` will have once all there is was applied."""
        self._owned |= set(partitions)
        self._wanted += 1
        self._wishes.put((True, tuple(partitions), self._wanted))
        return self._wanted

    def leave(self, partitions: list[int]) -> None:
        """Read the facts of these partitions no more."""
        self._owned -= set(partitions)
        self._wishes.put((False, tuple(partitions), self._wanted))

    def apply(
        self,
        take: Callable[[str, str, bytes | None], None],
        refused: Callable[[Change, MessageError], None],
    ) -> int:
        """Hand what has come to `take`, facts for a moment; gives the number of records. `refused` gets those that break the contract.

        Where history is replayed (`clamp` is off) a fact may be of any time.
        """
        if self._changes.empty() and self._facts.empty():
            return 0
        applied, now_ms, until = 0, int(time.time() * 1000), time.monotonic() + _MOMENT_S
        while (change := self._next(until)) is not None:
            if isinstance(change, int):
                self._reached = max(self._reached, change)
                continue
            if change.kind.startswith(_FACTS) and change.partition not in self._owned:
                continue
            applied += 1
            try:
                if self._settings.clamp:
                    check_time(change, now_ms)
                check_place(change, self._plan, self._settings.partitions)
                take(change.kind, change.key, change.value)
            except MessageError as error:
                refused(change, error)
        return applied

    def _next(self, until: float) -> Change | int | None:
        """What is to be applied next; of facts none after `until` (monotonic clock)."""
        try:
            return self._changes.get_nowait()
        except queue.Empty:
            pass
        if time.monotonic() > until:
            return None
        try:
            return self._facts.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        try:
            with (
                closing(TableReader(self._settings, self._topics.control)) as tables,
                closing(TableReader(self._settings)) as facts,
            ):
                self._follow(tables, facts)
        except BaseException as reason:  # a worker without its lists and policy must not go on
            self._fail(reason)

    def _follow(self, tables: TableReader, facts: TableReader) -> None:
        told, wanted, begun = -1, 0, False
        while not self._stop.is_set():
            while not self._wishes.empty():
                begin, partitions, number = self._wishes.get()
                if begin:
                    facts.add_all((topic, partition) for topic in self._topics.facts for partition in partitions)
                else:
                    for topic in self._topics.facts:
                        facts.remove(topic, partitions)
                wanted = max(wanted, number)
            changes = tables.poll(5_000, _POLL_S)
            found = facts.poll(5_000, _POLL_S) if self._facts.qsize() < _WAITING else []
            self.trouble = tables.trouble or facts.trouble
            for change in changes:
                self._changes.put(change)
            for fact in found:
                self._facts.put(fact)
            if tables.at_end and not begun:
                begun = True
                self._changes.put(0)
                self._arrived()
            if tables.at_end and facts.at_end and told < wanted:
                told = wanted
                self._facts.put(told)
                self._arrived()
            elif changes or found:
                self._arrived()
