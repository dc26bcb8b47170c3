"""The scoring agent: batches in, decisions and evidence out, offsets released when all of that was delivered."""

from __future__ import annotations

import asyncio
import collections
import logging
import time
from typing import Any, Final, Protocol

from streamer.engine import Batch as Records
from streamer.errors import BrakeError, MessageError
from streamer.kafka.dead_letters import dead_letter_headers, source_headers
from streamer.kafka.tables import Change
from streamer.kafka.topics import Topics, dead_letter
from streamer.settings import Settings
from streamer.stream.control import Control
from streamer.stream.deliveries import Deliveries, Parcel
from streamer.stream.metrics import Metrics
from streamer.stream.transport import Batch

log = logging.getLogger("streamer.scoring")

_TICK_S: Final = 1.0
_WAIT_S: Final = 0.05
_REKEYED: Final = "rekeyed"


class Judge(Protocol):
    """What the agent asks of the engine; benchmarks hand in a trivial one."""

    def process(self, batch: Records, now_ms: int, shed: bool = False) -> Any:
        """Outcomes of a batch; see `streamer.outcomes.Outcomes`."""

    def apply(self, kind: str, key: str, value: bytes | None) -> None:
        """Take in a control record."""

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
        self._app = app
        self._owned: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self.deliveries = Deliveries(settings, self._fail_from_thread)
        self.control = Control(settings, self._fail_from_thread, self._wake)
        self._bad: collections.deque[tuple[int, int]] = collections.deque()
        self._bad_records = self._all_records = 0
        self._versions = ("", "")

    def _fail_from_thread(self, reason: BaseException) -> None:
        self._loop.call_soon_threadsafe(self._app.fail, reason)

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._arrived.set)

    def not_ready(self) -> dict[str, str]:
        """Why verdicts do not flow, by what is missing."""
        reasons = {}
        if not self.control.ready:
            reasons["control"] = self.control.trouble or "lists, policy and facts are still being read"
        if not self._owned:
            reasons["partitions"] = "no partition is owned yet"
        trouble = getattr(self._app.consumer, "trouble", None)
        if trouble:
            reasons["broker"] = trouble
        return reasons

    async def handle(self, batch: Batch) -> None:
        """One message of the transport; returns before its deliveries are in."""
        if batch.kind == "assigned":
            for partition in batch.spans:
                self.judge.adopt(partition)
            self._owned |= set(batch.spans)
            self.control.follow(list(batch.spans))
            log.info("partitions gained: %s", sorted(batch.spans))
            batch.finish()
        elif batch.kind in {"revoked", "lost"}:
            self._owned -= set(batch.spans)
            self.control.leave(list(batch.spans))
            for partition in batch.spans:
                self.judge.drop(partition)
            log.info("partitions %s: %s", batch.kind, sorted(batch.spans))
            batch.finish()
        else:
            await self._judge(batch)
        self.metrics.partitions.set(len(self._owned))

    async def follow_control(self) -> None:
        """Apply control records within a moment of their arrival, whether calls come or not."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self._apply_control()

    async def tick(self) -> None:
        """Once a second: the engine's clock, and gauges."""
        while True:
            await asyncio.sleep(_TICK_S)
            now = int(time.time() * 1000)
            for partition in self._owned:
                self.judge.tick(partition, now)
            self.metrics.in_flight.set(getattr(self._app.consumer, "in_flight", 0))
            self.metrics.callers.set(getattr(self.judge, "callers_held", 0))
            self.metrics.evicted.set(getattr(self.judge, "evicted", 0))
            versions = (getattr(self.judge, "policy_version", ""), getattr(self.judge, "model_version", None) or "none")
            if versions != self._versions:
                self._versions = versions
                self.metrics.versions.info({"policy": versions[0], "model": versions[1]})
                log.info("in force: policy %s, model %s", *versions)

    async def _apply_control(self) -> None:
        refused: list[tuple[Change, MessageError]] = []
        applied = self.control.apply(self.judge, lambda change, error: refused.append((change, error)))
        if applied:
            self.metrics.control.inc(applied)
        for change, error in refused:
            log.warning("%s[%d]@%d refused: %s", change.topic, change.partition, change.offset, error)
            self.metrics.dead.labels(change.topic, error.reason).inc()
            parcel = self.deliveries.parcel(lambda: None)
            parcel.expect(1)
            headers = dead_letter_headers(
                error.reason, str(error), change.topic, change.partition, change.offset, change.headers
            )
            await self.deliveries.send(dead_letter(change.topic), change.raw_key, change.value, 0, headers, parcel)
            parcel.close()

    async def _judge(self, batch: Batch) -> None:
        await self._apply_control()
        while not self.control.ready:
            await asyncio.sleep(_WAIT_S)
            await self._apply_control()
        records = [record for span in batch.spans.values() for record in span]
        appended = [record.timestamp()[1] for record in records]
        headers = [record.headers() for record in records]
        now = int(time.time() * 1000)
        shed = now - min(appended) > 1000 * self.settings.shed_lag_s
        columns = Records(
            [record.partition() for record in records],
            [record.offset() for record in records],
            appended,
            [record.value() for record in records],
            [bool(held) and any(name == _REKEYED for name, _ in held) for held in headers],
        )
        outcomes = self.judge.process(columns, now, shed)
        await self._send(batch, records, columns, outcomes)
        self._measure(columns, outcomes, shed)
        self._brake(len(records), len(outcomes.rejected))

    async def _send(self, batch: Batch, records: list[Any], columns: Records, outcomes: Any) -> None:
        parcel: Parcel = self.deliveries.parcel(batch.finish)
        parcel.expect(
            len(outcomes.decisions) + len(outcomes.evidence) + len(outcomes.rejected) + len(outcomes.misplaced)
        )
        send, check = self.deliveries.send, self._app.consumer.check_session
        topics = self.topics
        for row, call_id, value in outcomes.decisions:
            check()
            partition = columns.partitions[row]
            await send(
                topics.decisions, call_id, value, partition, source_headers(partition, columns.offsets[row]), parcel
            )
        for row, key, value in outcomes.evidence:
            check()
            await send(topics.evidence, key, value, columns.partitions[row], None, parcel)
        for row, reason, message in outcomes.rejected:
            check()
            record = records[row]
            headers = dead_letter_headers(
                reason, message, topics.calls, columns.partitions[row], columns.offsets[row], record.headers()
            )
            self.metrics.dead.labels(topics.calls, reason).inc()
            await send(dead_letter(topics.calls), record.key(), record.value(), 0, headers, parcel)
        for row, key, partition in outcomes.misplaced:
            check()
            headers = [(_REKEYED, b"1"), *source_headers(columns.partitions[row], columns.offsets[row])]
            self.metrics.rekeyed.inc()
            await send(
                topics.calls, key.encode("utf-8", "surrogatepass"), records[row].value(), partition, headers, parcel
            )
        parcel.close()

    def _measure(self, columns: Records, outcomes: Any, shed: bool) -> None:
        now = time.time() * 1000
        self.metrics.records.inc(len(columns.values))
        self.metrics.batch.observe(len(columns.values))
        if shed:
            self.metrics.shed.inc()
        if outcomes.evidence:
            self.metrics.evidence.inc(len(outcomes.evidence))
        self.metrics.observe(outcomes)
        observe = self.metrics.latency.observe
        for row, _, _ in outcomes.decisions:
            observe(max(now - columns.append_ms[row], 0.0) / 1000)
        newest = dict(zip(columns.partitions, columns.append_ms, strict=True))
        for partition, appended in newest.items():
            self.metrics.lag.labels(str(partition)).set(max(now - appended, 0.0) / 1000)

    def _brake(self, records: int, bad: int) -> None:
        self._bad.append((records, bad))
        self._all_records += records
        self._bad_records += bad
        while self._all_records - self._bad[0][0] >= self.settings.brake_records:
            gone, gone_bad = self._bad.popleft()
            self._all_records -= gone
            self._bad_records -= gone_bad
        if self._all_records < self.settings.brake_records:
            return
        share = self._bad_records / self._all_records
        self.metrics.bad_share.set(share)
        if share > self.settings.brake_share:
            raise BrakeError(
                f"{share:.0%} of the last {self._all_records} records of {self.topics.calls} are bad (setting brake_share: "
                f"{self.settings.brake_share:.0%}); look at {dead_letter(self.topics.calls)}, then start again"
            )
