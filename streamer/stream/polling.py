"""The worker's consumer, and everything that happens to it.

The event loop polls it in the thread that judges (`streamer.stream.event_loop` says why): a turn waits for records, a moment
for company, and hands over what came as one `Batch` a topic; partitions gained, drained and lost are batches too, in order
with the records. Nothing more is taken while a batch waits to be judged, unless that is held up. An offset is committed only
behind a contiguous run of finished batches, together with the state where that is kept. Gained partitions rest until it is there.

A worker that was stopped (SIGSTOP, a paused machine) for longer than its session has lost its partitions without knowing
it. Every turn, and every send (`Poller.held_until`), looks at the monotonic clock: such a worker forgets what it held and joins
anew. What belongs to an earlier membership carries an older `epoch`.
"""

from __future__ import annotations

import collections
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from confluent_kafka import Consumer as Client
from confluent_kafka import TopicPartition

from streamer.errors import TransportError
from streamer.kafka.clients import consumer
from streamer.kafka.topics import Place
from streamer.settings import Settings
from streamer.stream.arrivals import Arrivals, Origin
from streamer.stream.backpressure import Backpressure
from streamer.stream.batches import Batch, by_place
from streamer.stream.lookout import Lookout
from streamer.stream.offsets import Offsets
from streamer.stream.pace import Pace
from streamer.stream.session import Session
from streamer.stream.watchdog import Watchdog

log = logging.getLogger("streamer.polling")

COMMIT_EVERY_S: Final = 1.0
_BUSY_POLL_S: Final = 0.01
"""Longest poll while batches are in flight."""
_PATIENCE_S: Final = 0.05
"""A batch that waits longer to be judged is held up; the group wants to be answered meanwhile."""


