"""A keyed hash of integers and an open-addressing index over it, compiled.

The hash is SipHash-1-3 (Aumasson, Bernstein: SipHash: a fast short-input PRF, 2012) of one or two 64-bit words under a
secret 128-bit key, so that nobody can craft numbers or call ids that fall into one chain.

An index maps a hash to a slot: `cells` is int32[2**k], -1 empty, else the slot number; whoever uses it compares the
slot's own key, so two numbers with one hash are never mixed up. Linear probing, deletion by shifting back.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
from numba import uint64

from streamer.calls.compiled_hashes import sip_rounds, sip_start
from streamer.calls.texts import CALL_ID, OPERATOR
from streamer.compiled import loop

Secret = np.ndarray[Any, np.dtype[np.uint64]]

BUCKETS: Final = 64
"""Parts that callers, calls and pairs fall into by their hashes, for whoever goes through all of them a part at a time."""


def secret_words(secret: bytes) -> Secret:
    """uint64[2]: the hash key derived from a secret of any length."""
    return np.frombuffer(hashlib.blake2b(secret, digest_size=16, person=b"streamer").digest(), dtype=np.uint64).copy()


@loop
def _absorb(state: Any, word: int) -> Any:
    a, b, c, d = state
    d ^= word
    a, b, c, d = sip_rounds(a, b, c, d, 1)
    a ^= word
    return a, b, c, d


@loop
def _end(state: Any) -> int:
    a, b, c, d = state
    c ^= uint64(0xFF)
    a, b, c, d = sip_rounds(a, b, c, d, 3)
    return a ^ b ^ c ^ d


@loop
def hash_words(first: int, second: int, secret: Secret) -> int:
    """uint64: SipHash-1-3 of the two words."""
    state = _absorb(sip_start(secret), uint64(first))
    state = _absorb(state, uint64(second))
    return _end(_absorb(state, uint64(16) << uint64(56)))


@loop
def hash_bytes(buffer: Any, start: int, end: int, salt: int, secret: Secret) -> int:
    """uint64: SipHash-1-3 of `salt` (one word) and the bytes buffer[start:end] (uint8)."""
    state = _absorb(sip_start(secret), uint64(salt))
    word = uint64(0)
    filled = 0
    for at in range(start, end):
        word |= uint64(buffer[at]) << uint64(8 * filled)
        filled += 1
        if filled == 8:
            state = _absorb(state, word)
            word = uint64(0)
            filled = 0
    word |= uint64((8 + end - start) & 0xFF) << uint64(56)
    return _end(_absorb(state, word))


@loop
def hash_calls(data: Any, spans: Any, partitions: Any, secret: Secret, out: Any) -> None:
    """Fill out int64[n] with the bits of the hash of (partition, operator, call id) of n calls, whose texts are as
    `streamer.calls.texts` lays them out.
    """
    for row in range(out.shape[0]):
        operator = hash_bytes(data, spans[OPERATOR, row, 0], spans[OPERATOR, row, 1], partitions[row], secret)
        begin, end = spans[CALL_ID, row, 0], spans[CALL_ID, row, 1]
        out[row] = np.int64(hash_bytes(data, begin, end, np.int64(operator), secret))


def cells_for(slots: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    """An empty index for so many slots: int32, a power of two, at most three quarters full."""
    size = 16
    while size * 3 < slots * 4:
        size *= 2
    return np.full(size, -1, dtype=np.int32)
