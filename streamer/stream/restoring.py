"""State read back: of each partition gained, the records of `state.v1` that its pointer names, and what was said since.

A thread with a consumer of its own reads, makes sure and hands over; the event loop takes in (`streamer.stream.checkpoints`).
One partition after the other, so that each goes on as soon as its own state is there.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from streamer.calls.codec import decode_decision
from streamer.checkpoint import Opened
from streamer.errors import MessageError, StateError, TransportError
from streamer.kafka.clients import consumer
from streamer.kafka.headers import headers_of, whole_in
from streamer.kafka.topics import Topics
from streamer.settings import Settings
from streamer.stream.edges import goes_on_at, later_than, tell, tell_of_decisions
from streamer.stream.partition_logs import ANSWER_S, POLL_S, Logs
from streamer.stream.parts import Emptied, Part, Piece, Restored, SaidSince, Wish
from streamer.stream.pointers import Pointer, read, since
from streamer.stream.state_log import BUCKETS_HEADER, NEWEST_HEADER, OFFSET_HEADER
from streamer.windows.hashing import BUCKETS

log = logging.getLogger("streamer.restoring")

_AHEAD: Final = 32
"""Pieces opened and not taken in yet."""
_PIECES, _DECISIONS = 8, 500
"""Records taken from the client at once."""
_HEARS_S: Final = 5.0
"""Longest that a worker takes to notice that a partition is not its own any more."""


class Restorer:
    """`ask` for partitions, `take` what has come of them. What cannot be gone on after is given to `fail`."""

    def __init__(
        self,
        settings: Settings,
        opened: Callable[[int, bytes], Opened],
        fail: Callable[[BaseException], None],
        arrived: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings)
        self._opened = opened
        self._fail = fail
        self._arrived = arrived
        self._wishes: queue.SimpleQueue[Wish] = queue.SimpleQueue()
        self._parts: queue.Queue[Part] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._logs = Logs(self._goes_on)
        self._thread = threading.Thread(target=self._run, name="restore", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """What librdkafka is retrying at the moment."""
        return self._logs.trouble

    def ask(self, wish: Wish) -> None:
        """Read a partition back."""
        self._wishes.put(wish)

    def take(self) -> Iterator[Part]:
        """What has come."""
        while True:
            try:
                yield self._parts.get_nowait()
            except queue.Empty:
                return

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(5)

    # -- the thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            own = {"enable.partition.eof": True, "auto.offset.reset": "error", "error_cb": self._logs.hear}
            client = consumer(self._settings, f"{self._settings.group}-state", **own)
            try:
                while not self._stop.is_set():
                    try:
                        wish = self._wishes.get(timeout=POLL_S)
                    except queue.Empty:
                        client.poll(0)
                    else:
                        self._restore(client, wish)
            finally:
                client.close()
        except BaseException as reason:  # a worker without its state must not go on
            self._fail(reason)

    def _restore(self, client: Any, wish: Wish) -> None:
        try:
            self._read_back(client, wish)
        except (StateError, TransportError):
            # Who slept through its session finds its state deleted by the next owner, a moment before it hears of that one.
            until = time.monotonic() + _HEARS_S
            while self._goes_on(wish) and time.monotonic() < until:
                client.poll(POLL_S)
            if self._goes_on(wish):
                raise

    def _goes_on(self, wish: Wish) -> bool:
        return not (self._stop.is_set() or wish.given_up)

    def _hand_over(self, part: Part) -> None:
        while not self._stop.is_set():
            try:
                self._parts.put(part, timeout=POLL_S)
            except queue.Full:
                continue
            self._arrived()
            return

    def _read_back(self, client: Any, wish: Wish) -> None:
        begun, partition = time.monotonic(), wish.partition
        rolled: dict[int, int] = {}
        records = callers = 0
        newest_ms = -1
        pointer: Pointer | None = None
        spans: list[tuple[int, int]] = []
        try:
            pointer = read(partition, wish.origin.metadata)
            for piece, offset, buckets, appended_ms in self._state(client, wish, pointer):
                newest_ms = max(newest_ms, appended_ms)
                rolled |= dict.fromkeys(buckets, offset)
                records += 1
                callers += len(piece.columns["callers.key"])
                self._hand_over(Piece(wish, piece))
        except StateError as reason:
            if not self._settings.begin_empty:
                raise
            log.warning("%s; it begins empty, as begin_empty asks for", reason)
            self._hand_over(Emptied(wish))
            rolled, records, callers, newest_ms = {}, 0, 0, -1
        else:
            spans = pointer.state if pointer is not None else []
        if wish.origin.committed and not wish.origin.metadata:
            log.warning(
                "partition %d goes on at %d with empty windows: no state was committed there",
                partition,
                wish.origin.offset,
            )
        low, high = self._logs.ends(client, self._topics.decisions, wish)
        # Asked after the end of decisions, so that these answer no record beyond it.
        first, end = self._logs.ends(client, self._topics.calls, wish)
        begin = self._begin(client, wish, first, end, newest_ms)
        said = since(wish.origin.metadata, pointer, low, high)
        if pointer is not None and not low <= pointer.said <= high and begin < end and self._goes_on(wish):
            tell_of_decisions(partition, pointer.said, low, high)
        self._said(client, wish, said, high, begin, end)
        if self._goes_on(wish):
            base = min(rolled.values(), default=0)
            everything = {bucket: rolled.get(bucket, base) for bucket in range(BUCKETS)} if rolled else {}
            self._hand_over(Restored(wish, spans, everything, said, end, begin, newest_ms))
            log.info(
                "partition %d restored at %d in %.2f s: %d records, %d rows of callers",
                partition,
                wish.origin.offset,
                time.monotonic() - begun,
                records,
                callers,
            )

    def _begin(self, client: Any, wish: Wish, first: int, end: int, newest_ms: int) -> int:
        """Where the records of a partition come from, of which there is what lies from `first` to before `end`."""
        topic, due = self._topics.calls, wish.origin.offset
        asked = partial(later_than, client, topic, wish.partition, newest_ms, end, ANSWER_S)
        begin = goes_on_at(due, first, end, self._logs.answered(topic, wish, asked) if newest_ms >= 0 else None)
        if self._goes_on(wish):
            tell(wish.partition, due, begin)
        return begin

    def _state(
        self, client: Any, wish: Wish, pointer: Pointer | None
    ) -> Iterator[tuple[Opened, int, tuple[int, ...], int]]:
        """The pieces that a pointer names, with their offsets, the buckets that begin with each, and when the newest record judged
        before it was appended (ms since 1970, -1 where that is not said).
        """
        if pointer is None or not pointer.state:
            return
        topic, first, last = self._topics.state, pointer.state[0][0], pointer.state[-1][1]
        low, high = self._logs.ends(client, topic, wish)
        if self._goes_on(wish) and not low <= first <= last < high:
            raise StateError(
                f"partition {wish.partition}: {topic} holds offsets {low} to {high - 1}, the state lies in {first} to {last}: "
                "it was deleted; restore the topic, or set begin_empty"
            )
        found, at = 0, b""
        for message in self._logs.read(client, wish, topic, first, last + 1, _PIECES):
            offset = message.offset()
            if offset in pointer:
                found += 1
                told = dict(headers_of(message))
                at = told.get(OFFSET_HEADER) or at
                named = map(whole_in, (told.get(BUCKETS_HEADER) or b"").split())
                buckets = tuple(bucket for bucket in named if bucket is not None and bucket < BUCKETS)
                newest_ms = whole_in(told.get(NEWEST_HEADER))
                opened = self._opened(wish.partition, message.value())
                yield opened, offset, buckets, -1 if newest_ms is None else newest_ms
        if self._goes_on(wish) and found != len(pointer):
            raise StateError(
                f"partition {wish.partition}: {len(pointer) - found} of {len(pointer)} records of its state are not in {topic} "
                "any more; restore the topic, or set begin_empty"
            )
        if self._goes_on(wish) and at != b"%d" % wish.origin.offset:
            raise StateError(
                f"partition {wish.partition}: offset {wish.origin.offset} is committed with the state at {at.decode()}: whoever "
                "moved the offset kept its metadata; commit it without them, or set begin_empty"
            )

    def _said(self, client: Any, wish: Wish, first: int, high: int, begin: int, end: int) -> None:
        """Hand over the decisions from `first` to before `high` that answer records from `begin` to before `end`, or revise what
        was said of any before.
        """
        topic = self._topics.decisions
        for message in self._logs.read(client, wish, topic, first, high, _DECISIONS):
            source = whole_in(dict(headers_of(message)).get("source.offset"))
            if source is None or source >= end:
                continue
            if source < begin and b'"revises":true' not in (message.value() or b""):
                continue
            try:
                decision = decode_decision(message.value())
            except MessageError as error:
                log.warning("%s[%d]@%d is no decision: %s", topic, wish.partition, message.offset(), error)
            else:
                if source >= begin or decision.revises:
                    self._hand_over(SaidSince(wish, source, decision))
