"""The state of one partition, whole or what changed of it, as bytes and back.

A copy is taken between two batches (`copy_all`, `copy_changes`: array operations and compiled loops alone); packing it
into bytes, and opening such bytes again, touches no state and may be done in another thread; `put` takes opened bytes in.
What a partition holds is what all pieces of it say, put in their order: a later row replaces an earlier one of the same
caller, call or pair.

So that pieces do not have to be kept for ever, everything belongs to one of `BUCKETS` buckets by its hash, and each copy of
changes also holds a few buckets whole. Once every bucket was written again, what was written before is needed no more.

Layout of a piece: the magic `STRM`, a uint16 version, a uint32 header length, eight bytes that tell the secret from others,
the header as JSON (`streamer.state_layout.Header`) with blanks after it, the columns' bytes in the header's order, and an
HMAC-SHA-256 (RFC 2104) of everything before it. Header and columns begin and end at multiples of eight bytes, so that
loops find their numbers aligned. The HMAC's key comes from the secret that all workers share: who can write state but
does not know the secret cannot make any that is taken in. What is taken in is looked at all the same
(`streamer.state_layout`), since a fault in an exporter would otherwise write past the arrays of its importers.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from streamer import pending, state_layout
from streamer.calls.codec import encode
from streamer.columns import State
from streamer.errors import StateError
from streamer.in_force import InForce, Versions
from streamer.journal import Touched
from streamer.pending import Pending
from streamer.policy import REASONS
from streamer.registers.operators import CAPACITY
from streamer.revisions import Revisions
from streamer.state_layout import Header
from streamer.versions import STATE_LAYOUT
from streamer.windows import callers, calls, originations, table
from streamer.windows.hashing import BUCKETS
from streamer.windows.slots import COLUMNS

_MAGIC: Final = b"STRM"
_HEAD: Final = struct.Struct("<4sHI8s")
_DIGEST_BYTES: Final = 32
_ALIGNED: Final = 8
_ANEW: Final = "export it again, or let the partition begin empty"
_decode: Final = msgspec.json.Decoder(Header).decode
_PIECE_ROWS: Final = {"callers": 1_500, "calls": 8_000, "pairs": 8_000}
_PIECE_WAITS: Final = 256
"""Most rows and waiting calls of a piece: with the widest of each, 4 MiB."""


class Seal(NamedTuple):
    """What exporter and importer must have in common: the `key` of the HMAC, and see `streamer.state_layout.terms`."""

    key: bytes
    terms: dict[str, str]


def seal(secret: bytes, home: str, partitions: int) -> Seal:
    """The seal of workers with these settings."""
    key = hashlib.blake2b(secret, digest_size=_DIGEST_BYTES, person=b"streamer.state").digest()
    return Seal(key, state_layout.terms(home, partitions))


def _mark(key: bytes) -> bytes:
    return hmac.digest(key, _MAGIC, "sha256")[:8]


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
    buckets: tuple[int, ...]
    pending: Pending


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
    marked = callers.marks(state.callers)
    changed = callers.mark_touched(state.callers, partition, touched.key, marked)
    held = np.count_nonzero(state.callers.partition[: len(marked)] == partition)
    count = min(max(math.ceil(BUCKETS * changed / max(held, 1)), 1), BUCKETS)
    buckets = tuple((first + step) % BUCKETS for step in range(count))
    wanted = np.zeros(BUCKETS, np.bool_)
    wanted[list(buckets)] = True
    callers.mark_buckets(state.callers, partition, wanted, marked)
    return _copied(
        state,
        known,
        revisions,
        partition,
        np.flatnonzero(marked),
        table.some_of(state.calls, partition, touched.call, wanted),
        table.some_of(state.pairs, partition, touched.pair, wanted),
        buckets,
    )


def _copied(
    state: State, known: InForce, revisions: Revisions, partition: int, slots: Any, said: Any, seen: Any,
    buckets: tuple[int, ...],
) -> Copied:  # fmt: skip
    names = list(known.operators.rows)
    rows = callers.copy_out(state.callers, slots), state.calls.rows[said], state.pairs.rows[seen]
    waits = pending.copied(state, revisions, names, partition)
    return Copied(partition, int(state.watermark[partition]), *rows, known.versions, names, buckets, waits)


def pieces(copied: Copied) -> Iterator[Copied]:
    """The copy cut into pieces of a size that a message may have; at least one."""
    lengths = {"callers": len(copied.callers["key"]), "calls": len(copied.calls), "pairs": len(copied.pairs)}
    waits = -(-len(copied.pending.waits) // _PIECE_WAITS)
    count = max(1, waits, *(-(-rows // _PIECE_ROWS[name]) for name, rows in lengths.items()))
    for number in range(count):
        cut = {name: slice(number * rows // count, (number + 1) * rows // count) for name, rows in lengths.items()}
        yield copied._replace(
            callers=callers.cut(copied.callers, cut["callers"]),
            calls=copied.calls[cut["calls"]],
            pairs=copied.pairs[cut["pairs"]],
            pending=pending.cut(copied.pending, number, count),
        )


def pack(copied: Copied, sealed_by: Seal) -> bytes:
    """A copy as bytes."""
    columns = {
        **{f"callers.{name}": rows for name, rows in copied.callers.items()},
        "calls": copied.calls,
        "pairs": copied.pairs,
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
        )
    )  # fmt: skip
    header += b" " * (-(_HEAD.size + len(header)) % _ALIGNED)
    parts: list[Any] = [_HEAD.pack(_MAGIC, STATE_LAYOUT, len(header), _mark(sealed_by.key)), header]
    for rows in columns.values():
        flat = np.ascontiguousarray(rows).reshape(-1).view(np.uint8)
        parts += [flat, bytes(-flat.size % _ALIGNED)]
    digest = hmac.new(sealed_by.key, digestmod="sha256")
    for part in parts:
        digest.update(part)
    return b"".join([*parts, digest.digest()])


def unpack(state: State, packed: bytes, partition: int, sealed_by: Seal) -> Opened:
    """Open a piece; `state` is only asked for what its columns are like. Raises `StateError`."""
    if not 0 <= partition < len(state.watermark):
        raise StateError(f"partition {partition}: there are {len(state.watermark)} partitions, counted from 0")
    header, at = _opened(packed, partition, sealed_by.key)
    _refuse(partition, state_layout.faults_of_header(header, partition, sealed_by.terms, state))
    columns = _columns(packed, at, header)
    slots = {name: columns[f"callers.{name}"] for name in (*COLUMNS, "wide")}
    _refuse(partition, state_layout.faults_of_callers(slots, partition, header.watermark))
    _refuse(partition, state_layout.faults_of_calls(columns["calls"], header))
    _refuse(partition, state_layout.faults_of_pairs(columns["pairs"], header))
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


def drop(state: State, partition: int) -> None:
    """Forget what a partition holds."""
    callers.drop(state.callers, partition)
    table.drop(state.calls, partition)
    table.drop(state.pairs, partition)
    originations.drop(state.waiting, state.on_time, partition)
    state.watermark[partition] = -1


def _refuse(partition: int, faults: Iterator[str]) -> None:
    for fault in faults:
        raise StateError(f"partition {partition}: {fault}; {_ANEW}")


def _opened(packed: bytes, partition: int, key: bytes) -> tuple[Header, int]:
    """The header of what is sealed with the key, and where the columns begin."""
    if len(packed) < _HEAD.size + _DIGEST_BYTES or packed[:4] != _MAGIC:
        raise StateError(f"partition {partition}: this is no exported state; {_ANEW}")
    _, version, length, mark = _HEAD.unpack_from(packed)
    if version != STATE_LAYOUT:
        raise StateError(
            f"partition {partition}: state of layout {version}, this version reads layout {STATE_LAYOUT} alone; restore it with "
            "the version that wrote it, or let the partition begin empty"
        )
    if not hmac.compare_digest(mark, _mark(key)):
        raise StateError(f"partition {partition}: exported under another secret; set STREAMER_SECRET to the same value")
    sealed = memoryview(packed)[:-_DIGEST_BYTES]
    if not hmac.compare_digest(hmac.digest(key, sealed, "sha256"), packed[-_DIGEST_BYTES:]):
        raise StateError(f"partition {partition}: the state is damaged or forged (its HMAC differs); {_ANEW}")
    try:
        header = _decode(sealed[_HEAD.size : _HEAD.size + length])
        encode(header)  # its names are said in decisions: what cannot be written then is refused now
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise StateError(f"partition {partition}: the header cannot be read: {error}; {_ANEW}") from None
    return header, _HEAD.size + length


def _columns(packed: bytes, at: int, header: Header) -> dict[str, Any]:
    """The columns that a sound header describes, not to be written to."""
    end = at + sum(_room(dtype, shape) for _, dtype, shape in header.columns) + _DIGEST_BYTES
    if end != len(packed) or at % _ALIGNED:
        raise StateError(
            f"partition {header.partition}: {len(packed)} bytes, where the header speaks of {end}; {_ANEW}"
        )
    found = {}
    for name, dtype, shape in header.columns:
        found[name] = np.frombuffer(packed, np.dtype(dtype), math.prod(shape), at).reshape(shape)
        at += _room(dtype, shape)
    return found


def _room(dtype: str, shape: list[int]) -> int:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return size + -size % _ALIGNED


def _as_ours(said: Any, seen: Any, header: Header, known: InForce) -> tuple[Any, Any]:
    """Copies of calls and pairs that name policies, models, reasons and operators as this worker does, not the exporter."""
    said, seen = said.copy(), seen.copy()
    theirs, places = np.unique(said[:, calls.VERSIONS], return_inverse=True)
    ours = {word: known.versions.word_of(policy, model) for word, policy, model in header.versions}
    said[:, calls.VERSIONS] = np.array([ours[word] for word in theirs.tolist()], np.int64)[places]
    if header.reasons != list(REASONS):
        masks = said[:, calls.REASONS].copy()
        said[:, calls.REASONS] = 0
        for bit, name in enumerate(header.reasons):
            if name in REASONS:
                said[:, calls.REASONS] |= (masks >> bit & 1) << REASONS.index(name)
    rows = np.full(CAPACITY, state_layout.UNNAMED, np.int64)
    for row, name in header.operators:
        rows[row] = known.operators.row(name)
    seen[:, calls.OPERATOR] = rows[seen[:, calls.OPERATOR]]
    return said, seen
