"""`trainer.v1`: what a trainer leaves for whoever comes next. The lease, its state in pieces, and what stands in its file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import orjson

from streamer.errors import StateError
from streamer.kafka import clients
from streamer.kafka.clients import GoOn
from streamer.kafka.tables import Change, TableReader
from streamer.kafka.topics import Topics
from streamer.settings import Settings
from streamer.training.changes import is_ours

LEASE: Final = "lease"
"""Key of the record that says who took the lease last, and with what epoch."""

PIECE: Final = 400_000
"""Characters of state in one record; quoted once more they stay below 900 KB."""


class Left(NamedTuple):
    """What trainers before have left.

    Attributes
    ----------
    epoch, version
        Those given last; 0: none yet.
    state, pieces
        The state published last, if any, and how many records it takes.
    file
        What stood in that trainer's file (`streamer.training.changes`).
    """

    epoch: int
    version: int
    state: dict[str, Any] | None
    pieces: int
    file: dict[str, bytes]


Record = tuple[str, str, bytes | None]
"""Topic, key, value."""


class _Lease(msgspec.Struct, frozen=True):
    epoch: int
    version: int = 0


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


def lease(topic: str, epoch: int, version: int, owner: str, at: int) -> Record:
    """The record by which an epoch begins; written again with each model version, so that none is ever given twice."""
    return (topic, LEASE, orjson.dumps({"epoch": epoch, "version": version, "owner": owner, "at": at}))


def joined(changes: Iterable[Change]) -> Left:
    """What the records of `trainer.v1`, in order, say. Raises `StateError` for what no trainer wrote, or pieces that do not fit together."""
    epoch = version = 0
    found: dict[str, _Piece] = {}
    file: dict[str, bytes] = {}
    for change in changes:
        key, value = change.key, change.value
        if value is None:
            found.pop(key, None)
            file.pop(key, None)
        elif is_ours(key):
            file[key] = value
        else:
            try:
                if key == LEASE:
                    taken = _LEASE.decode(value)
                    epoch, version = max(epoch, taken.epoch), max(version, taken.version)
                elif key.startswith("state/"):
                    found[key] = _PIECE.decode(value)
            except (ValueError, RecursionError) as error:
                raise StateError(f"{key} on {change.topic} cannot be read ({error}); {_ANEW}") from error
    if not found:
        return Left(epoch, version, None, 0, file)
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
    return Left(epoch, version, state, len(ordered), file)


def read(settings: Settings, go_on: GoOn = clients.always) -> Left:
    """Read `trainer.v1` to its end, committed records only. Raises `StoppedError` once `go_on` says no."""
    reader = TableReader(settings, [Topics(settings).trainer], go_on)
    try:
        return joined(reader.read_to_end())
    finally:
        reader.close()
