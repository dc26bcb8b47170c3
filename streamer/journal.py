"""Which calls and pairs of numbers the records of a partition may have changed since its state was last copied.

Callers have a mark of their own (`streamer.windows.slots`), since all of a partition's are looked through anyway.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

MOST: Final = 2_000_000
"""Records noted at most, 24 bytes each."""
_FIRST_ROOM: Final = 4_096


class Touched(NamedTuple):
    """Of one partition's records, int64[n]: the bits of the hashes of the call and of the pair."""

    call: Any
    pair: Any


class Journal:
    """Notes every batch that has records of a watched partition, as long as one of these partitions may ask for it.

    Holds at most `most` records: of a partition that does not ask for so long it knows no more what was touched.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._rows: Any = np.empty((3, _FIRST_ROOM), np.int64)  # partition, call, pair
        self._at = 0  # where in them the oldest record lies
        self._begin = self._end = 0  # of what is held, counted from the first record that was ever noted
        # By watched partition, where its first batch after its last copy begins.
        self._since: dict[int, int | None] = {}
        self._overrun: set[int] = set()

    @property
    def held(self) -> int:
        """Records noted."""
        return self._end - self._begin

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

    def note(self, partitions: Any, call: Any, pair: Any) -> None:
        """A batch, int64[n] each."""
        watched = self._since.keys() & set(partitions.tolist()) - self._overrun if self._since else ()
        if not watched:
            return
        n = len(call)
        for partition in watched:
            if self._since[partition] is None:
                self._since[partition] = self._end
        while self.held + n > self._most and any(since is not None for since in self._since.values()):
            late = {partition for partition, since in self._since.items() if since == self._begin}
            self._overrun |= late
            self._since |= dict.fromkeys(late)
            self._trim()
        if self.held + n > self._most:
            return
        at = self._room_for(n)
        for row, column in zip(self._rows, (partitions, call, pair), strict=True):
            row[at : at + n] = column
        self._end += n

    def take(self, partition: int) -> Touched | None:
        """What touched a watched partition since it was last asked for, or watched; None when that was too much to note.

        Raises `KeyError` for a partition that is not watched.
        """
        since, overrun = self._since[partition], partition in self._overrun
        held = self._rows[:, self._at + ((self._end if since is None else since) - self._begin) : self._at + self.held]
        _, *columns = held[:, held[0] == partition]
        self.watch(partition)
        # Of one layout, so that no loop is compiled for another one while calls come.
        return None if overrun else Touched(*map(np.ascontiguousarray, columns))

    def _room_for(self, n: int) -> int:
        """Where in the arrays n more records go."""
        if self._at + self.held + n > self._rows.shape[1]:
            room = self._rows.shape[1]
            while room < 2 * (self.held + n):
                room *= 2
            held = self._rows[:, self._at : self._at + self.held]
            if room > self._rows.shape[1]:
                self._rows = np.empty((3, room), np.int64)
            self._rows[:, : self.held] = held.copy()
            self._at = 0
        return self._at + self.held

    def _trim(self) -> None:
        """Let go of what nobody will ask for any more."""
        oldest = min((since for since in self._since.values() if since is not None), default=self._end)
        self._at += oldest - self._begin
        self._begin = oldest
