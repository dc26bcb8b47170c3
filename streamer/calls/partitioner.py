"""Which partition a key belongs to, and the keyed hash behind the ids of things that are not numbers.

Plain Python, the reference; `streamer.calls.compiled_hashes` holds the same two functions compiled.
"""

from __future__ import annotations

from typing import Final

_MASK32: Final = 0xFFFFFFFF
_MASK64: Final = 0xFFFFFFFFFFFFFFFF


def murmur2(data: bytes) -> int:
    """MurmurHash2 as Kafka's Java client computes it (`org.apache.kafka.common.utils.Utils.murmur2`), as unsigned.

    >>> murmur2(b"21") - 2**32
    -973932308
    """
    m = 0x5BD1E995
    length = len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & _MASK32
        k = (k ^ k >> 24) * m & _MASK32
        h = (h * m & _MASK32) ^ k
    if length > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & _MASK32
    h = (h ^ h >> 13) * m & _MASK32
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a record key, equal to the Java client's and to librdkafka's `murmur2_random` for a key that is not null.

    >>> partition_of(b"+77011234567", 24)
    2
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def siphash(data: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4 of `data` under a 128-bit key given as two little-endian words (Aumasson and Bernstein, 2012).

    >>> key = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
    >>> hex(siphash(bytes(range(15)), key))
    '0xa129ca6149be45e5'
    """
    k0, k1 = key[0] & _MASK64, key[1] & _MASK64
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    whole = len(data) & ~7
    for at in range(0, whole, 8):
        _absorb(v, int.from_bytes(data[at : at + 8], "little"))
    _absorb(v, int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    v[2] ^= 0xFF
    for _ in range(4):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _absorb(v: list[int], word: int) -> None:
    v[3] ^= word
    _round(v)
    _round(v)
    v[0] ^= word


def _turn(word: int, by: int) -> int:
    return (word << by | word >> (64 - by)) & _MASK64


def _round(v: list[int]) -> None:
    v[0] = (v[0] + v[1]) & _MASK64
    v[1] = _turn(v[1], 13) ^ v[0]
    v[0] = _turn(v[0], 32)
    v[2] = (v[2] + v[3]) & _MASK64
    v[3] = _turn(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & _MASK64
    v[3] = _turn(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & _MASK64
    v[1] = _turn(v[1], 17) ^ v[2]
    v[2] = _turn(v[2], 32)
