"""A piece of state as sealed bytes.

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
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from streamer import state_layout
from streamer.calls.codec import encode
from streamer.errors import StateError
from streamer.state_layout import Header
from streamer.versions import LAYOUTS_READ, STATE_LAYOUT

_MAGIC: Final = b"STRM"
_HEAD: Final = struct.Struct("<4sHI8s")
_DIGEST_BYTES: Final = 32
_ALIGNED: Final = 8
ANEW: Final = "export it again, or let the partition begin empty"
"""What to do about state that is not taken in."""
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


def joined(header: bytes, columns: Iterable[Any], key: bytes) -> bytes:
    """A header and its columns as sealed bytes."""
    header += b" " * (-(_HEAD.size + len(header)) % _ALIGNED)
    parts: list[Any] = [_HEAD.pack(_MAGIC, STATE_LAYOUT, len(header), _mark(key)), header]
    for rows in columns:
        flat = np.ascontiguousarray(rows).reshape(-1).view(np.uint8)
        parts += [flat, bytes(-flat.size % _ALIGNED)]
    digest = hmac.new(key, digestmod="sha256")
    for part in parts:
        digest.update(part)
    return b"".join([*parts, digest.digest()])


def opened(packed: bytes, partition: int, key: bytes) -> tuple[Header, int]:
    """The header of what is sealed with the key, and where the columns begin."""
    if len(packed) < _HEAD.size + _DIGEST_BYTES or packed[:4] != _MAGIC:
        raise StateError(f"partition {partition}: this is no exported state; {ANEW}")
    _, version, length, mark = _HEAD.unpack_from(packed)
    if version not in LAYOUTS_READ:
        read = " and ".join(map(str, LAYOUTS_READ))
        raise StateError(
            f"partition {partition}: state of layout {version}, this version reads layouts {read}; restore it with "
            "the version that wrote it, or let the partition begin empty"
        )
    if not hmac.compare_digest(mark, _mark(key)):
        raise StateError(f"partition {partition}: exported under another secret; set STREAMER_SECRET to the same value")
    sealed = memoryview(packed)[:-_DIGEST_BYTES]
    if not hmac.compare_digest(hmac.digest(key, sealed, "sha256"), packed[-_DIGEST_BYTES:]):
        raise StateError(f"partition {partition}: the state is damaged or forged (its HMAC differs); {ANEW}")
    try:
        header = _decode(sealed[_HEAD.size : _HEAD.size + length])
        encode(header)  # its names are said in decisions: what cannot be written then is refused now
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise StateError(f"partition {partition}: the header cannot be read: {error}; {ANEW}") from None
    return header, _HEAD.size + length


def columns_of(packed: bytes, at: int, header: Header) -> dict[str, Any]:
    """The columns that a sound header describes, not to be written to."""
    end = at + sum(_room(dtype, shape) for _, dtype, shape in header.columns) + _DIGEST_BYTES
    if end != len(packed) or at % _ALIGNED:
        raise StateError(f"partition {header.partition}: {len(packed)} bytes, where the header speaks of {end}; {ANEW}")
    found = {}
    for name, dtype, shape in header.columns:
        found[name] = np.frombuffer(packed, np.dtype(dtype), math.prod(shape), at).reshape(shape)
        at += _room(dtype, shape)
    return found


def _room(dtype: str, shape: list[int]) -> int:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return size + -size % _ALIGNED
