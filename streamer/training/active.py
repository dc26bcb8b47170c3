"""The trainer that holds the lease: evidence and feedback in, lessons to the learner, models out.

Positions, marks and the learner's state are committed together in the trainer's file, so that every case is learned
once whatever happens. The same state, with its positions and what changed in the file, goes to `trainer.v1` with each
model, in one transaction: a standby that has no file, or an older one, goes on from there (`streamer.training.takeover`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from confluent_kafka import Message

from streamer.calls import codec
from streamer.errors import MessageError
from streamer.kafka.lease import LeaseLostError
from streamer.kafka.letters import DeadLetters
from streamer.kafka.topics import Topics
from streamer.models import snapshot
from streamer.settings import Settings
from streamer.training import log as trainer_log
from streamer.training.cases import Cases, Lesson
from streamer.training.intake import Intake
from streamer.training.log import Record
from streamer.training.metrics import TrainerMetrics
from streamer.training.publication import Publisher
from streamer.training.reader import Backlog, assigned, end_of, poll
from streamer.training.takeover import keep, resumed

COMMIT_EVERY_S: Final = 1.0
RIPE_AT_ONCE: Final = 500
PRUNE_EVERY_S: Final = 60.0
AGAIN_S: Final = 5.0
"""After so long a publication that the brokers gave up is tried again."""

log = logging.getLogger("streamer.trainer")


class ActiveTrainer:
    """One turn at the lease, from taking over to letting go. Belongs to one thread.

    Parameters
    ----------
    settings
        Topics, retention, maturing time and how often models are published.
    cases
        The trainer's file; `close` closes it.
    metrics
        Where to show what happens.
    owner
        Who takes the lease, for people.
    now_ms
        The wall clock, ms since 1970.
    go_on
        Asked often while taking over and while brokers do not answer; False stops with `LeaseLostError` or `StoppedError`.
    """

    def __init__(
        self,
        settings: Settings,
        cases: Cases,
        metrics: TrainerMetrics,
        *,
        owner: str,
        now_ms: Callable[[], int],
        go_on: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings)
        self._cases = cases
        self._metrics = metrics
        self._now_ms = now_ms
        self._mature_ms = round(settings.mature_s * 1000)
        self._kept_ms = round(settings.trainer_kept_s * 1000)
        self._intake = Intake(cases, self._kept_ms)
        self._owner = owner
        self._publisher = Publisher(settings, go_on)
        self._letters = DeadLetters(settings, go_on)
        left = trainer_log.read(settings, go_on)
        self._pieces = left.pieces
        self.state = resumed(settings, cases, left, self._mature_ms, go_on)
        self.state.epoch = max(left.epoch, self.state.epoch) + 1
        if not self._publisher.publish([self._lease()]):
            raise LeaseLostError("the brokers did not take the lease's record")
        self._moved: dict[tuple[str, int], int] = {}
        self._commit()
        self._reader = assigned(settings, cases.positions(), [self._topics.evidence, self._topics.feedback])
        started = now_ms()
        self._backlogs = {
            topic: Backlog(settings.partitions, started) for topic in (self._topics.evidence, self._topics.feedback)
        }
        self._touched = False
        self._next_commit = self._next_prune = self._next_try = 0.0
        metrics.epoch.set(self.state.epoch)
        metrics.version.set(self.state.version)
        log.info(
            "active with epoch %d, model version %d, %d cases learned",
            self.state.epoch, self.state.version, self.state.learner.cases,
        )  # fmt: skip

    def step(self) -> None:
        """Take in at most a poll of records, teach what is ripe, and commit or publish what is due."""
        for message, ended in poll(self._reader, 0.1):
            if not ended:
                self._take(message)
            else:
                self._backlogs[str(message.topic())].ended(int(message.partition() or 0), int(message.offset() or 0))
        now = self._now_ms()
        self._ripen(now)
        # By what was read and has ripened, not by the clock: a trainer that was away first teaches the honest rest of a window.
        for measure in self.state.measuring.close(self.state.matured_to + self._mature_ms):
            self._metrics.measured(measure)
            self.state.note(measure)
            self._touched = True
        due = time.monotonic()
        if due >= self._next_prune:
            self._next_prune = due + PRUNE_EVERY_S
            self._cases.forget_before(now - self._kept_ms)
        if due >= self._next_try and self.state.learned_since and self.state.learner.ready and self._is_time(now):
            self._publish(now)
        elif due >= self._next_commit:
            self._next_commit = due + COMMIT_EVERY_S
            if self._touched:
                self._commit()

    def finish(self) -> None:
        """Commit, and leave the state for whoever comes next."""
        self._commit()
        self._leave([])

    def close(self) -> None:
        """Let go of clients and file; what was not committed is as if it had not been read."""
        self._reader.close()
        self._cases.close()
        self._letters.close()

    def _commit(self) -> None:
        self._letters.deliver()
        self.state.seq += 1
        self._cases.read_to(self._moved)
        self._moved = {}
        self._touched = False
        keep(self._cases, self.state)
        self._cases.commit()
        self._metrics.cases.set(self._cases.held)

    def _take(self, message: Message) -> None:
        place = (str(message.topic()), int(message.partition() or 0))
        reports = place[0] == self._topics.feedback
        try:
            lessons, outcome = self._lessons(message)
        except MessageError as error:
            self._metrics.dead_letters.labels(error.reason).inc()
            self._letters.bury(message, error)
        else:
            self._learn(lessons)
            if reports:
                self._metrics.feedback.labels(outcome).inc()
            else:
                self._metrics.evidence.inc()
        after = self._moved[place] = int(message.offset() or 0) + 1
        self._backlogs[place[0]].read(place[1], after, end_of(self._reader, *place))
        self._touched = True

    def _lessons(self, message: Message) -> tuple[Iterable[Lesson], str]:
        """What one record teaches, its marks set as that is taken, and what became of it. Raises `MessageError`."""
        now = self._now_ms()
        if message.topic() == self._topics.evidence:
            part, offset = int(message.partition() or 0), int(message.offset() or 0)
            return self._intake.take_evidence(message.value(), part, offset, now), "kept"
        return self._intake.take_feedback(message.value(), now)

    def _learn(self, lessons: Iterable[Lesson]) -> None:
        state = self.state
        for lesson in lessons:
            state.learner.learn_case(lesson.features, fraud=lesson.fraud, weight=lesson.weight)
            if lesson.measured:
                state.measuring.add(
                    lesson.decided_at, lesson.score, fraud=lesson.fraud, weight=lesson.weight, corrects=lesson.corrects
                )
            state.learned_since = self._touched = True
            self._metrics.learned.labels("fraud" if lesson.fraud else "honest").inc()
            if lesson.corrects:
                self._metrics.corrected.inc()
        self._metrics.late.set(state.measuring.late)

    def _ripen(self, now: int) -> None:
        """Teach cases that nobody reported in time, but only where every report that was there by then has been read."""
        for topic, backlog in self._backlogs.items():
            backlog.look(now, partial(self._ends, topic))
        reported, seen = (self._backlogs[of].since for of in (self._topics.feedback, self._topics.evidence))
        if reported is None:
            return
        lessons = self._cases.ripe(reported - self._mature_ms, RIPE_AT_ONCE)
        self._learn(lessons)
        if len(lessons) < RIPE_AT_ONCE and seen is not None:
            self.state.matured_to = min(reported, seen) - self._mature_ms

    def _ends(self, topic: str) -> list[tuple[int, int]]:
        """Where the partitions of a topic end, as the brokers said last."""
        return [(part, end_of(self._reader, topic, part)) for part in range(self._settings.partitions)]

    def _is_time(self, now: int) -> bool:
        """Whether the last publication lies long enough back; one of a time that is yet to come says nothing of that."""
        since = now - self.state.published_at
        if since < 0:
            log.warning(
                "the last model was published %.0f s ahead of this clock: the next one does not wait for that",
                -since / 1000,
            )
        return not 0 <= since < self._settings.publish_every_s * 1000

    def _publish(self, now: int) -> None:
        """A new version: first into the trainer's file, so that none is given twice, then with the state to the brokers."""
        state = self.state
        state.version += 1
        self._commit()
        model = state.snapshot(now)
        before = (state.learned_since, state.published_at, [*state.versions], state.thinned_to)
        gone = state.expired(now, self._kept_ms)
        state.learned_since, state.published_at = False, now
        models = self._topics.models
        records: list[Record] = [
            (models, snapshot.key(model), codec.encode(model)),
            (models, snapshot.pointer_key(model.name), codec.encode(snapshot.pointer(model))),
            *((models, f"{model.name}@{version}", None) for version in gone),
        ]
        if not self._leave(records):
            state.learned_since, state.published_at, state.versions, state.thinned_to = before
            self._next_try = time.monotonic() + AGAIN_S
            log.warning("the brokers gave model version %d up; it will be tried again", state.version)
            return
        self._metrics.published.inc()
        self._metrics.version.set(state.version)
        log.info("published %s, epoch %d, %d cases", snapshot.key(model), state.epoch, model.cases)

    def _leave(self, models: Iterable[Record]) -> bool:
        """Publish what was committed last, for whoever comes next, and `models` with it. False: the brokers gave it up."""
        topic, left = self._topics.trainer, self.state.to_json(self._cases.positions())
        pieces = trainer_log.pieces(topic, left, self._pieces)
        changed = ((topic, key, value) for key, value in self._cases.changes.records())
        if not self._publisher.publish([*pieces, *changed, self._lease(), *models]):
            return False
        self._pieces = sum(1 for _, _, value in pieces if value is not None)
        self.state.base = [left["epoch"], left["seq"]]
        self._cases.changes.published()
        self._commit()
        return True

    def _lease(self) -> Record:
        state = self.state
        return trainer_log.lease(self._topics.trainer, state.epoch, state.version, self._owner, self._now_ms())
