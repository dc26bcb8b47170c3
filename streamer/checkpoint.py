"""The state of one partition, whole or what changed of it, as bytes and back.

A copy is taken between two batches (`copy_all`, `copy_changes`: array operations and compiled loops alone); packing it
into bytes, and opening such bytes again, touches no state and may be done in another thread; `put` takes opened bytes in.
What a partition holds is what all pieces of it say, put in their order: a later row replaces an earlier one of the same
caller, call or pair.

So that pieces do not have to be kept for ever, everything belongs to one of `BUCKETS` buckets by its hash, and each copy of
changes also holds a few buckets whole. Once every bucket was written again, what was written before is needed no more.
What the bytes are like see `streamer.sealed`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from streamer import pending, state_layout, tallied
from streamer.calls.codec import encode
from streamer.columns import State
from streamer.errors import StateError
from streamer.in_force import InForce, Versions
from streamer.journal import Touched
from streamer.pending import Pending
from streamer.reasons import CODING, REASONS, Coding
from streamer.registers.operators import CAPACITY
from streamer.revisions import Revisions
from streamer.sealed import ANEW, Seal, columns_of, joined, opened
from streamer.state_layout import Header
from streamer.tallied import Tallied
from streamer.windows import callers, calls, originations, table, tallies
from streamer.windows.hashing import BUCKETS
from streamer.windows.slots import COLUMNS

_PIECE_ROWS: Final = {"callers": 1_500, "calls": 8_000, "pairs": 8_000}
_PIECE_WAITS: Final = 256
"""Most rows and waiting calls of a piece: with the widest of each, 4 MiB."""
_SMALLER: Final = 5
"""How many times smaller pieces may be, for what is copied between batches to leave little by little."""
_PIECES: Final = 20
"""Beyond so many small pieces they grow."""


class Copied(NamedTuple):
    """Rows of a partition as they were between two batches, the worker's names for what they refer to, and which buckets
    of it are whole.
    """

    partition: int
    watermark: int
    callers: dict[str, Any]
    calls: Any
    pairs: Any
    versions: Versions
    operators: list[str]
    trunks: dict[int, tuple[str, str]]
    buckets: tuple[int, ...]
    pending: Pending
    tallies: Any
    tallied: Tallied


class Opened(NamedTuple):
    """A sound piece, not taken in yet."""

    header: Header
    columns: dict[str, Any]


def copy_all(state: State, known: InForce, revisions: Revisions, partition: int) -> Copied:
    """Everything that a partition holds."""
    return _copied(
        state,
        known,
        revisions,
        partition,
        callers.slots_of(state.callers, partition),
        table.all_of(state.calls, partition),
        table.all_of(state.pairs, partition),
        tuple(range(BUCKETS)),
    )


def copy_changes(
    state: State, known: InForce, revisions: Revisions, partition: int, touched: Touched, first: int
) -> Copied:
    """What was touched of a partition, and buckets from `first` on: about as much again, at least one."""
    held, changed = callers.held_and_touched(state.callers, partition)
    count = min(max(math.ceil(BUCKETS * changed / max(held, 1)), 1), BUCKETS)
    buckets = tuple((first + step) % BUCKETS for step in range(count))
    wanted = np.zeros(BUCKETS, np.bool_)
    wanted[list(buckets)] = True
    slots = callers.changed(state.callers, partition, wanted)
    callers.untouch(state.callers, slots)
    return _copied(
        state,
        known,
        revisions,
        partition,
        slots,
        table.some_of(state.calls, partition, touched.call, wanted),
        table.some_of(state.pairs, partition, touched.pair, wanted),
        buckets,
    )


def _copied(
    state: State, known: InForce, revisions: Revisions, partition: int, slots: Any, said: Any, seen: Any,
    buckets: tuple[int, ...],
) -> Copied:  # fmt: skip
    names = list(known.operators.rows)
    rows = (
        callers.copy_out(state.callers, slots),
        state.calls.rows.take(said, axis=0),
        state.pairs.rows.take(seen, axis=0),
    )
    waits = pending.copied(state, revisions, known, names, partition)
    counted = tallies.held(state.tallies, partition)
    sums = tallied.copied(state, known.trunks.names, partition)
    watermark = int(state.watermark[partition])
    trunks = dict(known.trunks.names)
    return Copied(partition, watermark, *rows, known.versions, names, trunks, buckets, waits, counted, sums)


def pieces(copied: Copied) -> Iterator[Copied]:
    """The copy cut into pieces of a size that a message may have: at least one, and small ones while they are few."""
    lengths = {"callers": len(copied.callers["key"]), "calls": len(copied.calls), "pairs": len(copied.pairs)}
    waits = -(-len(copied.pending.waits) // _PIECE_WAITS)
    fill = max(rows / _PIECE_ROWS[name] for name, rows in lengths.items())
    count = max(1, waits, math.ceil(fill), min(math.ceil(_SMALLER * fill), _PIECES))
    for number in range(count):
        cut = {name: slice(number * rows // count, (number + 1) * rows // count) for name, rows in lengths.items()}
        yield copied._replace(
            callers=callers.cut(copied.callers, cut["callers"]),
            calls=copied.calls[cut["calls"]],
            pairs=copied.pairs[cut["pairs"]],
            pending=pending.cut(copied.pending, number, count),
            tallies=copied.tallies[: None if number == 0 else 0],
            tallied=copied.tallied if number == 0 else Tallied(),
        )


def pack(copied: Copied, sealed_by: Seal) -> bytes:
    """A copy as bytes."""
    columns = {
        **{f"callers.{name}": rows for name, rows in copied.callers.items()},
        "calls": copied.calls,
        "pairs": copied.pairs,
        "tallies": copied.tallies,
    }
    versions, names = copied.versions, copied.operators
    header = encode(
        Header(
            partition=copied.partition,
            watermark=copied.watermark,
            terms=sealed_by.terms,
            versions=[
                (word, versions.policy_of(word), versions.model_of(word))
                for word in np.unique(copied.calls[:, calls.VERSIONS]).tolist()
            ],
            operators=[
                (row, names[row])
                for row in state_layout.operators_in(copied.pairs)
                if row != state_layout.UNNAMED
            ],
            reasons=list(REASONS),
            columns=[(name, rows.dtype.str, list(rows.shape)) for name, rows in columns.items()],
            pending=copied.pending,
            tallied=copied.tallied,
            trunks=[
                (row, *copied.trunks[row])
                for row in np.unique(state_layout.trunks_in(copied.calls)).tolist()
                if row in copied.trunks
            ],
        )
    )  # fmt: skip
    return joined(header, columns.values(), sealed_by.key)


def unpack(state: State, packed: bytes, partition: int, sealed_by: Seal) -> Opened:
    """Open a piece; `state` is only asked for what its columns are like. Raises `StateError`."""
    if not 0 <= partition < len(state.watermark):
        raise StateError(f"partition {partition}: there are {len(state.watermark)} partitions, counted from 0")
    header, at = opened(packed, partition, sealed_by.key)
    _refuse(partition, state_layout.faults_of_header(header, partition, sealed_by.terms, state))
    columns = columns_of(packed, at, header)
    slots = {name: columns[f"callers.{name}"] for name in (*COLUMNS, "wide")}
    _refuse(partition, state_layout.faults_of_callers(slots, partition, header.watermark))
    _refuse(partition, state_layout.faults_of_calls(columns["calls"], header))
    _refuse(partition, state_layout.faults_of_pairs(columns["pairs"], header))
    _refuse(partition, tallied.faults(columns["tallies"], header.tallied))
    _refuse(partition, pending.faults(header.pending))
    return Opened(header, columns)


def put(state: State, known: InForce, revisions: Revisions, opened: Opened) -> None:
    """Take an opened piece in; what its partition holds of the same callers, calls and pairs is replaced."""
    header, columns = opened
    said, seen = _as_ours(columns["calls"], columns["pairs"], header, known)
    state.watermark[header.partition] = header.watermark
    callers.put(state.callers, header.partition, {name: columns[f"callers.{name}"] for name in (*COLUMNS, "wide")})
    calls.put(state.calls, said, state.watermark)
    calls.put(state.pairs, seen, state.watermark)
    pending.put(state, revisions, known, header.partition, header.pending)
    if header.pending.begins:
        counted = tallied.as_ours(columns["tallies"], header.tallied, known.trunks.rows)
        tallies.put(state.tallies, header.partition, counted, header.tallied.number, header.tallied.filled)


def watch(state: State, partition: int) -> None:
    """From here on, what is touched of a partition's callers is noted for `copy_changes`."""
    callers.untouch(state.callers, callers.slots_of(state.callers, partition))


