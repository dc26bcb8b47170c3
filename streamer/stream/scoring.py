"""The scoring agent: batches in, decisions and evidence out, offsets released when all of that was delivered."""

from __future__ import annotations

import asyncio
import collections
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from confluent_kafka import Message as Record

from streamer.calls.codec import decode_call
from streamer.calls.decisions import Demotion
from streamer.errors import BrakeError, MessageError
from streamer.kafka.dead_letters import dead_letter_headers, source_headers
from streamer.kafka.headers import headers_of_all
from streamer.kafka.tables import Change
from streamer.kafka.topics import Topics, dead_letter
from streamer.records import Batch as Records
from streamer.settings import Settings
from streamer.stream.batches import Batch
from streamer.stream.control import Control
from streamer.stream.deliveries import Deliveries, Message
from streamer.stream.governing import Governing
from streamer.stream.heeding import Heeding
from streamer.stream.metrics import Metrics
from streamer.stream.polling import Poller

log = logging.getLogger("streamer.scoring")

_TICK_S: Final = 1.0
_WAIT_S: Final = 0.05
_ALARM_S: Final = 60.0
_REKEYED: Final = "rekeyed"
# Fields of a record by methods that are not bound, so that `map` calls them at the speed of C.
_partition: Callable[[Any], Any] = Record.partition
_offset: Callable[[Any], Any] = Record.offset
_value: Callable[[Any], Any] = Record.value
_timestamp: Callable[[Any], Any] = Record.timestamp


def _rekeyed(held: list[Any]) -> list[bool]:
    if not any(held):
        return [False] * len(held)
    return [bool(headers) and any(name == _REKEYED for name, _ in headers) for headers in held]


class Judge(Protocol):
    """What the agent asks of the engine; benchmarks hand in a trivial one."""

    def process(self, batch: Records, now_ms: int, shed: bool = False) -> Any:
        """Outcomes of a batch; see `streamer.outcomes.Outcomes`."""

    def apply(self, kind: str, key: str, value: bytes | None) -> str | None:
        """Take in a control record; gives why it was ignored, if it was."""

    def adopt(self, partition: int) -> None:
        """Begin with a partition."""

    def drop(self, partition: int) -> None:
        """Forget a partition."""

    def tick(self, partition: int, now_ms: int) -> None:
        """The clock of a partition."""


