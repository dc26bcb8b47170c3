"""A growing map from a 64-bit key to a row number, for registers of any size; rows are reused after removal."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streamer.compiled import loop
from streamer.windows.hashing import Secret, hash_words

EMPTY = -1


class Index(NamedTuple):
    """keys int64[2**k], rows int32[2**k] (-1 empty), secret uint64[2]."""

    keys: Any
    rows: Any
    secret: Any


def index(secret: Secret, size: int = 64) -> Index:
    """An empty index of `size` cells, a power of two."""
    return Index(np.zeros(size, np.int64), np.full(size, EMPTY, np.int32), secret)


@loop
def get(found: Index, key: int, salt: int) -> int:
    """The row under (key, salt), -1 if there is none. The salt must be below 2**15 and is folded into the key's hash."""
    mask = np.int64(found.rows.shape[0] - 1)
    mixed = np.int64(hash_words(key, salt, found.secret))
    cell = mixed & mask
    while found.rows[cell] != EMPTY:
        if found.keys[cell] == mixed:
            return found.rows[cell]
        cell = (cell + 1) & mask
    return -1


@loop
def put(found: Index, key: int, salt: int, row: int) -> None:
    """Enter a row under a key that is not there yet."""
    mixed = np.int64(hash_words(key, salt, found.secret))
    _put_hash(found, mixed, row)


@loop
def _put_hash(found: Index, mixed: int, row: int) -> None:
    mask = np.int64(found.rows.shape[0] - 1)
    cell = mixed & mask
    while found.rows[cell] != EMPTY:
        cell = (cell + 1) & mask
    found.keys[cell] = mixed
    found.rows[cell] = row


@loop
def remove(found: Index, key: int, salt: int) -> None:
    """Take a key out, if it is there."""
    mask = np.int64(found.rows.shape[0] - 1)
    mixed = np.int64(hash_words(key, salt, found.secret))
    cell = mixed & mask
    while found.keys[cell] != mixed or found.rows[cell] == EMPTY:
        if found.rows[cell] == EMPTY:
            return
        cell = (cell + 1) & mask
    hole = cell
    cell = (cell + 1) & mask
    while found.rows[cell] != EMPTY:
        home = found.keys[cell] & mask
        if ((cell - home) & mask) >= ((cell - hole) & mask):
            found.keys[hole] = found.keys[cell]
            found.rows[hole] = found.rows[cell]
            hole = cell
        cell = (cell + 1) & mask
    found.rows[hole] = EMPTY


@loop
def _move(old: Index, new: Index) -> None:
    for cell in range(old.rows.shape[0]):
        if old.rows[cell] != EMPTY:
            _put_hash(new, old.keys[cell], old.rows[cell])


def grown(found: Index, entries: int) -> Index:
    """The index itself, or a larger one when `entries` would fill it past a half."""
    size = len(found.rows)
    while entries * 2 > size:
        size *= 2
    if size == len(found.rows):
        return found
    larger = index(found.secret, size)
    _move(found, larger)
    return larger


def widened(column: Any, rows: int) -> Any:
    """The column, or a copy twice as long, or as often twice as `rows` need."""
    size = len(column)
    while rows > size:
        size *= 2
    if size == len(column):
        return column
    longer = np.zeros((size, *column.shape[1:]), column.dtype)
    longer[: len(column)] = column
    return longer
