"""Kafka's murmur2 and SipHash-2-4 over bytes, compiled; the reference is `streamer.calls.partitioner`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint32, uint64

from streamer.compiled import inlined, loop

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Words = np.ndarray[Any, np.dtype[np.uint64]]


@loop
def partition_of_bytes(data: Bytes, length: int, partitions: int) -> int:
    """The partition of the key that is the first `length` bytes of `data`."""
    m = uint32(0x5BD1E995)
    h = uint32(uint32(0x9747B28C) ^ uint32(length))
    whole = length & ~3
    for at in range(0, whole, 4):
        k = uint32(
            uint32(data[at])
            | uint32(data[at + 1]) << uint32(8)
            | uint32(data[at + 2]) << uint32(16)
            | uint32(data[at + 3]) << uint32(24)
        )
        k = uint32(k * m)
        k = uint32(uint32(k ^ (k >> uint32(24))) * m)
        h = uint32(uint32(h * m) ^ k)
    if length > whole:
        last = uint32(0)
        for at in range(length - 1, whole - 1, -1):
            last = uint32(uint32(last << uint32(8)) | uint32(data[at]))
        h = uint32(uint32(h ^ last) * m)
    h = uint32(uint32(h ^ (h >> uint32(13))) * m)
    h = uint32(h ^ (h >> uint32(15)))
    return np.int64(h & uint32(0x7FFFFFFF)) % partitions


@inlined
def _turn(word: int, by: int) -> int:
    return (word << uint64(by)) | (word >> uint64(64 - by))


@loop
def sip_rounds(a: int, b: int, c: int, d: int, times: int) -> tuple[int, int, int, int]:
    """SipHash's state (four uint64 words) after so many of its rounds."""
    for _ in range(times):
        a += b
        b = _turn(b, 13) ^ a
        a = _turn(a, 32)
        c += d
        d = _turn(d, 16) ^ c
        a += d
        d = _turn(d, 21) ^ a
        c += b
        b = _turn(b, 17) ^ c
        c = _turn(c, 32)
    return a, b, c, d


@loop
def sip_start(secret: Words) -> tuple[int, int, int, int]:
    """SipHash's state before the first word, under `secret`, uint64[2]."""
    return (
        secret[0] ^ uint64(0x736F6D6570736575),
        secret[1] ^ uint64(0x646F72616E646F6D),
        secret[0] ^ uint64(0x6C7967656E657261),
        secret[1] ^ uint64(0x7465646279746573),
    )


@loop
def siphash_bytes(data: Bytes, length: int, secret: Words) -> int:
    """uint64: SipHash-2-4 of the first `length` bytes of `data` under `secret`, uint64[2]."""
    a, b, c, d = sip_start(secret)
    whole = length & ~7
    for at in range(0, whole + 1, 8):
        word = uint64(0)
        for byte in range(min(8, length - at)):
            word |= uint64(data[at + byte]) << uint64(8 * byte)
        if at == whole:
            word |= uint64(length & 255) << uint64(56)
        d ^= word
        a, b, c, d = sip_rounds(a, b, c, d, 2)
        a ^= word
    c ^= uint64(255)
    a, b, c, d = sip_rounds(a, b, c, d, 4)
    return a ^ b ^ c ^ d
