"""The scoring agent: batches in, decisions and evidence out, offsets released when all of that was delivered."""

from __future__ import annotations

import asyncio
import collections
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from streamer.calls.codec import decode_call
from streamer.errors import MessageError
from streamer.kafka.dead_letters import LONGEST_MESSAGE, buried, source_headers
from streamer.kafka.tables import Change
from streamer.kafka.topics import Topics
from streamer.outcomes import Outcomes
from streamer.records import Batch as Records
from streamer.settings import Settings
from streamer.stream.batches import REKEYED, Batch, as_columns
from streamer.stream.brake import Brake
from streamer.stream.checkpoints import Checkpoints
from streamer.stream.control import Control
from streamer.stream.deliveries import Deliveries, Message
from streamer.stream.ends import Ends
from streamer.stream.governing import Governing
from streamer.stream.heeding import Heeding
from streamer.stream.judge import Judge
from streamer.stream.metrics import Metrics
from streamer.stream.polling import Poller
from streamer.stream.seldom import Seldom

if TYPE_CHECKING:
    from streamer.stream.identities import Identities

log = logging.getLogger("streamer.scoring")

_TICK_S: Final = 0.25
"""Between looks at the clock: a call that waits for its origination is settled so much late at most."""
_GAUGES_EVERY: Final = 4  # ticks


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
        self.checkpoints = Checkpoints(
            settings, judge, self.deliveries, self.control, lambda: self._poller, self._fail_from_thread, self._wake
        )
        app.offsets.heard = self.checkpoints.committed
        self._ends = Ends(settings)
        self._brake = Brake(settings, self.topics.calls)
        self._misplaced = Seldom()
        self._identities = _identities(settings, self.metrics)
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
        if restoring := self.checkpoints.restoring:
            reasons["state"] = f"partitions {restoring} are being restored"
        trouble = self.deliveries.trouble or (self._poller.trouble if self._app.consumer.poller else None)
        if trouble:
            reasons["broker"] = trouble
        return reasons

    async def close(self, wait_s: float) -> None:
        """Send what is still under way, within `wait_s`, and end the threads."""
        self.metrics.show()
        self.control.close()
        self.checkpoints.close()
        if self._identities is not None:
            self._identities.close()
        if not await self._loop.run_in_executor(None, self.deliveries.close, wait_s):
            log.warning("some messages were not delivered")

    async def handle(self, batch: Batch) -> None:
        """One message of the transport; returns before its deliveries are in."""
        if batch.kind == "records":
            await self._judge(batch)
            return
        partitions = sorted(batch.spans)
        if batch.kind == "assigned":
            self.checkpoints.gained(batch)
            self._owned |= set(partitions)
            batch.finish()
        else:
            if batch.kind == "lost":
                self.checkpoints.lost(partitions)
                self.governing.forget()
                batch.finish()
            else:
                self.checkpoints.left(partitions, batch.finish)
            self._owned -= set(partitions)
            self.control.leave(partitions)
            for partition in partitions:
                self.judge.drop(partition)
                self.metrics.forget(partition)
        log.info("partitions %s: %s", {"assigned": "gained"}.get(batch.kind, batch.kind), partitions)
        self.metrics.partitions.set(len(self._owned))

    async def follow_control(self) -> None:
        """Apply control records, and state that is restored, within a moment of their arrival, whether calls come or not."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self._apply_control()
            if self.checkpoints.take_in() or self.control.behind:
                self._arrived.set()  # batches that wait come first
            self.checkpoints.wake()
            await asyncio.sleep(0)

    async def save(self) -> None:
        """Write checkpoints."""
        await self.checkpoints.run()

    async def tick(self) -> None:
        """The engine's clock, in partitions where nothing waits to be judged, and once a second gauges."""
        for turn in itertools.count(1):
            await asyncio.sleep(_TICK_S)
            self.metrics.show()
            now_ms = self.checkpoints.clocks()
            if now_ms:
                ended = {number for (_, number), lag in self._poller.lags.items() if not lag}
                quiet = self.checkpoints.caught_up & ended & now_ms.keys()
                due = {
                    number for number in quiet if (at := self.judge.due(number)) is not None and at <= now_ms[number]
                }
                await self._settle({number: now_ms[number] for number in due})
                for partition in quiet - due:
                    self.judge.tick(partition, now_ms[partition])
            if turn % _GAUGES_EVERY:
                continue
            if self.control.ready and self.settings.clamp:
                newest_ms = max(now_ms.values(), default=int(time.time() * 1000))
                lifted = self.governing.lift(self.judge.demotions, newest_ms)
                await self.deliveries.send(lifted, lambda: None)
            self._show_gauges()

    async def _settle(self, due: dict[int, int]) -> None:
        """Revise what was said of calls whose time is up, in each of these partitions where all is judged that was appended before its time."""
        held_until = partial(self._poller.held_until, self._poller.epoch)
        ends = await self._ends.of(due) if due else {}
        for partition, end in ends.items():
            if partition in self._owned and self.checkpoints.position(partition) == end:
                await self._revise(self.judge.tick(partition, due[partition]), held_until)

    async def _revise(self, outcomes: Outcomes, held_until: Callable[[], float]) -> None:
        self.metrics.count_said(outcomes)
        if outcomes.revisions:

            def delivered() -> None:
                self._loop.call_soon_threadsafe(self.judge.delivered, outcomes.revisions)

            await self.deliveries.send([*self._revisions(outcomes)], delivered, held_until)

    def _revisions(self, outcomes: Outcomes) -> Iterator[Message]:
        topics = self.topics
        for told in outcomes.revisions:
            if told.decision is not None:
                headers = [self._partition_headers[told.partition], ("source.offset", b"%d" % told.offset)]
                yield topics.decisions, told.decision, told.call_id, told.partition, headers
            if told.evidence is not None:
                yield topics.evidence, told.evidence, told.key, told.partition, None

    def _show_gauges(self) -> None:
        if self._app.consumer.poller is not None:
            self.metrics.in_flight.set(len(self._poller.in_flight))
            for (_, partition), lag in self._poller.lags.items():
                if partition in self._owned:
                    self.metrics.lag(partition, lag)
        self.metrics.state.show(self.checkpoints)
        self.metrics.callers.set(self.judge.callers_held)
        self.metrics.evicted.set(self.judge.evicted)
        self.metrics.calls_evicted.set(self.judge.calls_evicted)
        now_s = time.time()
        self.governing.show(self.judge.demotions, self.judge.policy, int(1_000 * now_s))
        self.metrics.clocks.forget(now_s)
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
            told = str(error)[:LONGEST_MESSAGE]  # it may have the whole of a key in it
            if error.reason != "misplaced" or self._misplaced.due(change.topic):  # of a base that was loaded so, one
                log.warning("%s[%d]@%d refused: %s", change.topic, change.partition, change.offset, told)
            self.metrics.dead.labels(change.topic, error.reason).inc()
            place = change.topic, change.partition, change.offset
            letter = buried(error.reason, str(error), place, change.raw_key, change.value, change.headers)
            await self.deliveries.send([letter], lambda: None)

    async def _judge(self, batch: Batch) -> None:
        records, headers, columns = as_columns(batch)
        if self._identities is not None:
            columns = await self._identities.look(columns)
        await self._apply_control()
        held_until = partial(self._poller.held_until, batch.epoch)
        if time.monotonic() >= held_until():
            return  # taken in before this worker lost its partitions: whoever has them now judges it
        now = int(time.time() * 1000)
        shed = now - min(columns.append_ms) > 1000 * self.settings.shed_lag_s
        stages = self.judge.stages(columns, now, shed)
        outcomes = next(stages)
        self.checkpoints.judged(batch.spans, now / 1000)  # no copy may be older than what has left
        both = batch.in_parts(2)
        rest = self.deliveries.begin(self._decisions(columns, outcomes), both, held_until)
        handed_ms = time.time() * 1000
        next(stages, None)  # what goes with the decisions; nobody else may ask the engine for anything before
        demotions = self.governing.observe(outcomes.standing, self.judge.policy, self.judge.demotions)
        if await self.deliveries.send_rest(rest):
            handed_ms = time.time() * 1000
        await self.deliveries.send([*self._beside(records, headers, columns, outcomes), *demotions], both, held_until)
        self.metrics.observe(columns, outcomes, handed_ms, shed=shed)
        for partition, span in batch.spans.items():
            self.metrics.age(partition, time.time() - span[-1].timestamp()[1] / 1000)
        if outcomes.misplaced:
            self._tell_of_misplaced(columns, outcomes)
        self.metrics.bad_share.set(self._brake.judged(len(records), len(outcomes.rejected)))

    def _decisions(self, columns: Records, outcomes: Outcomes) -> list[Message]:
        topic, of = self.topics.decisions, self._partition_headers
        partitions, offsets = columns.partitions, columns.offsets
        return [
            (topic, value, call_id, partitions[row], [of[partitions[row]], ("source.offset", b"%d" % offsets[row])])
            for row, call_id, value in outcomes.decisions
        ]

    def _beside(self, records: list[Any], given: list[Any], columns: Records, outcomes: Outcomes) -> Iterator[Message]:
        topics, partitions, offsets = self.topics, columns.partitions, columns.offsets
        for row, key, value in outcomes.evidence:
            yield topics.evidence, value, key, partitions[row], None
        yield from self._revisions(outcomes)
        for key, value in outcomes.counts:
            yield topics.counts, value, key, 0, None
        for row, reason, text in outcomes.rejected:
            record = records[row]
            self.metrics.dead.labels(topics.calls, reason).inc()
            place = topics.calls, partitions[row], offsets[row]
            yield buried(reason, text, place, record.key(), record.value(), given[row])
        for row, key, partition in outcomes.misplaced:
            headers = [(REKEYED, b"1"), *source_headers(partitions[row], offsets[row])]
            yield topics.calls, records[row].value(), key.encode("utf-8", "surrogatepass"), partition, headers

    def _tell_of_misplaced(self, columns: Records, outcomes: Outcomes) -> None:
        """Count by operator what lay in a wrong partition, and say so, once a minute for each."""
        for operator, n in collections.Counter(
            self.metrics.operator(decode_call(columns.values[row]).operator) for row, _, _ in outcomes.misplaced
        ).items():
            self.metrics.rekeyed.labels(operator).inc(n)
            if self._misplaced.due(operator):
                what = "under a wrong key or with another partitioner than murmur2"
                log.warning("operator %s publishes calls %s: %d in one batch", operator, what, n)


def _identities(settings: Settings, metrics: Metrics) -> Identities | None:
    """What verifies Identity headers, where that is wanted; else nothing of it is even imported."""
    if not settings.identity_verify:
        return None
    from streamer.stream.identities import Identities

    return Identities(settings, metrics.identity)
