"""The merger that holds the lease: partial sums in, signals and cases out.

Nothing is committed and nothing is kept in files: whoever takes over reads back what was said, then the counts as long as the log
keeps them (calls to lines, lines and swapped SIMs of an hour; all of the last minutes), and says nothing before it is as far as the
log was. What two mergers say of one thing, should one have been asleep when the other took over, is told apart by its time, and who
reads heeds the newer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import Consumer, Message, TopicPartition

from streamer.calls import codec
from streamer.calls.cases import Case
from streamer.calls.signals import Signal
from streamer.demotions import PREFIX
from streamer.errors import MessageError, StoppedError, TransportError
from streamer.kafka import clients
from streamer.kafka.asking import ANSWER_S, answered, is_end, is_final
from streamer.kafka.letters import DeadLetters
from streamer.kafka.tables import Change, TableReader
from streamer.kafka.topics import Topics
from streamer.merger.metrics import MergerMetrics
from streamer.policies import Policies
from streamer.settings import Settings
from streamer.signals.casebook import Casebook
from streamer.signals.hot import hot
from streamer.signals.merger import AHEAD_MS, LOOKED_BACK_MS, Merger
from streamer.windows.hashing import secret_words

log = logging.getLogger("streamer.signals")

_POLL_S: Final = 0.1
_POLL_RECORDS: Final = 100
_SHOW_EVERY_S: Final = 1.0
_EXPIRY_EVERY_S: Final = 60.0
_BACK_S: Final = 10.0
"""So long what lies before the last minutes is read at most: signals that nobody says again expire after half a minute."""


class ActiveMerger:
    """One turn at the lease. Belongs to one thread.

    Parameters
    ----------
    settings
        Topics and brokers.
    metrics
        Where to show what happens.
    go_on
        Asked often while taking over and while brokers do not answer; False stops with `StoppedError`.
    """

    def __init__(self, settings: Settings, metrics: MergerMetrics, go_on: clients.GoOn) -> None:
        self._topics = Topics(settings)
        self._metrics = metrics
        self._go_on = go_on
        self.merger = Merger(secret_words(settings.secret.get_secret_value().encode()))
        self.casebook = Casebook()
        self._policies = Policies()
        self._tables = TableReader(settings, [self._topics.cases, self._topics.policy], go_on)
        for change in self._tables.read_to_end():
            self._heed(change)
        said_to = self._restore(settings)
        self._reader: Consumer = clients.consumer(
            settings,
            f"{settings.signals_group}-reader",  # never joined: where to begin follows from the signals
            **{"enable.partition.eof": True, "auto.offset.reset": "earliest"},
        )
        self._letters = DeadLetters(settings, go_on)
        self._producer = clients.producer(settings, **{"enable.idempotence": True, "linger.ms": 1})
        self._failure: str | None = None
        self._next_expiry = 0.0
        self._next_show = 0.0
        self._session_s = settings.session_timeout_ms / 1000
        low, self._recent, self._end = self._bounds(said_to)
        self._heard_to = said_to if said_to <= self._end else 0
        self._behind = self._end
        self._read_from(low)
        metrics.lag.set(max(self._behind - low, 0))
        log.info(
            "active: counts from %d on, all of them from %d on, said of nothing before %d is merged",
            low, self._recent, self._behind,
        )  # fmt: skip
        self._stepped = time.monotonic()
        self._back_until = self._stepped + _BACK_S

    def _restore(self, settings: Settings) -> int:
        """Take in what was said; gives the place of the counts up to which it was said of, 0 where nothing was."""
        reader = TableReader(settings, [self._topics.signals], self._go_on)
        last: dict[str, Signal] = {}
        try:
            for change in reader.read_to_end():
                self._read_back(change, last)
        finally:
            reader.close()
        for signal in last.values():
            self.merger.restore(signal)
        return max((signal.position for signal in last.values()), default=0)

    def _read_back(self, change: Change, last: dict[str, Signal]) -> None:
        """What was said of a thing: the newest, which is not the last where a merger was asleep and said its word late."""
        if change.value is None:
            last.pop(change.key, None)
            return
        try:
            signal = codec.decode_signal(change.value)
        except MessageError as error:
            log.warning("a signal is not read back: %s", error)
            return
        if signal.at > time.time() * 1000 + AHEAD_MS:
            log.warning("a signal is not read back: %s is of a time that is yet to come", signal.key)
        elif change.key not in last or signal.at >= last[change.key].at:
            last[change.key] = signal

    def _bounds(self, said_to: int) -> tuple[int, int, int]:
        """Where the counts begin, from where on all of them are counted, and where they ended."""
        topic = self._topics.counts
        low, high = answered(
            topic, lambda timeout: self._reader.get_watermark_offsets(TopicPartition(topic, 0), timeout)
        )
        back = int(time.time() * 1000) - LOOKED_BACK_MS
        found = answered(
            topic, lambda timeout: self._reader.offsets_for_times([TopicPartition(topic, 0, back)], timeout)
        )
        recent = found[0].offset if found[0].offset >= 0 else high
        return low, max(low, min(recent, said_to or recent)), high

    def _read_from(self, offset: int) -> None:
        """Read the counts from here on; what lies before and was not read is left out."""
        self._from = self._next = offset
        self._begun = False
        self._reader.assign([TopicPartition(self._topics.counts, 0, offset)])

    @property
    def ready(self) -> bool:
        """Whether all is merged that was there when this began."""
        return self._behind <= 0

    def step(self) -> None:
        """Take in at most a poll of messages, and say what is to be said."""
        for message in self._reader.consume(_POLL_RECORDS, timeout=_POLL_S):
            error: Any = message.error()
            if error is None:
                self._take(message)
            elif is_end(error):
                self._behind = 0
            elif is_final(error):
                raise TransportError(f"{message.topic()} cannot be read: {error.str()}")
        for change in self._tables.poll():
            self._heed(change)
        self._letters.deliver()
        self._look_ahead()
        if time.monotonic() - self._stepped > self._session_s:
            self._stepped = time.monotonic()
            return  # asleep meanwhile: another may have the lease, which the group tells before the next step
        if self.ready:
            self._say()
        self._stepped = time.monotonic()
        if self._failure is not None:
            raise TransportError(f"signals cannot be published: {self._failure}")
        if time.monotonic() >= self._next_show:
            self._next_show = time.monotonic() + _SHOW_EVERY_S
            self._metrics.show(self.merger, self.casebook)

    def _look_ahead(self) -> None:
        """Leave out what is left of the time before the last minutes, if that takes too long."""
        if self._next < self._recent and time.monotonic() >= self._back_until:
            log.warning("counts %d to %d are left out: reading them takes too long", self._next, self._recent)
            self._read_from(self._recent)

    def _take(self, message: Message) -> None:
        offset, at_ms = int(message.offset() or 0), message.timestamp()[1]
        if offset < self._from:
            return  # lay in a queue when it was left out
        if not self._begun:
            self._begun = True
            self.merger.begin(offset, at_ms, self._end)
        self._next = offset + 1
        try:
            counts = codec.decode_counts(message.value())
            merged = self.merger.take(offset, counts, at_ms, whole=offset >= self._recent)
        except MessageError as error:
            if offset >= self._heard_to:  # else whoever said so much buried it
                self._metrics.dead_letters.labels(error.reason).inc()
                self._letters.bury(message, error)
        else:
            (self._metrics.merged if merged else self._metrics.repeated).inc()
        if offset + 1 >= self._behind:
            self._behind = 0
        place = TopicPartition(self._topics.counts, 0)
        self._metrics.lag.set(max(self._reader.get_watermark_offsets(place, cached=True)[1] - offset - 1, 0))

    def _heed(self, change: Change) -> None:
        """What others wrote: a case as it lies in the log (ours, another merger's, or changed by people), or the policy."""
        try:
            if change.kind == "policy":
                self._heed_policy(change.key, change.value)
            elif change.value is not None:
                self.casebook.restore(codec.decode_case(change.value))
        except MessageError as error:
            log.warning("%s[%d]@%d is not heeded: %s", change.topic, change.partition, change.offset, error)

    def _heed_policy(self, key: str, value: bytes | None) -> None:
        before = self._policies.present
        if not key.startswith(PREFIX):
            self._policies.take(key, value)
        policy = self._policies.present
        if policy is not before:
            self.merger.follow(policy.counting)
            self.casebook.follow(policy)
            log.info("goes by version %s of the policy", policy.version)

    def _say(self) -> None:
        for key, signal in self.merger.changes():
            self._send(self._topics.signals, key, None if signal is None else codec.encode(signal))
            self._metrics.published.labels(key.partition("/")[0]).inc()
            if signal is not None:
                for subject in hot(signal, self.merger.lines):
                    self._file(self.casebook.heed(subject))
        for subject in self.merger.subjects():
            self._file(self.casebook.heed(subject))
        if time.monotonic() >= self._next_expiry:
            self._next_expiry = time.monotonic() + _EXPIRY_EVERY_S
            self._file(self.casebook.expire(self.merger.clock_ms))
        self._producer.poll(0)

    def _file(self, cases: Iterable[Case]) -> None:
        for case in cases:
            self._send(self._topics.cases, case.case, codec.encode(case))
            self._metrics.cases.labels(case.kind, case.measure).inc()

    def _send(self, topic: str, key: str, value: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(topic, key=key, value=value, on_delivery=self._heard)
            except BufferError:
                if not self._go_on():
                    raise StoppedError("stopped before the brokers took a signal") from None
                self._producer.poll(clients.SLICE_S)
            else:
                return

    def _heard(self, error: Any, _: Message) -> None:
        if error is not None:
            self._failure = error.str()

    def finish(self) -> None:
        """Let the brokers take what is on its way."""
        self._producer.flush(ANSWER_S)

    def close(self) -> None:
        """Let go of the clients."""
        self._reader.close()
        self._tables.close()
        self._letters.close()
        self._producer.purge()
