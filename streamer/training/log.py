"""`trainer.v1` and `models.v1` as the active trainer writes them: its state for whoever comes next, models for scorers.

All records of one publication go in one Kafka transaction under one transactional id a consumer group. Whoever takes
the lease begins by fencing that id, so that a trainer that was thought dead can neither overwrite a version nor publish
half of one. Its epoch in each snapshot says the same to scorers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import orjson
from confluent_kafka import KafkaError, KafkaException, Producer

from streamer.errors import StateError, TransportError
from streamer.kafka import clients
from streamer.kafka.clients import SLICE_S, GoOn
from streamer.kafka.tables import Change, TableReader
from streamer.kafka.topics import Topics
from streamer.settings import Settings

LEASE: Final = "lease"
"""Key of the record that says who took the lease last, and with what epoch."""

PIECE: Final = 400_000
"""Characters of state in one record; quoted once more they stay below 900 KB."""

LAST_WORD_S: Final = 10.0
"""How long a publication may still take, by brokers that answer, once it is time to stop."""


class LeaseLostError(TransportError):
    """Another trainer has taken over: nothing more may be published by this one."""


class Left(NamedTuple):
    """What is known of trainers before: the epoch taken last (0: none yet) and the state published last, if any."""

    epoch: int
    state: dict[str, Any] | None
    pieces: int


Record = tuple[str, str, bytes | None]
"""Topic, key, value."""


class _Lease(msgspec.Struct, frozen=True):
    epoch: int


class _Piece(msgspec.Struct, frozen=True):
    epoch: int
    seq: int
    part: int
    parts: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    text: str


_LEASE: Final = msgspec.json.Decoder(_Lease)
_PIECE: Final = msgspec.json.Decoder(_Piece)
_ANEW: Final = "remove its records (key `state/…`) to start anew"


def pieces(topic: str, state: dict[str, Any], before: int) -> list[Record]:
    """A state as records of `trainer.v1`; `before` is how many pieces the last one had, of which the surplus is removed."""
    text = orjson.dumps(state).decode()
    parts = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    records: list[Record] = [
        (topic, f"state/{number}", orjson.dumps({"epoch": state["epoch"], "seq": state["seq"], "part": number,
                                                  "parts": len(parts), "text": part}))
        for number, part in enumerate(parts)
    ]  # fmt: skip
    return records + [(topic, f"state/{number}", None) for number in range(len(parts), before)]


def lease(topic: str, epoch: int, owner: str, at: int) -> Record:
    """The record by which an epoch begins."""
    return (topic, LEASE, orjson.dumps({"epoch": epoch, "owner": owner, "at": at}))


def joined(changes: Iterable[Change]) -> Left:
    """What the records of `trainer.v1`, in order, say. Raises `StateError` for what no trainer wrote, or pieces that do not fit together."""
    epoch = 0
    found: dict[str, _Piece] = {}
    for change in changes:
        if change.value is not None:
            try:
                if change.key == LEASE:
                    epoch = max(epoch, _LEASE.decode(change.value).epoch)
                elif change.key.startswith("state/"):
                    found[change.key] = _PIECE.decode(change.value)
            except msgspec.DecodeError as error:
                raise StateError(f"{change.key} on {change.topic} cannot be read ({error}); {_ANEW}") from error
        elif change.key.startswith("state/"):
            found.pop(change.key, None)
    if not found:
        return Left(epoch, None, 0)
    ordered = sorted(found.values(), key=lambda piece: piece.part)
    first = ordered[0]
    if [(piece.epoch, piece.seq, piece.part) for piece in ordered] != [
        (first.epoch, first.seq, number) for number in range(first.parts)
    ]:
        raise StateError(f"the trainer's state on trainer.v1 is not whole; {_ANEW}")
    try:
        state = orjson.loads("".join(piece.text for piece in ordered))
    except orjson.JSONDecodeError as error:
        raise StateError(f"the trainer's state on trainer.v1 is damaged ({error}); {_ANEW}") from error
    return Left(epoch, state, len(ordered))


def read(settings: Settings, go_on: GoOn = clients.always) -> Left:
    """Read `trainer.v1` to its end, committed records only. Raises `StoppedError` once `go_on` says no."""
    reader = TableReader(settings, [Topics(settings).trainer], go_on)
    try:
        return joined(reader.read_to_end())
    finally:
        reader.close()


class Publisher:
    """The one transactional producer of the trainers of a group. Making one fences every earlier one.

    Parameters
    ----------
    settings
        Where the brokers are; `trainer_group` and `prefix` name the transactional id.
    go_on
        Asked between attempts while brokers do not answer; False means stop trying: at once when they are known to
        be away, else after `LAST_WORD_S`.
    """

    def __init__(self, settings: Settings, go_on: GoOn) -> None:
        self._go_on = go_on
        self._away = False
        self._producer: Producer = clients.producer(
            settings,
            **{
                "transactional.id": f"{settings.prefix}{settings.trainer_group}",
                "transaction.timeout.ms": 60_000,
                "delivery.timeout.ms": 30_000,
                "error_cb": self._hear,
            },
        )
        self._retried(self._producer.init_transactions, patience_s=0.0)

    def publish(self, records: Iterable[Record]) -> bool:
        """All of `records` or none. False: the brokers gave it up, try again later.

        Raises `LeaseLostError` when a later trainer has fenced this one, or `go_on` said to stop.
        """
        try:
            self._producer.begin_transaction()
            for topic, key, value in records:
                self._producer.produce(topic, key=key, value=value)
            self._retried(self._producer.commit_transaction)
        except KafkaException as error:
            reason = error.args[0]
            if not reason.txn_requires_abort():
                raise LeaseLostError(f"the trainer can publish no more: {reason.str()}") from error
            self._retried(self._producer.abort_transaction)
            return False
        return True

    def _hear(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own code
            self._away = True

    def _retried(self, step: Callable[[float], object], patience_s: float = LAST_WORD_S) -> None:
        until: float | None = None
        while True:
            try:
                step(SLICE_S)
            except KafkaException as error:
                reason = error.args[0]
                if reason.fatal():
                    raise LeaseLostError(f"another trainer has taken over: {reason.str()}") from error
                if not reason.retriable():
                    raise
                if not self._go_on():
                    self._producer.poll(0)  # which serves `_hear`
                    until = until or time.monotonic() + patience_s
                    if self._away or time.monotonic() >= until:
                        raise LeaseLostError(f"gave up waiting for the brokers: {reason.str()}") from error
            else:
                self._away = False
                return
