"""A worker's checkpoints, on its event loop: when a partition is copied, and what is taken in of one that was gained."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from streamer.kafka.topics import Topics
from streamer.settings import Settings
from streamer.stream.batches import Batch
from streamer.stream.control import Control
from streamer.stream.deliveries import Deliveries
from streamer.stream.held import COPY_AFTER, COPY_AFTER_BEHIND, Held
from streamer.stream.judge import Judge, KeepsState
from streamer.stream.offsets import Offered
from streamer.stream.parts import Emptied, Piece, Restored, SaidSince, Wish
from streamer.stream.pointers import Pointer, written
from streamer.stream.polling import Poller
from streamer.stream.restoring import Restorer
from streamer.stream.state_log import Order, StateLog
from streamer.stream.turns import whose

log = logging.getLogger("streamer.checkpoints")

_SHORTEST_TURN_S: Final = 0.01
_LONGEST_TURN_S: Final = 0.05
_BEHIND_S: Final = 1.0
_AT_ONCE_S: Final = 0.005
"""Longest that state is taken in before waiting batches are judged."""


class _Keeping(NamedTuple):
    """A judge that remembers, where its state goes, and where it comes from."""

    state: KeepsState
    log: StateLog
    restorer: Restorer


class Checkpoints:
    """What the scoring agent tells of its partitions, and what it is told of them.

    A judge that keeps no state has only to wait for its facts.

    Attributes
    ----------
    restored, taken_in, lost_records : int
        Partitions restored, rows of callers taken in, and records judged that logs of calls lost again, since the start.
    """

    def __init__(
        self,
        settings: Settings,
        judge: Judge,
        deliveries: Deliveries,
        control: Control,
        poller: Callable[[], Poller],
        fail: Callable[[BaseException], None],
        wake: Callable[[], None],
    ) -> None:
        self._every_s = settings.checkpoint_s
        self._judge = judge
        self._deliveries = deliveries
        self._control = control
        self._poller = poller
        topics = Topics(settings)
        self._calls, self._decisions = topics.calls, topics.decisions
        self._held: dict[int, Held] = {}
        self.restored = self.taken_in = self.lost_records = 0
        self._keeping: _Keeping | None = None
        if isinstance(judge, KeepsState):
            log_of_state = StateLog(settings, judge.pieces, self._offer, fail)
            self._keeping = _Keeping(judge, log_of_state, Restorer(settings, judge.opened, fail, wake))

    # -- partitions come and go ----------------------------------------------------------------------------

    def gained(self, batch: Batch) -> None:
        """Partitions are ours: read back what there is of them. Their records come once that is taken in."""
        for number in batch.origins:
            self._judge.adopt(number)
        facts = self._control.follow(sorted(batch.origins))
        for number, origin in sorted(batch.origins.items()):
            held = self._held[number] = Held(Wish(number, batch.epoch, origin))
            held.facts = facts
            if self._keeping is not None:
                self._keeping.restorer.ask(held.wish)
            else:
                held.restored = Restored(held.wish, [], {}, 0, 0, held.position)

    def left(self, partitions: Iterable[int], done: Callable[[], None]) -> None:
        """Partitions go to others: save what is not saved; `done` is called when that is offered to be committed."""
        last = []
        for number in partitions:
            held = self._held.pop(number)
            held.wish.given_up = True
            if held.awake and self._keeping is not None and (held.position != held.saved or self._under_way(held)):
                last.append(held)
        waiting = len(last)
        if not waiting:
            done()
            return

        def one_done() -> None:  # the log's thread alone calls it
            nonlocal waiting
            waiting -= 1
            if not waiting:
                done()

        for held in last:
            self._copy(held, one_done)

    def lost(self, partitions: Iterable[int]) -> None:
        """Others have these partitions already."""
        for number in partitions:
            held = self._held.pop(number, None)
            if held is not None:
                held.wish.given_up = True
            if self._keeping is not None:
                self._keeping.log.lost(number)

    # -- restoring -----------------------------------------------------------------------------------------

    @property
    def restoring(self) -> list[int]:
        """Partitions whose records rest, since their state or facts are not all there. From any thread."""
        return sorted(number for number, held in list(self._held.items()) if not held.awake)

    @property
    def caught_up(self) -> set[int]:
        """Partitions of which all is judged that was there when they were restored."""
        return {
            number
            for number, held in self._held.items()
            if held.awake and held.restored is not None and self._reached(held) >= held.restored.end
        }

    def position(self, partition: int) -> int | None:
        """The offset behind all that is judged of a partition of ours; None while its records rest."""
        held = self._held.get(partition)
        return self._reached(held) if held is not None and held.awake else None

    def _reached(self, held: Held) -> int:
        return self._poller().offsets.gaps.behind((self._calls, held.wish.partition), held.position)

    def clocks(self) -> dict[int, int]:
        """What time it is by the broker of each partition, ms since 1970, where that is known. See `LogClock`."""
        times = {number: held.clock.now_ms() for number, held in self._held.items()}
        return {number: now_ms for number, now_ms in times.items() if now_ms is not None}

    @property
    def trouble(self) -> str | None:
        """What librdkafka is retrying at the moment."""
        return self._keeping.restorer.trouble if self._keeping is not None else None

    def take_in(self) -> bool:
        """Take in what has come, for a few milliseconds; gives whether there is more.

        State names trunks: none is taken in before their register is there.
        """
        until = time.perf_counter() + _AT_ONCE_S
        if self._keeping is None or self._control.reached < 0:
            return False
        state = self._keeping.state
        for part in self._keeping.restorer.take():
            held = self._held.get(part.wish.partition)
            if held is None or held.wish is not part.wish:
                continue
            if isinstance(part, Piece):
                state.put(part.opened)
                held.clock.met(part.opened.header.watermark)
                self.taken_in += len(part.opened.columns["callers.key"])
            elif isinstance(part, SaidSince):
                state.said_before(part.wish.partition, part.offset, part.decision)
                held.answered = max(held.answered, part.offset + 1)
            elif isinstance(part, Emptied):
                state.clear(part.wish.partition)
            else:
                self._complete(held, part)
            if time.perf_counter() > until:
                return True
        return False

    def _complete(self, held: Held, part: Restored) -> None:
        held.restored = part
        held.said = part.said
        held.newest_ms = part.newest_ms
        self.lost_records += max(held.position - part.begin, 0)
        held.position = part.begin
        held.answered = min(held.answered, part.end)
        if part.rolled:
            held.whole = False
            held.next_bucket = min(part.rolled, key=lambda bucket: (part.rolled[bucket], bucket))
            held.saved = part.wish.origin.offset
        if not part.wish.origin.metadata:  # whoever goes on here before there is a checkpoint shall know what was said
            self._offer(part.wish.partition, part.wish.epoch, held.position, written(Pointer([], part.said)))
        self.restored += 1

    def wake(self) -> None:
        """Let the records of partitions come whose state and facts are there."""
        ready = [held for held in self._held.values() if not held.awake and held.restored is not None]
        for held in ready:
            if self._control.reached >= held.facts:
                held.awake = True
                held.since = held.copied_at = time.monotonic()
                number, restored = held.wish.partition, held.restored
                if self._keeping is not None and restored is not None:
                    self._keeping.state.watch(number)
                    self._keeping.log.begin(number, restored.spans, restored.rolled)
                log.info("partition %d goes on at %d", number, held.position)
                self._poller().arrivals.wake({(self._calls, number): held.position}, held.wish.epoch)

    # -- copies --------------------------------------------------------------------------------------------

    def judged(self, spans: dict[int, list[Any]], now_s: float) -> None:
        """The engine has judged these records, by partition; `now_s` since the epoch."""
        for number, records in spans.items():
            held = self._held.get(number)
            if held is not None:
                held.position = records[-1].offset() + 1
                appended_ms = records[-1].timestamp()[1]
                held.clock.met(appended_ms)
                held.newest_ms = max(held.newest_ms, appended_ms)
                behind = now_s - appended_ms / 1000 > _BEHIND_S
                held.copy_after = COPY_AFTER_BEHIND if behind else COPY_AFTER

    async def run(self) -> None:
        """Copy partitions in turns, each every `checkpoint_s` while it changes, sooner where much changes."""
        while self._keeping is not None:
            turn_s = self._every_s / max(len(self._held), 1) / 2
            await asyncio.sleep(min(max(turn_s, _SHORTEST_TURN_S), _LONGEST_TURN_S))
            now = time.monotonic()
            changed = [held for held in self._held.values() if held.awake and held.position != held.saved]
            turn = whose([(self._waited(held, now), self._under_way(held)) for held in changed])
            if turn is not None:
                self._copy(changed[turn])

    def _waited(self, held: Held, now: float) -> float:
        return max((now - held.copied_at) / self._every_s, (held.position - held.saved) / held.copy_after)

    def committed(self, partition: int, offset: int) -> None:
        """The broker has this input offset of a partition. From any thread."""
        if self._keeping is not None:
            self._keeping.log.committed(partition, offset)

    @property
    def written(self) -> int:
        """Checkpoints delivered since the start."""
        return self._keeping.log.written if self._keeping is not None else 0

    @property
    def bytes(self) -> int:
        """Bytes of them, before compression."""
        return self._keeping.log.bytes if self._keeping is not None else 0

    def ages(self) -> dict[int, float]:
        """Seconds since what is committed of each partition was copied; 0 where nothing has come since."""
        now = time.monotonic()
        found = {}
        for number, held in self._held.items():
            if held.awake and self._keeping is not None:
                idle = held.position == held.saved and not self._under_way(held)
                found[number] = 0.0 if idle else now - max(held.since, self._keeping.log.committed_at.get(number, 0.0))
        return found

    @staticmethod
    def _under_way(held: Held) -> bool:
        return held.order is not None and not held.order.delivered

    def _copy(self, held: Held, done: Callable[[], None] | None = None) -> None:
        number = held.wish.partition
        if self._keeping is None:
            return
        state, log_of_state = self._keeping.state, self._keeping.log
        whole = held.whole or number in log_of_state.wanting
        copied = state.whole(number) if whole else state.changes(number, held.next_bucket)
        held.whole = False
        held.next_bucket = copied.buckets[-1] + 1
        if held.position >= held.answered:  # else what was said of records to come lies before what this worker says
            held.said = max(held.said, self._deliveries.reached((self._decisions, number)))
        held.order = Order(number, held.wish.epoch, held.position, held.said, copied, done)
        held.order.newest_ms = held.newest_ms
        held.saved, held.copied_at = held.position, held.order.copied_at
        log_of_state.write(held.order)

    def _offer(self, number: int, epoch: int, offset: int, metadata: str) -> None:
        self._poller().offsets.offer(Offered((self._calls, number), epoch, offset, metadata))

    def close(self) -> None:
        """End the threads."""
        if self._keeping is not None:
            self._keeping.restorer.close()
            self._keeping.log.close()
