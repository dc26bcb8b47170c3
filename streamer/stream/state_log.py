"""What is written to `state.v1`, by a thread and a producer of its own, beside the hot path.

Each checkpoint of a partition is some records. Once all of them are delivered the partition's `Pointer` is offered to
whoever commits. What lies before the oldest record of a committed pointer is deleted from the log.

Calls must not wait for this: the threads of its producer, which compress and send, give way to all others, and a checkpoint
leaves piece by piece with a pause after each, unless the next one waits already or somebody waits for this one.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaException, Producer, TopicPartition

from streamer.checkpoint import Copied
from streamer.errors import DeliveryError
from streamer.kafka.clients import admin, producer
from streamer.kafka.topics import Topics
from streamer.settings import Settings
from streamer.stream.chains import Chain
from streamer.stream.pointers import LONGEST, written
from streamer.stream.priority import giving_way
from streamer.stream.seldom import Seldom

log = logging.getLogger("streamer.state")

BUCKETS_HEADER: Final = "buckets"
"""Header of a record: the buckets that the checkpoint which begins with it holds whole."""
OFFSET_HEADER: Final = "source.offset"
"""Header of a record: the input offset of the checkpoint which begins with it."""
NEWEST_HEADER: Final = "source.newest"
"""Header of a record: when the newest input of that checkpoint was appended, ms since 1970, if known."""
_SETTINGS: Final = {"delivery.timeout.ms": 0, "compression.type": "lz4", "queue.buffering.max.kbytes": 262_144}
_DELETE_EVERY_S: Final = 20.0
PAUSE_S: Final = 0.005
"""Between two pieces of a checkpoint."""
_TURN_S: Final = 0.005
_IDLE_S: Final = 0.1


class Order:
    """One checkpoint to be written: what was copied of a partition when its records before `offset` had been judged, and
    decisions before `said` had been delivered. `newest_ms`: when the latest of those records was appended, -1 where that is not
    known. `copied_at`: monotonic clock. `done` is called once its pointer was offered.
    """

    def __init__(
        self, partition: int, epoch: int, offset: int, said: int, copied: Copied, done: Callable[[], None] | None = None
    ) -> None:
        self.partition = partition
        self.epoch = epoch
        self.offset = offset
        self.said = said
        self.copied = copied
        self.copied_at = time.monotonic()
        self.delivered = False
        self.done = done
        self.newest_ms = -1
        self.offsets: list[int] = []
        self.sent = 0
        self.cut = False
        """Whether all its pieces are sent."""
        self.chain: Chain | None = None
        """What it goes on with: that of the tenure it was ordered in."""


class StateLog:
    """Writes checkpoints in the order in which they are asked for, and forgets in the log what no pointer needs.

    `offer` takes (partition, epoch, input offset, metadata) of each checkpoint that may be committed. Brokers that do not
    answer are waited for; anything else that keeps a record from being delivered goes to `fail`. `pause_s` lies between two
    pieces of a checkpoint that nobody waits for.

    Attributes
    ----------
    wanting : set[int]
        Partitions whose next checkpoint has to be whole.
    written, bytes : int
        Checkpoints delivered, and bytes of them, before compression.
    """

    def __init__(
        self,
        settings: Settings,
        pieces: Callable[[Copied], Iterator[bytes]],
        offer: Callable[[int, int, int, str], None],
        fail: Callable[[BaseException], None],
        pause_s: float = PAUSE_S,
    ) -> None:
        self._topic = Topics(settings).state
        self._pause_s = pause_s
        self._pieces = pieces
        self._offer = offer
        self._fail = fail
        self._producer: Producer = giving_way(partial(producer, settings, **_SETTINGS))
        self._admin = admin(settings, log_level=2)
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._under_way: deque[tuple[Order, Iterator[bytes]]] = deque()
        self._next_at = 0.0
        self._chains: dict[int, Chain] = {}
        self._offered: dict[int, dict[int, tuple[int, float]]] = {}
        self._bases: dict[int, int] = {}
        self._deleted: dict[int, int] = {}
        self._deleting: dict[TopicPartition, Any] = {}
        self._complained = Seldom()
        self._outstanding = 0
        self._delete_at = time.monotonic() + _DELETE_EVERY_S
        self.wanting: set[int] = set()
        self.committed_at: dict[int, float] = {}
        """By partition, when what is committed was copied (monotonic clock)."""
        self.written = 0
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state-log", daemon=True)
        self._thread.start()

    # -- from any thread -----------------------------------------------------------------------------------

    def begin(self, partition: int, spans: list[tuple[int, int]], rolled: dict[int, int]) -> None:
        """Go on with a partition whose state lies there; without spans its first checkpoint has to be whole."""
        self._tasks.put(partial(self._begin, partition, Chain(spans, rolled)))

    def write(self, order: Order) -> None:
        """Write a checkpoint."""
        self._tasks.put(partial(self._write, order))

    def lost(self, partition: int) -> None:
        """Others have the partition: what is not sent of its checkpoints is of no use to anybody."""
        self._tasks.put(partial(self._lost, partition))

    def committed(self, partition: int, offset: int) -> None:
        """The broker has the pointer that was offered with this input offset."""
        self._tasks.put(partial(self._committed, partition, offset))

    def close(self) -> None:
        """End the thread; what is not delivered by now is not needed: no commit speaks of it."""
        self._stop.set()
        self._thread.join(5)

    # -- the thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    busy = self._under_way or self._outstanding
                    task = self._tasks.get_nowait() if busy else self._tasks.get(timeout=_IDLE_S)
                except queue.Empty:
                    self._turn()
                else:
                    task()
                    self._producer.poll(0)
                if time.monotonic() > self._delete_at:
                    self._delete()
        except BaseException as reason:  # a worker whose state is not kept must not go on as if it were
            self._fail(reason)

    def _turn(self) -> None:
        """Look for deliveries until it is time for the next piece, and send that."""
        if not self._under_way:
            self._wait(_TURN_S if self._outstanding else 0.0)
            return
        self._wait(min(self._pause_left(), _TURN_S))
        if not self._pause_left():
            self._send_piece()
            self._next_at = time.monotonic() + self._pause_s

    def _wait(self, seconds: float) -> None:
        """Look for deliveries for so long: whole milliseconds, since the client waits for none of what is left of one."""
        self._producer.poll(math.ceil(seconds * 1000) / 1000)

    def _pause_left(self) -> float:
        (order, _), *others = self._under_way
        return 0.0 if others or order.done is not None else max(self._next_at - time.monotonic(), 0.0)

    def _begin(self, partition: int, chain: Chain) -> None:
        self._chains[partition] = chain
        self._offered[partition] = {}
        self._bases.pop(partition, None)
        self._deleted.pop(partition, None)
        self.committed_at.pop(partition, None)
        (self.wanting.discard if chain.rolled else self.wanting.add)(partition)

    def _lost(self, partition: int) -> None:
        self._under_way = deque(
            (order, pieces)
            for order, pieces in self._under_way
            if order.partition != partition or order.done is not None
        )

    def _write(self, order: Order) -> None:
        order.chain = self._chains[order.partition]
        self._under_way.append((order, self._pieces(order.copied)))

    def _send_piece(self) -> None:
        order, pieces = self._under_way[0]
        piece = next(pieces, None)
        if piece is None:
            order.cut = True
            self._under_way.popleft()
            if len(order.offsets) == order.sent:
                self._finished(order)
            return
        headers: list[tuple[str, str | bytes | None]] | None = None
        if not order.sent:
            headers = [
                (BUCKETS_HEADER, " ".join(map(str, order.copied.buckets)).encode()),
                (OFFSET_HEADER, b"%d" % order.offset),
                (NEWEST_HEADER, b"%d" % order.newest_ms),
            ]
        order.sent += 1
        self.bytes += len(piece)
        self._outstanding += 1
        while not self._stop.is_set():
            try:
                self._producer.produce(
                    self._topic,
                    piece,
                    b"%d" % order.partition,
                    order.partition,
                    on_delivery=partial(self._delivered, order),
                    headers=headers,
                )
                return
            except BufferError:
                self._producer.poll(_TURN_S)

    def _delivered(self, order: Order, error: Any, message: Any) -> None:
        self._outstanding -= 1
        if error is not None:
            raise DeliveryError(f"state of partition {order.partition} was not delivered: {error.str()}")
        order.offsets.append(message.offset())
        if order.cut and len(order.offsets) == order.sent:
            self._finished(order)

    def _finished(self, order: Order) -> None:
        self.written += 1
        # Brokers may have been away for so long that the partition was lost, and gained again with what others made of it.
        chain = self._chains[order.partition]
        if order.chain is chain:
            self._go_on(order, chain)
        order.delivered = True
        order.copied = order.copied._replace(callers={}, calls=None, pairs=None)
        if order.done is not None:
            order.done()

    def _go_on(self, order: Order, chain: Chain) -> None:
        """The checkpoint belongs to the state: offer the pointer that says so."""
        partition = order.partition
        whole = chain.add(order.offsets, order.copied.buckets)
        metadata = written(chain.pointer(order.said)) if whole else ""
        # A pointer that grows long does so by a span a tenure, or a few: the next checkpoint, being whole, makes it short again.
        (self.wanting.add if not whole or len(metadata) > LONGEST // 2 else self.wanting.discard)(partition)
        if len(metadata) > LONGEST:
            if self._complained.due(f"long {partition}"):
                log.warning("%s[%d]: the state lies in too many places to be committed", self._topic, partition)
        elif whole:
            # Of two that were offered with one offset either may be what the broker has: nothing of both is deleted.
            base, copied_at = self._offered[partition].get(order.offset, (chain.base, order.copied_at))
            self._offered[partition][order.offset] = min(base, chain.base), copied_at
            self._offer(partition, order.epoch, order.offset, metadata)

    def _committed(self, partition: int, offset: int) -> None:
        offered = self._offered.get(partition, {})
        if offset in offered:
            self._bases[partition], self.committed_at[partition] = offered[offset]
            for earlier in [each for each in offered if each <= offset]:
                del offered[earlier]

    def _delete(self) -> None:
        self._delete_at = time.monotonic() + _DELETE_EVERY_S
        for place, future in self._deleting.items():
            try:
                future.result(timeout=0)
            except (KafkaException, TimeoutError) as reason:
                self._deleted[place.partition] = 0
                if self._complained.due("delete"):
                    log.warning(
                        "%s[%d] grows: what is needed no more is not deleted: %s", self._topic, place.partition, reason
                    )
        due = {p: base for p, base in self._bases.items() if base > self._deleted.get(p, 0)}
        self._deleting = {}
        if due:
            try:
                self._deleting = self._admin.delete_records(
                    [TopicPartition(self._topic, partition, base) for partition, base in due.items()]
                )
            except KafkaException as reason:
                log.warning("what is needed no more of %s is not deleted: %s", self._topic, reason)
            else:
                self._deleted |= due
