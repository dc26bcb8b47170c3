"""One replay as a whole: files to the engine or to Kafka, its progress saved, and what became of it told.

Resumed after a kill, the engine's decisions are byte for byte those of an undisturbed replay: progress is saved between
batches, with the engine's state and all that is held back, and what was written since is cut off and written again. Into
Kafka nothing is published twice: what lies in the log since the last save is found there and passed over. The workers'
state is their own, so that they have to run on, or to have kept it, meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import msgspec

from streamer.calls.numbers import home_plan
from streamer.engine import Engine
from streamer.errors import MessageError, ReplayError
from streamer.kafka.topics import Topics
from streamer.lab import control as controls
from streamer.lab import progress
from streamer.lab.files import opened, synced
from streamer.lab.mapping import Mapping
from streamer.lab.publishing import Published, through_kafka
from streamer.lab.rejects import Rejects, Told
from streamer.lab.replay import Judged, Summary, history_engine, through_engine
from streamer.lab.source import Reached, Source
from streamer.settings import Settings


@dataclass(frozen=True)
class Order:
    """What is to be replayed, and how; see `streamer replay --help` for the meaning of each."""

    files: list[Path]
    mapping: Mapping | None
    to: Literal["engine", "kafka"]
    home: str
    rejects: Path
    hold: int
    control: Path | None = None
    decisions: Path | None = None
    strict: bool = False
    speed: float = float("inf")
    read_back: bool = True
    patience_s: float = 30.0
    resume: Path | None = None
    save_every_s: float = 10.0


class _State(msgspec.Struct):
    """What is saved of a replay, but for the engine's partitions."""

    source: Reached
    told: Told
    numbers: dict[str, int]
    actions: dict[str, int]
    decisions_bytes: int = 0
    judged: Judged | None = None
    published: Published | None = None


class History:
    """One replay, begun anew or where its progress file says. Raises `ReplayError` when that is of another one."""

    def __init__(self, order: Order, settings: Settings) -> None:
        self.order = order
        self._settings = settings
        self._saved: progress.Saved | None = None
        self._chunks: Iterator[bytes] = iter(())
        if order.resume is not None:
            terms = progress.terms(
                settings, order.to, Topics(settings).calls, order.mapping, order.control, order.home, order.hold,
                order.decisions, read_back=order.read_back,
            )  # fmt: skip
            self._saved = progress.Saved(order.resume, progress.inputs(order.files), terms, every_s=order.save_every_s)
            self._chunks = self._saved.chunks()
        begun = self._saved.begun if self._saved is not None else None
        self.complete = begun is not None and begun.complete
        """Whether there is nothing left to do."""
        self.resumed_at = begun.published if begun is not None and not begun.complete else None
        """Messages that had been handed over when this went on; None: it began anew."""
        first = next(self._chunks, None)
        try:
            state = msgspec.msgpack.decode(first, type=_State) if first else None
        except msgspec.DecodeError as error:
            raise ReplayError(f"{order.resume}: its state cannot be read: {error}; delete it to begin anew") from None
        self._state = state
        self.bad = Rejects(order.rejects, strict=order.strict, told=state.told if state else None)
        self.source = Source(
            order.files, order.mapping, home_plan(order.home), self.bad, hold=order.hold,
            reached=state.source if state else None,
        )  # fmt: skip
        self.summary = Summary(**state.numbers, actions=Counter(state.actions)) if state else Summary()
        self.interrupted = False
        self._decisions: BinaryIO | None = None

    def run(self, tell: Callable[[Summary], object] = lambda _: None) -> None:
        """Do what is left; `tell` is called with the counts now and then. Ctrl-C ends it early, and is remembered."""
        if self.complete:
            return
        try:
            if self.order.decisions is not None:
                self._decisions = opened(self.order.decisions, self._state.decisions_bytes if self._state else 0)
            if self.order.to == "engine":
                self._engine(tell)
            else:
                self._kafka(tell)
        except KeyboardInterrupt:
            self.interrupted = True
            return
        self.complete = not (self.order.read_back and self.summary.undecided)
        if self.complete:
            self._save()

    @property
    def waited(self) -> bool:
        """Whether every set-up should have its decision."""
        return self.order.read_back or self.order.to == "engine"

    def _write(self, line: bytes) -> None:
        if self._decisions is not None:
            self._decisions.write(line)

    def _engine(self, tell: Callable[[Summary], object]) -> None:
        engine = history_engine(self._settings, self.order.home)
        file = self.order.control
        for record in controls.read(file) if file is not None else ():
            try:
                engine.apply(record.kind, record.key, record.value)
            except MessageError as error:
                raise controls.refused(file or Path(), record, error) from None
        for partition, packed in enumerate(self._chunks):
            engine.import_state(partition, packed)

        def rest(judged: Judged) -> None:
            if self._saved is not None and self._saved.due():
                self._save(judged=judged, engine=engine)

        judged = self._state.judged if self._state is not None else None
        through_engine(
            self.source, engine, self._settings, write=self._write, progress=tell, summary=self.summary, judged=judged,
            rest=rest,
        )  # fmt: skip

    def _kafka(self, tell: Callable[[Summary], object]) -> None:
        def rest(published: Callable[[], Published]) -> None:
            if self._saved is not None and self._saved.due():
                self._save(published=published())

        order = self.order
        through_kafka(
            self.source, self._settings, control=controls.read(order.control) if order.control else (), speed=order.speed,
            read_back=order.read_back, patience_s=order.patience_s, write=self._write, progress=tell,
            summary=self.summary, published=self._state.published if self._state else None, rest=rest,
        )  # fmt: skip

    def _save(
        self, *, judged: Judged | None = None, published: Published | None = None, engine: Engine | None = None
    ) -> None:
        if self._saved is None:
            return
        if self._decisions is not None:
            synced(self._decisions)
        counted = {one.name: getattr(self.summary, one.name) for one in fields(Summary) if one.name != "actions"}
        reached = self.source.reached()
        state = _State(
            reached, self.bad.told(), counted, dict(self.summary.actions),
            self._decisions.tell() if self._decisions is not None else 0, judged, published,
        )  # fmt: skip
        self._saved.save(
            _pieces(state, engine, self._settings.partitions),
            [(one.place.lines, one.place.bytes) for one in reached.files],
            published=self.summary.published,
            decided=self.summary.decided,
            complete=self.complete,
        )

    def document(self) -> dict[str, Any]:
        """What became of the replay, for machines."""
        counted = {one.name: getattr(self.summary, one.name) for one in fields(Summary) if one.name != "actions"}
        mapping = self.order.mapping
        return {
            "files": [str(path) for path in self.order.files],
            "to": self.order.to,
            "home": self.order.home,
            "complete": self.complete,
            "interrupted": self.interrupted,
            "resumed_at": self.resumed_at,
            "records": self.source.records,
            **counted,
            "undecided": self.summary.undecided if self.waited else None,
            "actions": dict(self.summary.actions),
            "out_of_order": self.source.out_of_order,
            "unchecked_pseudonyms": mapping.unchecked if mapping is not None else 0,
            "unmapped": self.bad.document(),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bad.__exit__(kind, error, trace)
        if self._decisions is not None:
            self._decisions.close()


def _pieces(state: _State, engine: Engine | None, partitions: int) -> Iterable[bytes]:
    """One partition of the engine at a time is in memory as bytes."""
    yield msgspec.msgpack.encode(state)
    if engine is not None:
        for partition in range(partitions):
            yield engine.export(partition)
