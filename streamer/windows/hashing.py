"""A keyed hash of integers and an open-addressing index over it, compiled.

The hash is SipHash-1-3 (Aumasson, Bernstein: SipHash: a fast short-input PRF, 2012) of one or two 64-bit words under a
secret 128-bit key, so that nobody can craft numbers or call ids that fall into one chain.

An index maps a hash to a slot: `cells` is int32[2**k], -1 empty, else the slot number; whoever uses it compares the
slot's own key, so two numbers with one hash are never mixed up. Linear probing, deletion by shifting back.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numba import njit, uint64

Secret = np.ndarray[Any, np.dtype[np.uint64]]


def secret_words(secret: bytes) -> Secret:
    """uint64[2]: the hash key derived from a secret of any length."""
    return np.frombuffer(hashlib.blake2b(secret, digest_size=16, person=b"streamer").digest(), dtype=np.uint64).copy()


@njit(inline="always")
def _rotate(value: int, bits: int) -> int:
    return (value << uint64(bits)) | (value >> uint64(64 - bits))


@njit(cache=True)
def _round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    a += b
    b = _rotate(b, 13) ^ a
    a = _rotate(a, 32)
    c += d
    d = _rotate(d, 16) ^ c
    a += d
    d = _rotate(d, 21) ^ a
    c += b
    b = _rotate(b, 17) ^ c
    c = _rotate(c, 32)
    return a, b, c, d


@njit(cache=True)
def hash_words(first: int, second: int, secret: Secret) -> int:
    """uint64: SipHash-1-3 of the two words."""
    a = secret[0] ^ uint64(0x736F6D6570736575)
    b = secret[1] ^ uint64(0x646F72616E646F6D)
    c = secret[0] ^ uint64(0x6C7967656E657261)
    d = secret[1] ^ uint64(0x7465646279746573)
    one = uint64(first)
    two = uint64(second)
    last = uint64(16) << uint64(56)
    d ^= one
    a, b, c, d = _round(a, b, c, d)
    a ^= one
    d ^= two
    a, b, c, d = _round(a, b, c, d)
    a ^= two
    d ^= last
    a, b, c, d = _round(a, b, c, d)
    a ^= last
    c ^= uint64(0xFF)
    a, b, c, d = _round(a, b, c, d)
    a, b, c, d = _round(a, b, c, d)
    a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


@njit(cache=True)
def hash_bytes(buffer: Any, start: int, end: int, salt: int, secret: Secret) -> int:
    """uint64: keyed hash of `salt` (one word) and the bytes buffer[start:end] (uint8)."""
    a = secret[0] ^ uint64(0x736F6D6570736575)
    b = secret[1] ^ uint64(0x646F72616E646F6D)
    c = secret[0] ^ uint64(0x6C7967656E657261)
    d = secret[1] ^ uint64(0x7465646279746573)
    word = uint64(salt)
    d ^= word
    a, b, c, d = _round(a, b, c, d)
    a ^= word
    word = uint64(0)
    filled = 0
    for at in range(start, end):
        word |= uint64(buffer[at]) << uint64(8 * filled)
        filled += 1
        if filled == 8:
            d ^= word
            a, b, c, d = _round(a, b, c, d)
            a ^= word
            word = uint64(0)
            filled = 0
    word |= uint64((8 + end - start) & 0xFF) << uint64(56)
    d ^= word
    a, b, c, d = _round(a, b, c, d)
    a ^= word
    c ^= uint64(0xFF)
    a, b, c, d = _round(a, b, c, d)
    a, b, c, d = _round(a, b, c, d)
    a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


def cells_for(slots: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    """An empty index for so many slots: int32, a power of two, at most three quarters full."""
    size = 16
    while size * 3 < slots * 4:
        size *= 2
    return np.full(size, -1, dtype=np.int32)
