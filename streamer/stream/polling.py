"""The one thread that owns the worker's consumer, and everything that happens to it.

confluent-kafka admits no second thread to a consumer. This one polls, waits a moment for company, and hands over what
came as one `Batch` a topic; partitions gained, drained and lost are batches too, in order with the records. An offset is
committed only behind a contiguous run of finished batches, and where state is kept, together with the state that goes
with it. Partitions that are gained rest until their state is there.

A worker that was stopped (SIGSTOP, a paused machine) for longer than its session has lost its partitions without knowing
it. Every turn, and every send (`Poller.held_until`), looks at the monotonic clock: such a worker forgets what it held and joins
anew. What belongs to an earlier membership carries an older `epoch`.
"""

from __future__ import annotations

import collections
import logging
import threading
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
_IDLE_POLL_S: Final = 0.05
_BUSY_POLL_S: Final = 0.01


class Poller:
    """Polls `topics` and gives each batch to `hand_over`, and what it cannot go on after to `fail`; both in its own thread.

    `held_up` says whether finishing waits for the brokers: batches do not count as stuck then. `offsets` decides what is
    committed.

    Attributes
    ----------
    positions : dict[tuple[str, int], int]
        The offset that is taken next, by topic and partition of all that this member holds.
    lags : dict[tuple[str, int], int]
        Records between what is finished and the end, by owned partition that was fetched from, about a second old.
    epoch : int
        Grows whenever what was held before is no longer ours.
    """

    def __init__(
        self,
        settings: Settings,
        topics: list[str],
        hand_over: Callable[[Batch], None],
        fail: Callable[[BaseException], None],
        held_up: Callable[[], bool] = bool,
        offsets: Offsets | None = None,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._give = hand_over
        self._fail = fail
        self._held_up = held_up
        self.positions: dict[Place, int] = {}
        self.lags: dict[Place, int] = {}
        self.epoch = 0
        self._in_flight: collections.deque[Batch] = collections.deque()
        self.offsets = offsets or Offsets()
        self.arrivals = Arrivals(settings)
        self._lookout = Lookout(topics)
        self._draining = threading.Event()
        self._abandoned = False
        self._closing = False
        self._backpressure = Backpressure()
        self._second_at = 0.0
        self._watchdog = Watchdog(settings.batch_timeout_s)
        self._pace = Pace(settings.linger_ms / 1000)
        self._client = self._join()
        self._session = Session(settings.session_timeout_ms / 1000)
        self._thread = threading.Thread(target=self._run, name="poll", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """What librdkafka is retrying at the moment."""
        return self._lookout.trouble

    @property
    def in_flight(self) -> int:
        """Batches handed over and not finished."""
        return len(self._in_flight)

    def held_until(self, epoch: int) -> float:
        """Until when by the monotonic clock what came of that membership may be sent, to be asked again then: not after this
        worker was silent beyond its session; 0 where the group went on without it.
        """
        until = self._session.until  # first: the thread moves the epoch before it says that it is alive again
        return until if epoch == self.epoch else 0.0

    def stop(self, *, abandon: bool = False) -> None:
        """Begin to drain; with `abandon` what is in flight is not waited for."""
        self._abandoned = self._abandoned or abandon
        self._draining.set()

    def join(self) -> bool:
        """Wait for the thread's end, within bounds; gives whether it ended."""
        self._thread.join(2 * self._settings.drain_s + 5)
        return not self._thread.is_alive()

    # -- the polling thread ----------------------------------------------------------------------------------

    def _join(self) -> Client:
        own: dict[str, Any] = {"error_cb": self._lookout.hear, "on_commit": self.offsets.confirm}
        # Where a new group begins `Arrivals` says, and where state is kept `Restorer` says what is gone on with otherwise.
        own["auto.offset.reset"] = "error" if self.offsets.checkpointed else "earliest"
        client = consumer(self._settings, self._settings.group, **own)
        client.subscribe(self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        return client

    def _run(self) -> None:
        try:
            try:
                while not self._draining.is_set():
                    self._turn()
                self._finish_all()
            except BaseException:
                self._abandoned = True
                raise
            finally:
                self._closing = True
                self._client.close()  # calls _on_revoke for what is still owned
        except BaseException as reason:  # whatever it is, the worker must not go on without its consumer
            self._fail(reason)

    def _turn(self) -> None:
        now = time.monotonic()
        if self._session.ran_out(now) or self._session.anew is not None:
            self._start_over()
            return
        self._session.alive_at = now
        if self._lookout.astray:
            self._rejoin()
            return
        self._settle()
        if now - self._second_at >= COMMIT_EVERY_S:
            self._second_at = now
            self._each_second(now)
        self._go_on(self.arrivals.resume(self._client, self.epoch, held=self._backpressure.paused))
        if self._backpressure.holds(self._client, self._moving, len(self._in_flight), now):
            return
        first = self._client.poll(_BUSY_POLL_S if self._in_flight else _IDLE_POLL_S)
        self._lookout.check()
        if first is None or first.error() is not None:
            if first is not None:
                self._lookout.hear(first.error())
            return
        most = self._settings.batch_records
        batch: list[Any] = [first, *self._client.consume(most - 1, 0)]
        wanted = min(self._pace.company(now), most // 2)
        if len(batch) < wanted:
            batch += self._client.consume(wanted - len(batch), self._settings.linger_ms / 1000)
            batch += self._client.consume(most - len(batch), 0)
        found = by_place(batch, self.positions, self._end, self._lookout.hear)
        if found:
            self._lookout.trouble = None
        for topic, spans in found.items():
            self._pace.arrived(sum(map(len, spans.values())))
            self._hand_over("records", topic, spans)

    def _moving(self) -> set[Place]:
        return self.positions.keys() - self.arrivals.resting

    def _hand_over(
        self, kind: str, topic: str, spans: dict[int, list[Any]], origins: dict[int, Origin] | None = None
    ) -> None:
        batch = Batch(kind, topic, spans, self.epoch, time.monotonic())
        batch.origins = origins or {}
        self._in_flight.append(batch)
        self._give(batch)

    def _end(self, place: Place) -> int:
        """The offset after the last record as of the last fetch, negative before the first one."""
        return int(self._client.get_watermark_offsets(TopicPartition(*place), cached=True)[1])

    def _settle(self) -> None:
        while self._in_flight and self._in_flight[0].finished:
            self.offsets.finished(self._in_flight.popleft())

    def _each_second(self, now: float) -> None:
        self.offsets.commit(self._client, self.positions, self.epoch)
        self._lookout.look(self._client, now)
        self._watchdog.look(self._in_flight, now, held_up=self.trouble is not None or self._held_up())
        self.offsets.gaps.look(self._client, self.positions)
        self.lags = self.offsets.lags({place: self._end(place) for place in self.positions})

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
            self._session.alive_at = now
            self._settle()
            if not self._in_flight:
                break
            if now > until:
                if not self._draining.is_set() and (self.trouble is not None or self._held_up()):
                    self._session.anew = f"the brokers did not take what was sent within {self._settings.drain_s:g} s"
                    self._forget()
                    break
                raise TransportError(
                    f"{len(self._in_flight)} batches were not finished within {self._settings.drain_s:g} s (setting drain_s); "
                    "their records will be judged again"
                )
            time.sleep(0.001)
        self._settle()
        self.offsets.commit_now(
            self._client, self.positions, self.epoch, lambda: time.monotonic() < until and not self._abandoned
        )

    def _forget(self) -> None:
        """What is held belongs to others now: nothing of it may be sent or committed any more."""
        self.epoch += 1
        self._in_flight.clear()
        self.offsets.forget()

    def _start_over(self) -> None:
        log.warning("%s: what was held is dropped, joining the group anew", self._session.anew)
        self._forget()
        self._session.anew = None
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
        origins = self.arrivals.begin(client, partitions)
        self.offsets.forget(origins)
        self._go_on({place: origin.offset for place, origin in origins.items()})
        self._announce("assigned", origins, origins)

    def _go_on(self, offsets: Mapping[Place, int]) -> None:
        self.offsets.begin(offsets)
        self.positions |= offsets

    def _on_revoke(self, client: Client, partitions: list[TopicPartition]) -> None:
        places = self.positions.keys() & {(p.topic, p.partition) for p in partitions}
        if places:
            self._finish_all()  # the partitions that stay are only delayed
            self._announce("revoked" if self._session.anew is None else "lost", places)
            self._finish_all()  # the agent has put their state away
            self._drop(places)
        client.incremental_unassign(partitions)

    def _on_lost(self, client: Client, partitions: list[TopicPartition]) -> None:
        log.warning("partitions lost: the group went on without this worker")
        self._forget()
        self._lose({(p.topic, p.partition) for p in partitions})
        client.incremental_unassign(partitions)
