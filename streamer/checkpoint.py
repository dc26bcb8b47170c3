"""The state of one partition as bytes and back.

Layout: the magic `STRM`, a uint16 version, a uint32 header length, the header as JSON (watermark, the policies and
models that verdicts name, and for each column its name, dtype, shape), then the columns' bytes in that order, then a
SHA-256 of everything before it. A layout of another version or damaged bytes are refused, never misread. The keys of
the hashes are the worker's secret: state is only readable by workers with the same one, which the header's check tells.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any, Final

import msgspec
import numpy as np
import orjson

from streamer.calls.decisions import Policy
from streamer.columns import State
from streamer.errors import StateError
from streamer.in_force import Versions
from streamer.windows import callers, calls
from streamer.windows.hashing import hash_words

_MAGIC: Final = b"STRM"
VERSION: Final = 3
_HEAD: Final = struct.Struct("<4sHI")


def _check(state: State) -> int:
    return int(hash_words(1, 2, state.callers.secret))


def pack(state: State, versions: Versions, partition: int) -> bytes:
    """The bytes of a partition's state."""
    columns = {
        **{f"callers.{name}": rows for name, rows in callers.copy_out(state.callers, partition).items()},
        "calls": calls.copy_out(state.calls, partition),
        "pairs": calls.copy_out(state.pairs, partition),
    }
    header = orjson.dumps(
        {
            "partition": partition,
            "watermark": int(state.watermark[partition]),
            "secret": _check(state),
            "versions": [
                [word, msgspec.to_builtins(versions.policy_of(word)), versions.model_of(word)]
                for word in np.unique(columns["calls"][:, calls.VERSIONS]).tolist()
            ],
            "columns": [[name, rows.dtype.str, list(rows.shape)] for name, rows in columns.items()],
        }
    )
    body = b"".join(
        [
            _HEAD.pack(_MAGIC, VERSION, len(header)),
            header,
            *(np.ascontiguousarray(rows).tobytes() for rows in columns.values()),
        ]
    )
    return body + hashlib.sha256(body).digest()


def unpack(state: State, versions: Versions, partition: int, packed: bytes) -> None:
    """Put packed state in the place of what the partition holds; raises `StateError`, and then changes nothing."""
    if len(packed) < _HEAD.size + 32 or packed[:4] != _MAGIC:
        raise StateError(f"partition {partition}: this is no exported state")
    _, version, length = _HEAD.unpack_from(packed)
    if version != VERSION:
        raise StateError(f"partition {partition}: state of layout {version}; this version reads layout {VERSION}")
    if hashlib.sha256(packed[:-32]).digest() != packed[-32:]:
        raise StateError(f"partition {partition}: the state is damaged (its checksum differs)")
    header = orjson.loads(packed[_HEAD.size : _HEAD.size + length])
    if header["partition"] != partition:
        raise StateError(f"partition {partition}: this is the state of partition {header['partition']}")
    if header["secret"] != _check(state):
        raise StateError(f"partition {partition}: exported under another secret; set STREAMER_SECRET to the same value")
    found: dict[str, Any] = {}
    at = _HEAD.size + length
    for name, dtype, shape in header["columns"]:
        count = int(np.prod(shape))
        found[name] = np.frombuffer(packed, np.dtype(dtype), count, at).reshape(shape)
        at += found[name].nbytes
    callers.drop(state.callers, partition)
    for table, name in ((state.calls, "calls"), (state.pairs, "pairs")):
        calls.drop(table, partition)
        calls.copy_in(table, found[name] if name == "pairs" else _renamed(versions, header, found[name].copy()))
    callers.copy_in(
        state.callers, partition, {name[8:]: column for name, column in found.items() if name.startswith("callers.")}
    )
    state.watermark[partition] = header["watermark"]


def _renamed(versions: Versions, header: dict[str, Any], entries: Any) -> Any:
    """Calls name policies and models by the exporter's words; they become ours."""
    ours = {word: versions.word_of(msgspec.convert(raw, Policy), model) for word, raw, model in header["versions"]}
    entries[:, calls.VERSIONS] = [ours[word] for word in entries[:, calls.VERSIONS].tolist()]
    return entries
