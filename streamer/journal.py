"""Which callers, calls and pairs of numbers the records of a partition may have changed since its state was last copied."""

from __future__ import annotations

import collections
from typing import Any, Final, NamedTuple

import numpy as np

MOST: Final = 2_000_000
"""Records noted at most, 40 bytes each."""


class Touched(NamedTuple):
    """Of one partition's records, int64[n]: the caller key's id, and the bits of the hashes of the call and of the pair."""

    key: Any
    call: Any
    pair: Any


class Journal:
    """Notes every batch that has records of a watched partition, as long as one of these partitions may ask for it.

    Holds at most `most` records: of a partition that does not ask for so long it knows no more what was touched.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._noted: collections.deque[tuple[Any, Any, Any, Any]] = collections.deque()
        self._records = 0
        self._first = 0  # the number of the oldest batch that is noted
        self._since: dict[
            int, int | None
        ] = {}  # by watched partition: the number of its first batch after its last copy
        self._overrun: set[int] = set()

    @property
    def held(self) -> int:
        """Records noted."""
        return self._records

    def watch(self, partition: int) -> None:
        """From here on, what touches the partition is noted."""
        self._since[partition] = None
        self._overrun.discard(partition)
        self._trim()

    def leave(self, partition: int) -> None:
        """Watch the partition no more."""
        self._since.pop(partition, None)
        self._overrun.discard(partition)
        self._trim()

    def note(self, partitions: Any, key: Any, call: Any, pair: Any) -> None:
        """A batch, int64[n] each; the arrays must not be changed any more."""
        watched = self._since.keys() & set(partitions.tolist()) - self._overrun if self._since else ()
        if not watched:
            return
        for partition in watched:
            if self._since[partition] is None:
                self._since[partition] = self._first + len(self._noted)
        self._noted.append((partitions.copy(), key, call, pair))
        self._records += len(key)
        while self._records > self._most:
            late = {partition for partition, since in self._since.items() if since == self._first}
            self._overrun |= late
            self._since |= dict.fromkeys(late)
            self._trim()

    def take(self, partition: int) -> Touched | None:
        """What touched a watched partition since it was last asked for, or watched; None when that was too much to note.

        Raises `KeyError` for a partition that is not watched.
        """
        since, overrun = self._since[partition], partition in self._overrun
        noted = [] if since is None else list(self._noted)[since - self._first :]
        self.watch(partition)
        if overrun:
            return None
        if not noted:
            nothing = np.zeros(0, np.int64)
            return Touched(nothing, nothing, nothing)
        partitions, *columns = (np.concatenate(column) for column in zip(*noted, strict=True))
        return Touched(*(column[partitions == partition] for column in columns))

    def _trim(self) -> None:
        """Let go of what nobody will ask for any more."""
        oldest = min((since for since in self._since.values() if since is not None), default=None)
        while self._noted and self._first != oldest:
            self._records -= len(self._noted.popleft()[1])
            self._first += 1