def drop(state: State, partition: int) -> None:
    """Forget what a partition holds."""
    callers.drop(state.callers, partition)
    table.drop(state.calls, partition)
    table.drop(state.pairs, partition)
    originations.drop(state.waiting, state.on_time, partition)
    tallies.drop(state.tallies, partition)
    state.watermark[partition] = -1


def _refuse(partition: int, faults: Iterator[str]) -> None:
    for fault in faults:
        raise StateError(f"partition {partition}: {fault}; {ANEW}")


def _as_ours(said: Any, seen: Any, header: Header, known: InForce) -> tuple[Any, Any]:
    """Copies of calls and pairs that name policies, models, reasons, operators and trunks as this worker does, not the exporter."""
    said, seen = said.copy(), seen.copy()
    theirs, places = np.unique(said[:, calls.VERSIONS], return_inverse=True)
    ours = {word: known.versions.word_of(policy, model) for word, policy, model in header.versions}
    said[:, calls.VERSIONS] = np.array([ours[word] for word in theirs.tolist()], np.int64)[places]
    if header.reasons != list(REASONS):
        words = said[:, calls.REASONS].copy()
        said[:, calls.REASONS] = 0
        for field in Coding(header.reasons).fields.values():
            own = np.array([0, *(CODING.word_of([name]) for name in field.names)], np.int64)
            said[:, calls.REASONS] |= own[words >> field.at & field.mask]
    named = state_layout.trunks_in(said)
    ours_of = np.zeros(calls.TRUNK_MASK + 1, np.int64)
    for row, operator, trunk in header.trunks:
        ours_of[row] = known.trunks.rows.get((operator, trunk), 0)
    said[:, table.HELD] += (ours_of[named] - named) << (16 + calls.TRUNK_SHIFT)
    rows = np.full(CAPACITY, state_layout.UNNAMED, np.int64)
    for row, name in header.operators:
        rows[row] = known.operators.row(name)
    seen[:, calls.OPERATOR] = rows[seen[:, calls.OPERATOR]]
    return said, seen