class Scoring:
    """One worker's scoring: what the agent and the timers of the app call."""

    def __init__(self, settings: Settings, judge: Judge, app: Any) -> None:
        self.settings = settings
        self.judge = judge
        self.metrics = Metrics()
        self.topics = Topics(settings)
        self.governing = Governing(self.topics, self.metrics)
        self.heeding = Heeding(self.metrics)
        self._app = app
        self._owned: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self.deliveries = Deliveries(settings, self._fail_from_thread)
        self.control = Control(settings, self._fail_from_thread, self._wake)
        self._bad: collections.deque[tuple[int, int]] = collections.deque()
        self._bad_records = self._all_records = 0
        self._alarmed: dict[str, float] = {}
        self._partition_headers = [("source.partition", b"%d" % number) for number in range(settings.partitions)]

    def _fail_from_thread(self, reason: BaseException) -> None:
        self._loop.call_soon_threadsafe(self._app.fail, reason)

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._arrived.set)

    @property
    def _poller(self) -> Poller:
        poller: Poller = self._app.consumer.poller
        return poller

    def not_ready(self) -> dict[str, str]:
        """Why verdicts do not flow, by what is missing."""
        reasons = self.heeding.nothing_in_force(self.judge)
        if not self.control.ready:
            reasons["control"] = self.control.trouble or "lists, policy and facts are still being read"
        if not self._owned:
            reasons["partitions"] = "no partition is owned yet"
        trouble = self.deliveries.trouble or (self._poller.trouble if self._app.consumer.poller else None)
        if trouble:
            reasons["broker"] = trouble
        return reasons

    async def close(self, wait_s: float) -> None:
        """Send what is still under way, within `wait_s`, and end the threads."""
        self.control.close()
        if not await self._loop.run_in_executor(None, self.deliveries.close, wait_s):
            log.warning("some messages were not delivered")

    async def handle(self, batch: Batch) -> None:
        """One message of the transport; returns before its deliveries are in."""
        if batch.kind == "records":
            await self._judge(batch)
            return
        partitions = sorted(batch.spans)
        if batch.kind == "assigned":
            for partition in partitions:
                self.judge.adopt(partition)
            self._owned |= set(partitions)
            self.control.follow(partitions)
        else:
            self._owned -= set(partitions)
            self.control.leave(partitions)
            for partition in partitions:
                self.judge.drop(partition)
                self.metrics.forget(partition)
            if batch.kind == "lost":
                self.governing.forget()
        log.info("partitions %s: %s", {"assigned": "gained"}.get(batch.kind, batch.kind), partitions)
        self.metrics.partitions.set(len(self._owned))
        batch.finish()

    async def follow_control(self) -> None:
        """Apply control records within a moment of their arrival, whether calls come or not."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self._apply_control()

    async def tick(self) -> None:
        """Once a second: the engine's clock, in partitions where nothing waits to be judged, and gauges."""
        while True:
            await asyncio.sleep(_TICK_S)
            now = int(time.time() * 1000)
            lags = self._poller.lags if self._app.consumer.poller is not None else {}
            for partition in self._owned & {partition for (_, partition), lag in lags.items() if not lag}:
                self.judge.tick(partition, now)
            if self.control.ready and self.settings.clamp:
                lifted = self.governing.lift(self._demotions, now)
                await self.deliveries.send(lifted, lambda: None)
            self._show_gauges()

    @property
    def _demotions(self) -> Mapping[str, Demotion]:
        return getattr(self.judge, "demotions", {})

    def _show_gauges(self) -> None:
        if self._app.consumer.poller is not None:
            self.metrics.in_flight.set(self._poller.in_flight)
            for (_, partition), lag in self._poller.lags.items():
                if partition in self._owned:
                    self.metrics.lag(partition, lag)
        self.metrics.callers.set(getattr(self.judge, "callers_held", 0))
        self.metrics.evicted.set(getattr(self.judge, "evicted", 0))
        self.metrics.calls_evicted.set(getattr(self.judge, "calls_evicted", 0))
        self.governing.show(self._demotions)
        self.metrics.unreachable.set(self.control.trouble is not None)
        self.heeding.show(self.judge)

    def _take(self, kind: str, key: str, value: bytes | None) -> None:
        ignored = self.judge.apply(kind, key, value)
        if ignored is not None:
            self.heeding.ignored(kind, ignored)
        self.governing.heard(kind, key, value)

    async def _apply_control(self) -> None:
        refused: list[tuple[Change, MessageError]] = []
        applied = self.control.apply(self._take, lambda change, error: refused.append((change, error)))
        if applied:
            self.metrics.control.inc(applied)
        for change, error in refused:
            log.warning("%s[%d]@%d refused: %s", change.topic, change.partition, change.offset, error)
            self.metrics.dead.labels(change.topic, error.reason).inc()
            headers = dead_letter_headers(
                error.reason, str(error), change.topic, change.partition, change.offset, change.headers
            )
            letter = (dead_letter(change.topic), change.value, change.raw_key, 0, headers)
            await self.deliveries.send([letter], lambda: None)

    async def _judge(self, batch: Batch) -> None:
        await self._apply_control()
        while not self.control.ready:
            await asyncio.sleep(_WAIT_S)
            await self._apply_control()
        holds = partial(self._poller.holds, batch)
        if not holds():
            return  # taken in before this worker lost its partitions: whoever has them now judges it
        records = list(itertools.chain.from_iterable(batch.spans.values()))
        appended = [at for _, at in map(_timestamp, records)]
        headers = headers_of_all(records)
        now = int(time.time() * 1000)
        shed = now - min(appended) > 1000 * self.settings.shed_lag_s
        columns = Records(
            [*map(_partition, records)],
            [*map(_offset, records)],
            appended,
            [*map(_value, records)],
            _rekeyed(headers),
        )
        outcomes = self.judge.process(columns, now, shed)
        policy: Any = getattr(self.judge, "policy", None)
        said = self.governing.observe(outcomes.standing, policy, self._demotions)
        messages = list(self._messages(records, headers, columns, outcomes, said))
        await self.deliveries.send(messages, batch.finish, holds)
        self.metrics.observe(columns, outcomes, time.time() * 1000, shed=shed)
        for partition, span in batch.spans.items():
            self.metrics.age(partition, time.time() - span[-1].timestamp()[1] / 1000)
        if outcomes.misplaced:
            self._tell_of_misplaced(columns, outcomes)
        self._brake(len(records), len(outcomes.rejected))

    def _messages(
        self, records: list[Any], held: list[Any], columns: Records, outcomes: Any, said: Sequence[Message]
    ) -> Iterator[Message]:
        topics, partitions, offsets, of = self.topics, columns.partitions, columns.offsets, self._partition_headers
        decisions = topics.decisions
        for row, call_id, value in outcomes.decisions:
            partition = partitions[row]
            yield decisions, value, call_id, partition, [of[partition], ("source.offset", b"%d" % offsets[row])]
        for row, key, value in outcomes.evidence:
            yield topics.evidence, value, key, partitions[row], None
        for row, reason, text in outcomes.rejected:
            record = records[row]
            self.metrics.dead.labels(topics.calls, reason).inc()
            headers = dead_letter_headers(reason, text, topics.calls, partitions[row], offsets[row], held[row] or [])
            yield dead_letter(topics.calls), record.value(), record.key(), 0, headers
        for row, key, partition in outcomes.misplaced:
            headers = [(_REKEYED, b"1"), *source_headers(partitions[row], offsets[row])]
            yield topics.calls, records[row].value(), key.encode("utf-8", "surrogatepass"), partition, headers
        yield from said

    def _tell_of_misplaced(self, columns: Records, outcomes: Any) -> None:
        """Count by operator what lay in a wrong partition, and say so, once a minute for each."""
        now = time.monotonic()
        for operator, n in collections.Counter(
            self.metrics.operator(decode_call(columns.values[row]).operator) for row, _, _ in outcomes.misplaced
        ).items():
            self.metrics.rekeyed.labels(operator).inc(n)
            if now - self._alarmed.get(operator, -_ALARM_S) >= _ALARM_S:
                self._alarmed[operator] = now
                log.warning(
                    "operator %s publishes calls under a wrong key or with another partitioner than murmur2: %d in one batch",
                    operator,
                    n,
                )

    def _brake(self, records: int, bad: int) -> None:
        self._bad.append((records, bad))
        self._all_records += records
        self._bad_records += bad
        while self._all_records - self._bad[0][0] >= self.settings.brake_records:
            gone, gone_bad = self._bad.popleft()
            self._all_records -= gone
            self._bad_records -= gone_bad
        share = self._bad_records / self._all_records
        self.metrics.bad_share.set(share)
        if self._all_records >= self.settings.brake_records and share > self.settings.brake_share:
            raise BrakeError(
                f"{share:.0%} of the last {self._all_records} records of {self.topics.calls} are bad (setting brake_share: "
                f"{self.settings.brake_share:.0%}); look at {dead_letter(self.topics.calls)}, then start again"
            )
