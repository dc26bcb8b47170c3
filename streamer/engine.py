"""The engine: a pure function of (state, batch) to (state, outcomes), and the registers that control messages change.

Live traffic, replay, evaluation, tests and benchmarks run this one engine. It holds state but reads no clock, no network
and no randomness: the same control messages at the same positions and the same records in each partition give the same
decisions, however the stream is cut into batches and however partitions are interleaved.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer import kernel
from streamer.calls import codec
from streamer.calls.compiled_numbers import Numbers
from streamer.calls.decisions import Demotion, ModelSnapshot, Policy
from streamer.calls.events import Answer, CallEvent, Setup
from streamer.calls.numbers import home_plan, normalise, number_id
from streamer.calls.partitioner import partition_of
from streamer.calls.plan import emergency_numbers
from streamer.checkpoint import pack, unpack
from streamer.errors import MessageError, ModelError
from streamer.models import scorer, snapshot
from streamer.outcomes import Outcomes, Said, report
from streamer.policy import compile_rules, demotion_table
from streamer.registers import facts, lists, operators
from streamer.windows import callers, calls
from streamer.windows.hashing import secret_words

_INGRESS: Final = {"subscriber": 0, "national": 1, "international": 2}
_ATTESTATION: Final = {None: 0, "C": 1, "B": 2, "A": 3}
_CALL_CELLS: Final = 1 << 20


class Batch(NamedTuple):
    """Records of `calls.v1` in log order of each partition: all lists have one entry a record.

    `append_ms` is the broker's append time; `rekeyed` is true where the header of that name says that the record was
    produced again into this partition.
    """

    partitions: list[int]
    offsets: list[int]
    append_ms: list[int]
    values: list[bytes | None]
    rekeyed: list[bool]


class Engine:
    """State of the partitions a worker owns, and the registers it judges by. See the module."""

    def __init__(
        self,
        *,
        home: str = "KZ",
        partitions: int = 24,
        secret: bytes = b"streamer",
        max_callers: int = 2_000_000,
        clamp: bool = True,
    ) -> None:
        self._secret = secret_words(secret)
        words = (int(self._secret[0]), int(self._secret[1]))
        self._plan = home_plan(home)
        self._numbers = Numbers.prepared(self._plan, words, partitions)
        self._home = self._numbers.regions.index(home)
        self._partitions = partitions
        self._clamp = clamp
        cells = 1 << 16
        while cells < min(max_callers, _CALL_CELLS):
            cells *= 2
        self.state = kernel.State(
            callers.store(max_callers, self._secret),
            calls.calls(cells),
            calls.pairs(cells),
            np.full(partitions, -1, np.int64),
        )
        self._emergency = np.array(
            sorted(number_id(number, words) for number in emergency_numbers(home)) or [-1], np.int64
        )
        self._lists = lists.Register(self._secret, self._numbers.ids)
        self._facts = facts.Register(self._secret, self._numbers.ids)
        self._operators = operators.Register(self._secret)
        self._policies: dict[str, Policy] = {}
        self._wanted: str | None = None
        self._demotions: dict[str, Demotion] = {}
        self._scopes: dict[tuple[str, str], int] = {}
        self._models: dict[str, ModelSnapshot] = {}
        self._model: ModelSnapshot | None = None
        self._model_wanted: str | None = None
        self._tables = scorer.no_model()
        self._said = Said([Policy(version="default")], [None])
        self._rules = compile_rules(self._said.policies[0], self._demoted())

    # -- what is in force ------------------------------------------------------------------------------

    @property
    def callers_held(self) -> int:
        """Callers in the store, each origin class counted."""
        return callers.held(self.state.callers)

    @property
    def evicted(self) -> int:
        """Callers given up because the store was full."""
        return int(self.state.callers.meta[callers.EVICTED])

    @property
    def policy_version(self) -> str:
        """The version of the policy in force; `default` before one was published."""
        return self._said.policies[-1].version

    @property
    def model_version(self) -> str | None:
        """The model in force, as `name@version`; None before one was published."""
        return self._said.models[-1]

    def watermark(self, partition: int) -> int:
        """The latest `at` seen in a partition, ms; -1 before the first record."""
        return int(self.state.watermark[partition])

    # -- records ---------------------------------------------------------------------------------------

    def process(self, batch: Batch, now_ms: int, shed: bool = False) -> Outcomes:
        """Judge a batch. `now_ms` becomes `decided_at`; `shed` leaves the sampled evidence out."""
        outcomes = Outcomes()
        rows: list[int] = []
        events: list[CallEvent] = []
        decode = codec.decode_call
        for row, value in enumerate(batch.values):
            try:
                events.append(decode(value))
            except MessageError as error:
                outcomes.rejected.append((row, error.reason, str(error)))
            else:
                rows.append(row)
        if events:
            self._judge(batch, rows, events, now_ms, shed, outcomes)
        for row, _, _ in outcomes.rejected:
            self._answer_broken(batch, row, now_ms, outcomes)
        if outcomes.rejected:
            outcomes.decisions.sort(key=lambda decision: decision[0])
        return outcomes

    def tick(self, partition: int, now_ms: int) -> None:
        """The clock of an idle partition: lets go of callers and calls that nothing can ask for any more."""
        if self._clamp and self.state.watermark[partition] >= 0:  # history is not measured by today's clock
            self.state.watermark[partition] = max(int(self.state.watermark[partition]), now_ms - 60_000)
        callers.sweep(self.state.callers, self.state.watermark, 2_000)
        calls.sweep(self.state.calls, self.state.pairs, self.state.watermark, 2_000)

    def _judge(
        self, batch: Batch, rows: list[int], events: list[CallEvent], now_ms: int, shed: bool, outcomes: Outcomes
    ) -> None:
        n = len(events)
        flat: list[int] = []
        texts: list[str] = []
        row_of, trunks, scopes = self._operators.row, self._lists.trunks, self._scopes
        diverted: list[tuple[int, str]] = []
        append_ms, partitions = batch.append_ms, batch.partitions
        for row, event in zip(rows, events, strict=True):
            operator = row_of(event.operator)
            texts.append(f"{event.operator}\0{event.call_id}")
            if isinstance(event, Setup):
                trunk = trunks.get(event.trunk, 0) if event.trunk else 0
                scope = scopes.get((event.operator, event.trunk or ""), operator) if scopes else operator
                if event.diverted_from:
                    diverted.append((len(texts) - 1, event.diverted_from))
                told = (_INGRESS[event.ingress], _ATTESTATION[event.attestation], scope, trunk, 0)
                flat += (kernel.SETUP, event.at, append_ms[row], partitions[row], operator, *told)
            elif isinstance(event, Answer):
                flat += (kernel.ANSWER, event.at, append_ms[row], partitions[row], operator, 0, 0, 0, 0, 0)
            else:
                ring = -1 if event.ring_ms is None else event.ring_ms
                cause = -1 if event.cause is None else event.cause
                flat += (
                    kernel.END,
                    event.at,
                    append_ms[row],
                    partitions[row],
                    operator,
                    ring,
                    event.talk_ms,
                    cause,
                    0,
                    0,
                )
        records = np.array(flat, np.int64).reshape(n, kernel.RECORD_COLUMNS)
        if diverted:
            records[[at for at, _ in diverted], kernel.DIVERTED] = self._numbers.ids([number for _, number in diverted])
        numbers = self._numbers.resolve(
            [event.caller for event in events],
            [event.callee for event in events],
            [event.asserted for event in events],
        )
        skip = numbers.partition != records[:, kernel.PARTITION]
        if skip.any():
            for at in np.flatnonzero(skip).tolist():
                self._misplace(batch, rows[at], numbers.key_of(at), int(numbers.partition[at]), outcomes)
        out = kernel.Verdicts(
            np.zeros((n, kernel.VERDICT_COLUMNS), np.int64),
            np.zeros(n, np.uint64),
            np.empty(n),
            np.empty((n, len(self._said.feature_names))),
            np.empty((n, len(self._rules.thresholds), 4)),
            np.empty((n, len(self._rules.mode)), np.uint8),
        )
        columns = kernel.Columns(
            records, numbers.caller_id, numbers.callee_id, numbers.key_id, numbers.withheld,
            self._call_hashes(texts, records), skip,
        )  # fmt: skip
        kernel.run(self.state, self._world(), columns, out)
        report(self._said, batch, rows, events, numbers, records, skip, out, self._operators.compiled.deadline_ms,
               self._tables, self._lists, now_ms, shed, outcomes)  # fmt: skip

    def _call_hashes(self, texts: list[str], records: Any) -> Any:
        joined = "".join(texts)
        if joined.isascii():
            buffer = np.frombuffer(joined.encode("ascii"), np.uint8)
            ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        else:
            raw = [text.encode("utf-8", "surrogatepass") for text in texts]
            buffer = np.frombuffer(b"".join(raw), np.uint8)
            ends = np.cumsum(np.fromiter(map(len, raw), np.int64, len(raw)))
        out = np.empty(len(texts), np.uint64)
        kernel.call_hashes(buffer, ends, records[:, kernel.PARTITION].copy(), self._secret, out)
        return out

    def _misplace(self, batch: Batch, row: int, key: str, partition: int, outcomes: Outcomes) -> None:
        if batch.rekeyed[row]:
            text = f"lies in partition {batch.partitions[row]}, its caller key {key!r} belongs to {partition}, and it was moved once already"
            outcomes.rejected.append((row, "misplaced", text))
        else:
            outcomes.misplaced.append((row, key, partition))

    def _answer_broken(self, batch: Batch, row: int, now_ms: int, outcomes: Outcomes) -> None:
        found = codec.rescue(batch.values[row])
        if found is not None:
            outcomes.say_invalid(row, found, batch.append_ms[row], now_ms, self._said)

    def _world(self) -> kernel.World:
        return kernel.World(
            self._numbers.table,
            self._lists.compiled,
            self._facts.compiled,
            self._operators.compiled,
            self._rules,
            self._tables,
            self._emergency,
            np.array(
                [self._home, len(self._said.policies) - 1, len(self._said.models) - 1, int(self._clamp)], np.int64
            ),
            self._secret,
        )

    # -- control messages ------------------------------------------------------------------------------

    def apply(self, kind: str, key: str, value: bytes | None) -> None:
        """Take in one record of a control topic; None is a tombstone.

        `kind`: lists, policy, operators, trunks, models, subscribers.location (line, sim, device, holder, network).
        Raises `MessageError` for a record that breaks the contract, which then changes nothing.
        """
        if kind == "lists":
            self._apply_list(key, value)
        elif kind == "policy":
            self._apply_policy(key, value)
        elif kind == "operators":
            self._apply_operator(key, value)
        elif kind == "models":
            self._apply_model(key, value)
        elif kind.startswith("subscribers."):
            self._apply_fact(kind.removeprefix("subscribers."), key, value)
        elif kind == "trunks":
            if value is not None:
                codec.decode_trunk(value)
        else:
            raise ValueError(f"no control topic is called {kind!r}")

    def _apply_list(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._lists.remove(key)
            return
        entry = codec.decode_list_entry(value)
        wrong = lists.check(entry)
        if wrong is not None:
            raise MessageError("out_of_range", wrong)
        self._lists.put(key, entry)

    def _apply_policy(self, key: str, value: bytes | None) -> None:
        if key.startswith("demotion/"):
            if value is None:
                self._demotions.pop(key, None)
            else:
                self._demotions[key] = codec.decode_demotion(value)
        elif key == "current":
            self._wanted = codec.decode_policy_pointer(value).version if value is not None else None
        elif value is None:
            self._policies.pop(key.removeprefix("policy@"), None)
        else:
            policy = codec.decode_policy(value)
            compile_rules(policy, self._rules.demoted_until)
            self._policies[policy.version] = policy
        self._enforce()

    def _enforce(self) -> None:
        chosen = self._policies.get(self._wanted) if self._wanted is not None else Policy(version="default")
        if chosen is not None and chosen != self._said.policies[-1]:
            self._said.policies.append(chosen)
        self._rules = compile_rules(self._said.policies[-1], self._demoted())

    def _demoted(self) -> Any:
        demotions = [*self._demotions.values(), *self._said.policies[-1].demotions]
        self._scopes = {}
        for demotion in demotions:
            if demotion.trunk:
                self._scopes.setdefault((demotion.operator, demotion.trunk), operators.CAPACITY + len(self._scopes))
        named = {(demotion.operator, ""): self._operators.row(demotion.operator) for demotion in demotions}
        return demotion_table(demotions, {**self._scopes, **named}, operators.CAPACITY + len(self._scopes))

    def _apply_operator(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._operators.remove(key)
        else:
            self._operators.put(codec.decode_operator(value))

    def _apply_fact(self, fact: str, key: str, value: bytes | None) -> None:
        if value is None:
            self._facts.forget(key, fact)
            return
        found = codec.decode_fact(value)
        if found.fact != fact:
            raise MessageError("out_of_range", f"a {found.fact!r} fact on the topic of {fact!r} facts")
        owner = self._operators.row(found.owner) if found.owner else -1
        partition = partition_of(normalise(found.number, self._plan).encode(), self._partitions)
        self._facts.put(partition, found, owner)

    def _apply_model(self, key: str, value: bytes | None) -> None:
        if key.startswith("current/"):
            if value is None:
                return
            pointer = codec.decode_model_pointer(value)
            self._model_wanted = f"{pointer.name}@{pointer.version}"
        elif value is None:
            self._models.pop(key, None)
            return
        else:
            offered = codec.decode_model(value)
            try:
                snapshot.verify(offered)
                snapshot.check_layout(offered)
            except ModelError as error:
                raise MessageError("out_of_range", str(error)) from None
            self._models[snapshot.key(offered)] = offered
        offered_now = self._models.get(self._model_wanted) if self._model_wanted is not None else None
        if offered_now is None or offered_now is self._model:
            return
        current = None if self._model is None else (self._model.epoch, self._model.version)
        if snapshot.accepts(current, (offered_now.epoch, offered_now.version)):
            self._model = offered_now
            self._tables = scorer.tables(offered_now)
            self._said.models.append(snapshot.key(offered_now))
            self._models = {snapshot.key(offered_now): offered_now}

    # -- partitions ------------------------------------------------------------------------------------

    def adopt(self, partition: int) -> None:
        """Begin with a partition, empty."""
        self.drop(partition)

    def drop(self, partition: int) -> None:
        """Forget a partition: its callers, calls and subscribers' facts."""
        callers.drop(self.state.callers, partition)
        calls.drop(self.state.calls, self.state.pairs, partition)
        self._facts.drop(partition)
        self.state.watermark[partition] = -1

    def export(self, partition: int) -> bytes:
        """The state of a partition, for `import_state`."""
        return pack(self.state, self._said, partition)

    def import_state(self, partition: int, state: bytes) -> None:
        """Put exported state in the place of what the partition holds; raises `StateError` when it cannot be read."""
        unpack(self.state, self._said, partition, state)


def warm() -> None:
    """Compile every loop (or read it from the cache): one set-up, answer and end through a small engine."""
    engine = Engine(partitions=1, max_callers=1_000)
    engine.adopt(0)
    engine.apply(
        "lists",
        "block/exact/caller//+77010000000",
        b'{"list":"block","match":"exact","number":"+77010000000","side":"caller"}',
    )
    value = b'{"type":"setup","call_id":"warm","at":1,"operator":"o","caller":"+77010000001","callee":"+77010000002","ingress":"national"}'
    end = b'{"type":"end","call_id":"warm","at":2,"operator":"o","caller":"+77010000001","callee":"+77010000002"}'
    engine.process(Batch([0, 0], [0, 1], [1, 2], [value, end], [False, False]), 3)
    engine.tick(0, 10)
    engine.import_state(0, engine.export(0))
    engine.drop(0)