class Poller:
    """Polls `topics` and gives each batch to `hand_over`. `fail` hears, from any thread, of what it cannot go on after; then, and
    after `stop`, it has `ended`. `held_up` says whether finishing waits for the brokers; `step` goes on with whatever else the
    event loop has to do; `offsets` decides what is committed.

    Attributes
    ----------
    positions : dict[tuple[str, int], int]
        The offset that is taken next, by topic and partition of all that this member holds.
    lags : dict[tuple[str, int], int]
        Records between what is finished and the end, by owned partition that was fetched from, about a second old.
    in_flight : collections.deque[Batch]
        What was handed over and is not finished.
    epoch : int
        Grows whenever what was held before is no longer ours.
    ended : bool
        Whether the client left its group: there are no more turns.
    """

    def __init__(
        self,
        settings: Settings,
        topics: list[str],
        hand_over: Callable[[Batch], None],
        fail: Callable[[BaseException], None],
        held_up: Callable[[], bool],
        step: Callable[[], None],
        offsets: Offsets | None = None,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._give = hand_over
        self._fail = fail
        self._held_up = held_up
        self._step = step
        self.positions: dict[Place, int] = {}
        self.lags: dict[Place, int] = {}
        self.epoch = 0
        self.in_flight: collections.deque[Batch] = collections.deque()
        self.offsets = offsets or Offsets()
        self.arrivals = Arrivals(settings)
        self._lookout = Lookout(topics)
        self._last: Batch | None = None
        self.ended = False
        self._draining = self._abandoned = self._closing = False
        self._backpressure = Backpressure()
        self._second_at = 0.0
        self._pace = Pace(settings.linger_ms / 1000)
        self._client = self._join()
        self._session = Session(settings.session_timeout_ms / 1000)
        self._watchdog = Watchdog(
            self._session, self.in_flight, settings.batch_timeout_s, self._waits_for_brokers, fail
        )

    @property
    def trouble(self) -> str | None:
        """What librdkafka is retrying at the moment."""
        return self._lookout.trouble

    def held_until(self, epoch: int) -> float:
        """Until when (monotonic clock) what came of that membership may be sent, to be asked again then; 0 where that is over."""
        return self._session.until if epoch == self.epoch else 0.0

    def stop(self, *, abandon: bool = False) -> None:
        """Begin to drain; with `abandon` what is in flight is not waited for."""
        self._abandoned = self._abandoned or abandon
        if not self._draining:
            self._draining = True
        self._watchdog.end_within(2 * self._settings.drain_s + 5)

    def _waits_for_brokers(self) -> bool:
        return self.trouble is not None or self._held_up()

    # -- turns ---------------------------------------------------------------------------------------------------

    def _join(self) -> Client:
        # Where a new group begins `Arrivals` says, and where state is kept `Restorer` says what is gone on with otherwise.
        reset = {"auto.offset.reset": "error" if self.offsets.checkpointed else "earliest"}
        heard = {"error_cb": self._lookout.hear, "on_commit": self.offsets.confirm}
        client = consumer(self._settings, self._settings.group, **heard, **reset)
        client.subscribe(self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        return client

    def turn(self, wait_s: float) -> bool:
        """Wait at most so long for records, and hand over what came. Gives false where nothing was waited for."""
        waiting = self._last if self._last and not self._last.judged else None
        if waiting and not self._session.is_over() and time.monotonic() - waiting.handed_at < _PATIENCE_S:
            return False
        try:
            if not self._draining:
                return self._poll(0.0 if waiting else wait_s) and not waiting
            self._finish_all()
        except BaseException as reason:  # whatever it is, the worker must not go on without its consumer
            self._abandoned = True
            self._fail(reason)
        self._end()
        return True

    def _end(self) -> None:
        self._closing = True
        try:
            self._client.close()  # calls _on_revoke for what is still owned
        except BaseException as reason:
            self._fail(reason)
        finally:
            self._watchdog.stop()
            self.ended = True

    def _poll(self, wait_s: float) -> bool:
        now = time.monotonic()
        self._watchdog.turned_at = now
        self._session.look(now)
        if self._session.is_over():
            self._start_over()
            return True
        if self._lookout.astray:
            self._rejoin()
            return True
        self._settle()
        if now - self._second_at >= COMMIT_EVERY_S:
            self._each_second(now)
        self._go_on(self.arrivals.resume(self._client, self.epoch, held=self._backpressure.paused))
        if self._backpressure.holds(
            self._client, self.positions.keys() - self.arrivals.resting, len(self.in_flight), now
        ):
            return False
        wait_s = min(wait_s, _BUSY_POLL_S) if self.in_flight else wait_s
        batch = self._pace.poll(self._client, wait_s, self._settings.batch_records)
        self._lookout.check()
        if self._session.is_over():  # a rebalance within the poll: what it brought comes again
            return True
        found = by_place(batch, self.positions, self._end_of, self._lookout.hear)
        if found:
            self._lookout.trouble = None
        for topic, spans in found.items():
            self._hand_over("records", topic, spans)
        return True

    def _hand_over(
        self, kind: str, topic: str, spans: dict[int, list[Any]], origins: dict[int, Origin] | None = None
    ) -> None:
        self._last = batch = Batch(kind, topic, spans, self.epoch, time.monotonic())
        batch.origins = origins or {}
        self.in_flight.append(batch)
        self._give(batch)

    def _end_of(self, place: Place) -> int:
        """The offset after the last record as of the last fetch, negative before the first one."""
        return int(self._client.get_watermark_offsets(TopicPartition(*place), cached=True)[1])

    def _settle(self) -> None:
        while self.in_flight and self.in_flight[0].finished:
            self.offsets.finished(self.in_flight.popleft())

    def _each_second(self, now: float) -> None:
        self._second_at = now
        self.offsets.commit(self._client, self.positions, self.epoch)
        self._lookout.look(self._client, now)
        self.offsets.gaps.look(self._client, self.positions)
        self.lags = self.offsets.lags({place: self._end_of(place) for place in self.positions})

    # -- partitions come and go ------------------------------------------------------------------------------------

    def _finish_all(self) -> None:
        """Wait until what is in flight is finished, and commit; gives it up where brokers hold it up while others wait for partitions.

        Raises `TransportError` when it takes too long otherwise.
        """
        until = time.monotonic() + self._settings.drain_s
        while not self._abandoned:
            now = time.monotonic()
            if self._session.ran_out(now):
                self._forget()  # partitions that stay have to be read again too
            self._session.alive_at = self._watchdog.turned_at = now
            self._settle()
            if not self.in_flight:
                break
            if now > until:
                if not self._draining and self._waits_for_brokers():
                    self._session.anew = f"the brokers did not take what was sent within {self._settings.drain_s:g} s"
                    self._forget()
                    break
                raise TransportError(
                    f"{len(self.in_flight)} batches were not finished within {self._settings.drain_s:g} s (setting drain_s); "
                    "their records will be judged again"
                )
            self._step()
        self._settle()
        self.offsets.commit_now(
            self._client, self.positions, self.epoch, lambda: time.monotonic() < until and not self._abandoned
        )

    def _forget(self) -> None:
        """What is held belongs to others now: nothing of it may be sent or committed any more."""
        self.epoch += 1
        self.in_flight.clear()
        self.offsets.forget()

    def _start_over(self) -> None:
        log.warning("%s: what was held is dropped, joining the group anew", self._session.anew)
        self._forget()
        self._session.renew()
        self._lose(set(self.positions))
        self._rejoin()

    def _rejoin(self) -> None:
        """Leave the group, after what is still held was saved, and join it anew."""
        self._closing = True
        self._client.close()
        self._closing = self._lookout.astray = False
        self._backpressure = Backpressure()
        self._client = self._join()
        self._session.alive_at = time.monotonic()

    def _drop(self, places: Collection[Place]) -> None:
        for place in places:
            self.positions.pop(place, None)
        self.arrivals.forget(places)

    def _lose(self, places: set[Place]) -> None:
        self._drop(places)
        self._announce("lost", places)

    def _announce(self, kind: str, places: Collection[Place], origins: Mapping[Place, Origin] | None = None) -> None:
        for topic in sorted({topic for topic, _ in places}):
            of_topic: dict[int, list[Any]] = {partition: [] for name, partition in sorted(places) if name == topic}
            of_origin = {partition: origins[topic, partition] for partition in of_topic} if origins else {}
            self._hand_over(kind, topic, of_topic, of_origin)

    def _on_assign(self, client: Client, partitions: list[TopicPartition]) -> None:
        if not partitions or self._closing:  # a client that closes is not told any more where they go on
            return
        self.offsets.forget(origins := self.arrivals.begin(client, partitions))
        self._go_on({place: origin.offset for place, origin in origins.items()})
        self._announce("assigned", origins, origins)

    def _go_on(self, offsets: Mapping[Place, int]) -> None:
        self.offsets.begin(offsets)
        self.positions |= offsets

    def _on_revoke(self, client: Client, partitions: list[TopicPartition]) -> None:
        if places := self.positions.keys() & {(p.topic, p.partition) for p in partitions}:
            self._finish_all()  # the partitions that stay are only delayed
            self._announce("lost" if self._session.is_over() else "revoked", places)
            self._finish_all()  # the agent has put their state away
            self._drop(places)
        client.incremental_unassign(partitions)

    def _on_lost(self, client: Client, partitions: list[TopicPartition]) -> None:
        log.warning("partitions lost: the group went on without this worker")
        self._forget()
        self._lose({(p.topic, p.partition) for p in partitions})
        client.incremental_unassign(partitions)
