"""The engine: a pure function of (state, batch) to (state, outcomes).

Live traffic, replay, evaluation, tests and benchmarks run this one engine. It holds state but reads no clock, no network
and no randomness: the same control messages at the same positions and the same records in each partition give the same
decisions, however the stream is cut into batches and however partitions are interleaved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import numpy as np

from streamer import checkpoint, columns, kernel, sealed, settling, summing
from streamer.calls.compiled_numbers import Numbers
from streamer.calls.decisions import Decision, Demotion, Policy
from streamer.calls.numbers import home_plan
from streamer.calls.reading import Calls
from streamer.checkpoint import Copied, Opened
from streamer.compiled import Straight
from streamer.in_force import InForce
from streamer.journal import Journal
from streamer.outcomes import Outcomes
from streamer.records import Batch, Records
from streamer.registers.operators import CAPACITY
from streamer.reporter import Reporter, tell
from streamer.revisions import REASON, Revision, Revisions
from streamer.said import Said
from streamer.settings import Settings
from streamer.surroundings import Surroundings
from streamer.windows import calls, originations, shares, sliding, slots, tallies
from streamer.windows.hashing import secret_words


class Engine:
    """State of the partitions a worker owns, and the registers it judges by. See the module."""

    def __init__(
        self,
        *,
        home: str = "KZ",
        timezone: str | None = None,
        partitions: int = 24,
        secret: bytes = b"streamer",
        max_callers: int = 2_000_000,
        max_calls: int = 4_000_000,
        clamp: bool = True,
    ) -> None:
        self._secret = secret_words(secret)
        words = (int(self._secret[0]), int(self._secret[1]))
        self._plan = home_plan(home)
        self._numbers = Numbers.prepared(self._plan, words, partitions)
        self._clamp = clamp
        self.state = columns.State(
            slots.store(max_callers, self._secret),
            calls.calls(max_calls),
            calls.pairs(max_calls),
            np.full(partitions, -1, np.int64),
            shares.shares(CAPACITY),
            originations.waiting(partitions, CAPACITY),
            originations.on_time(partitions, CAPACITY),
            tallies.tallies(partitions),
        )
        self._out = columns.verdicts(512)
        self._filled = np.zeros(sliding.RINGS, np.int64)
        self._run = Straight(kernel.run)
        self._records = Records(self._numbers, self._secret)
        self._reporter = Reporter()
        self._in_force = InForce(self._plan, self._numbers, partitions, self._secret)
        self._surroundings = Surroundings(
            self._in_force, self._numbers, clamp=clamp, secret=self._secret, timezone=timezone
        )
        self._seal = sealed.seal(secret, home, partitions)
        self._journal = Journal()
        self._said = Said()
        self._revisions = Revisions()

    @classmethod
    def of(cls, settings: Settings, *, home: str | None = None, clamp: bool | None = None) -> Self:
        """An engine as the settings ask for it, but for what is given here; their time zone is that of their home country alone."""
        return cls(
            home=settings.home if home is None else home,
            timezone=settings.timezone if home in {None, settings.home} else None,
            partitions=settings.partitions,
            secret=settings.secret.get_secret_value().encode(),
            max_callers=settings.max_callers,
            max_calls=settings.max_calls,
            clamp=settings.clamp if clamp is None else clamp,
        )

    # -- what is in force ------------------------------------------------------------------------------

    @property
    def callers_held(self) -> int:
        """Callers in the store, each origin class counted."""
        return slots.held(self.state.callers)

    @property
    def evicted(self) -> int:
        """Callers given up because the store was full."""
        return int(self.state.callers.meta[slots.EVICTED])

    @property
    def calls_evicted(self) -> int:
        """Calls, and pairs of numbers, given up while they still counted, because their tables were full."""
        return calls.evicted(self.state.calls) + calls.evicted(self.state.pairs)

    @property
    def policy(self) -> Policy:
        """The policy in force: the same object until another one is; its version is `default` before one was published."""
        return self._in_force.versions.policy

    @property
    def model_version(self) -> str | None:
        """The model in force, as `name@version`; None before one was published."""
        return self._in_force.versions.model

    def named(self, word: int) -> tuple[str, str | None]:
        """The policy and the model that a word of the table of calls names."""
        return self._in_force.versions.policy_of(word).version, self._in_force.versions.model_of(word)

    @property
    def awaited(self) -> Mapping[str, str]:
        """The policy (`policy`) and the model (`models`) that are asked for and not in force."""
        return self._in_force.awaited

    @property
    def demotions(self) -> Mapping[str, Demotion]:
        """The demotions of the policy topic by their keys, ended ones that nobody lifted yet among them."""
        return self._in_force.demotions.by_key

    @property
    def held_back(self) -> Mapping[str, int]:
        """How many operators run in `shadow` and in `off`, by mode."""
        return self._in_force.held_back

    # -- records ---------------------------------------------------------------------------------------

    def process(self, batch: Batch, now_ms: int, shed: bool = False) -> Outcomes:
        """Judge a batch. `now_ms` becomes `decided_at` and tells which records are a backlog; `shed`: no sampled evidence."""
        *_, outcomes = self.stages(batch, now_ms, shed)
        return outcomes

    def stages(self, batch: Batch, now_ms: int, shed: bool = False) -> Iterator[Outcomes]:
        """As `process`: gives the outcomes once the decisions are among them, and when asked again adds what goes with these and ends.

        Whoever begins has to ask again, and to ask nothing else of the engine before.
        """
        sound = self._records.sound(batch.values)
        outcomes = Outcomes(rejected=sound.refused)
        passing = self._pass(batch, sound, now_ms, shed, outcomes)
        next(passing, None)
        if outcomes.rejected:
            outcomes.answer_rejected(batch, self._said.stands, now_ms, self.policy, self._plan)
        yield outcomes
        next(passing, None)

    def due(self, partition: int) -> int | None:
        """When a tick has a call to settle, ms since 1970; None when none waits."""
        return originations.due(self.state.waiting, partition)

    def tick(self, partition: int, now_ms: int) -> Outcomes:
        """The clock: lets go of what nothing can ask for any more, and gives revisions of calls whose time to wait is up, which
        are kept until `delivered` is told of them.

        Only for a partition of which all is judged that was appended before `now_ms`; nearly all, where nothing is `due`. Then it
        changes no verdict: an `at` lies at most `CLAMP_BACK_MS` before its append time, so what the watermark will be is known.
        """
        if self._clamp:  # history is not measured by today's clock
            settling.tick(self.state, self._surroundings.at(now_ms), partition, now_ms)
        outcomes = Outcomes()
        self._collect([partition], now_ms, outcomes, saying=True)
        return outcomes

    def delivered(self, revisions: Iterable[Revision]) -> None:
        """These revisions, which a tick gave, are in the log."""
        self._revisions.delivered(self.state.waiting, revisions)

    def _collect(self, partitions: list[int], now_ms: int, outcomes: Outcomes, *, saying: bool) -> None:
        waiting, journal = self.state.waiting, self._journal
        for partition in partitions:
            found = self._revisions.collect(waiting, journal, partition, now_ms, self.policy, saying=saying)
            for came in found.came:
                outcomes.came[came] += 1
            outcomes.revisions += found.revisions
            for blocked in (told.blocked for told in found.revisions if told.blocked is not None):
                outcomes.blocked[blocked] += 1
                outcomes.reasons[REASON] += 1

    def _pass(self, batch: Batch, sound: Calls, now_ms: int, shed: bool, outcomes: Outcomes) -> Iterator[None]:
        """Judge the sound records of a batch; stops where the decisions are there."""
        if not sound.rows:
            return
        known = self._in_force
        given = self._records.read(batch, sound, known)
        n = len(given.rows)
        if n > len(self._out.score):
            self._out = columns.verdicts(max(n, 2 * len(self._out.score)))
        out = columns.cleared(self._out, n)
        hashes = np.empty((n, 3), np.int64)
        held = tallies.with_room(self.state.tallies, n)
        if held is not self.state.tallies:
            self.state = self.state._replace(tallies=held)
        of = given.columns
        state_and_world = self.state, self._surroundings.at(now_ms)
        found = self._run(state_and_world, of, self._said.of(given, known), out, hashes, self._filled)
        if found & kernel.SKIPPED:
            skipped = of.skip.nonzero()[0].tolist()
            outcomes.misplace(batch, [(given.rows[at], *given.numbers.place_of(at)) for at in skipped])
        to_tell = self._reporter.report(given, out, hashes[:, 0], known, now_ms, shed, outcomes)
        yield
        self._journal.note(of.records[:, columns.PARTITION], hashes[:, 2], hashes[:, 1])
        if found & (kernel.LINES | kernel.SUMMED):
            outcomes.counts = summing.told(self.state.tallies, given, out, known)
        tell(given, out, known, to_tell, outcomes)
        for pended in outcomes.pended:
            self._revisions.add(*pended)
        if found & kernel.SETTLED:
            self._collect(self.state.waiting.settled.nonzero()[0].tolist(), now_ms, outcomes, saying=False)

    # -- control messages ------------------------------------------------------------------------------

    def apply(self, kind: str, key: str, value: bytes | None) -> str | None:
        """Take in one record of a control topic; None is a tombstone. See `streamer.in_force.InForce.apply`."""
        return self._in_force.apply(kind, key, value)

    # -- partitions ------------------------------------------------------------------------------------

    def adopt(self, partition: int) -> None:
        """Begin with a partition, empty."""
        self.drop(partition)

    def drop(self, partition: int) -> None:
        """Forget a partition: its callers, calls and subscribers' facts, and what was said in it."""
        self.clear(partition)
        self._in_force.facts.drop(partition)
        self._journal.leave(partition)

    def export(self, partition: int) -> bytes:
        """The whole state of a partition, for `import_state`."""
        return checkpoint.pack(self._copy(partition), self._seal)

    def _copy(self, partition: int) -> Copied:
        return checkpoint.copy_all(self.state, self._in_force, self._revisions, partition)

    def import_state(self, partition: int, packed: bytes) -> None:
        """Put exported state in the place of what the partition holds.

        Raises `StateError`, and then changes nothing, when it is damaged, forged or unsound, of another layout, or was
        exported by a worker with another secret, home, partition count or windows.
        """
        opened = self.opened(partition, packed)
        checkpoint.drop(self.state, partition)
        self._revisions.forget(partition)
        self.put(opened)

    # -- checkpoints: what changed of a partition, in pieces -----------------------------------------------

    def clear(self, partition: int) -> None:
        """Forget the callers and calls of a partition, and what was said in it; its subscribers' facts stay."""
        checkpoint.drop(self.state, partition)
        self._said.forget(partition)
        self._revisions.forget(partition)

    def watch(self, partition: int) -> None:
        """Begin to note what changes in a partition, for `changes`; until it is dropped."""
        checkpoint.watch(self.state, partition)
        self._journal.watch(partition)

    def whole(self, partition: int) -> Copied:
        """All that a watched partition holds; what changed before is not asked for again."""
        self.watch(partition)
        return self._copy(partition)

    def changes(self, partition: int, first_bucket: int) -> Copied:
        """What changed in a watched partition since this was last asked, and some buckets from this one on; all, if it was much."""
        touched = self._journal.take(partition)
        if touched is None:
            return self.whole(partition)
        return checkpoint.copy_changes(self.state, self._in_force, self._revisions, partition, touched, first_bucket)

    def pieces(self, copied: Copied) -> Iterator[bytes]:
        """A copy as bytes for messages. From any thread."""
        for piece in checkpoint.pieces(copied):
            yield checkpoint.pack(piece, self._seal)

    def opened(self, partition: int, packed: bytes) -> Opened:
        """Bytes made sure of, for `put`. From any thread. Raises `StateError` as `import_state`."""
        return checkpoint.unpack(self.state, packed, partition, self._seal)

    def put(self, opened: Opened) -> None:
        """Take in a piece; pieces of a partition come in the order in which they were made."""
        checkpoint.put(self.state, self._in_force, self._revisions, opened)

    def said_before(self, partition: int, offset: int, decision: Decision) -> None:
        """What is in the log about a record that is yet to come, or about a call that waits: it is counted, and this stands."""
        self._said.add(partition, offset, decision)
        if decision.revises and self._revisions.is_about(partition, offset, decision):
            originations.said(self.state.waiting, partition, offset)
