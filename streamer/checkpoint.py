"""The state of one partition as bytes and back.

Layout: the magic `STRM`, a uint16 version, a uint32 header length, eight bytes that tell the secret from others, the
header as JSON (`streamer.state_layout.Header`) with blanks after it, the columns' bytes in the header's order, and an
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

from streamer import state_layout
from streamer.calls.codec import encode
from streamer.columns import State
from streamer.errors import StateError
from streamer.in_force import InForce
from streamer.policy import REASONS
from streamer.registers.operators import CAPACITY
from streamer.state_layout import Header
from streamer.versions import STATE_LAYOUT
from streamer.windows import callers, calls, table
from streamer.windows.slots import COLUMNS

_MAGIC: Final = b"STRM"
_HEAD: Final = struct.Struct("<4sHI8s")
_DIGEST_BYTES: Final = 32
_ALIGNED: Final = 8
_ANEW: Final = "export it again, or let the partition begin empty"
_decode: Final = msgspec.json.Decoder(Header).decode


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


def pack(state: State, known: InForce, partition: int, sealed_by: Seal) -> bytes:
    """The bytes of a partition's state."""
    columns = {
        **{f"callers.{name}": rows for name, rows in callers.copy_out(state.callers, partition).items()},
        "calls": table.copy_out(state.calls, partition),
        "pairs": table.copy_out(state.pairs, partition),
    }
    versions, names = known.versions, list(known.operators.rows)
    header = encode(
        Header(
            partition=partition,
            watermark=int(state.watermark[partition]),
            terms=sealed_by.terms,
            versions=[
                (word, versions.policy_of(word), versions.model_of(word))
                for word in np.unique(columns["calls"][:, calls.VERSIONS]).tolist()
            ],
            operators=[
                (row, names[row])
                for row in state_layout.operators_in(columns["pairs"])
                if row != state_layout.UNNAMED
            ],
            reasons=list(REASONS),
            columns=[(name, rows.dtype.str, list(rows.shape)) for name, rows in columns.items()],
        )
    )  # fmt: skip
    header += b" " * (-(_HEAD.size + len(header)) % _ALIGNED)
    pieces = [_HEAD.pack(_MAGIC, STATE_LAYOUT, len(header), _mark(sealed_by.key)), header]
    for rows in columns.values():
        flat = rows.reshape(-1).view(np.uint8)
        pieces += [flat, bytes(-flat.size % _ALIGNED)]
    digest = hmac.new(sealed_by.key, digestmod="sha256")
    for piece in pieces:
        digest.update(piece)
    return b"".join([*pieces, digest.digest()])


def unpack(state: State, known: InForce, partition: int, packed: bytes, sealed_by: Seal) -> None:
    """Put packed state in the place of what the partition holds; raises `StateError`, and then changes nothing."""
    if not 0 <= partition < len(state.watermark):
        raise StateError(f"partition {partition}: there are {len(state.watermark)} partitions, counted from 0")
    header, at = _opened(packed, partition, sealed_by.key)
    _refuse(partition, state_layout.faults_of_header(header, partition, sealed_by.terms, state))
    columns = _columns(packed, at, header)
    slots = {name: columns[f"callers.{name}"] for name in (*COLUMNS, "wide")}
    _refuse(partition, state_layout.faults_of_callers(slots, partition, header.watermark))
    _refuse(partition, state_layout.faults_of_calls(columns["calls"], header))
    _refuse(partition, state_layout.faults_of_pairs(columns["pairs"], header))
    said, seen = _as_ours(columns["calls"], columns["pairs"], header, known)
    callers.drop(state.callers, partition)
    state.watermark[partition] = header.watermark
    callers.copy_in(state.callers, partition, slots)
    for held, rows in ((state.calls, said), (state.pairs, seen)):
        table.drop(held, partition)
        calls.copy_in(held, rows, state.watermark)


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
