"""Which callers, calls and pairs of numbers the records of a partition may have changed since its state was last copied."""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import numpy as np


class Touched(NamedTuple):
    """Of one partition's records, int64[n]: the caller key's id, and the bits of the hashes of the call and of the pair."""

    key: Any
    call: Any
    pair: Any


class Journal:
    """Notes every batch while any partition is watched; costs nothing else. What nobody will ask for any more goes."""

    def __init__(self) -> None:
        self._noted: collections.deque[tuple[Any, Any, Any, Any]] = collections.deque()
        self._first = 0  # the number of the oldest batch that is noted
        self._since: dict[int, int] = {}  # by watched partition: the number of the first batch after its last copy

    def watch(self, partition: int) -> None:
        """From here on, what touches the partition is noted."""
        self._since[partition] = self._first + len(self._noted)
        self._trim()

    def leave(self, partition: int) -> None:
        """Watch the partition no more."""
        self._since.pop(partition, None)
        self._trim()

    def note(self, partitions: Any, key: Any, call: Any, pair: Any) -> None:
        """A batch, int64[n] each; the arrays must not be changed any more."""
        if self._since:
            self._noted.append((partitions.copy(), key, call, pair))

    def take(self, partition: int) -> Touched:
        """What touched a watched partition since it was last asked for, or watched. Raises `KeyError` for another one."""
        skipped = self._since[partition] - self._first
        noted = list(self._noted)[skipped:]
        self.watch(partition)
        if not noted:
            nothing = np.zeros(0, np.int64)
            return Touched(nothing, nothing, nothing)
        partitions, *columns = (np.concatenate(column) for column in zip(*noted, strict=True))
        return Touched(*(column[partitions == partition] for column in columns))

    def _trim(self) -> None:
        oldest = min(self._since.values(), default=self._first + len(self._noted))
        while self._first < oldest:
            self._noted.popleft()
            self._first += 1
