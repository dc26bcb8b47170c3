"""Putting messages in order of time with bounded memory: rows that are nearly sorted, events that follow their set-up later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Final, NamedTuple

import msgspec

ROWS: Final = 20_000
"""Rows that are held back so that later ones may overtake them."""

PENDING: Final = 1_000_000
"""Answers and ends held at most until their time has come."""

ROOM: Final = 64 << 20
"""Bytes of rows, and as many of answers and ends, that may be held however few they are."""

ROW_BYTES: Final = 4_096
"""Bytes of a row, on average, beyond which fewer rows are held back."""

PENDING_BYTES: Final = 512
"""Bytes of an answer or end likewise."""


class Message(NamedTuple):
    """A call event ready to be published: its time (ms), record key, value, and (operator, call id) when it is a set-up."""

    at: int
    key: str
    value: bytes
    call: tuple[str, str] | None


class Held(msgspec.Struct, array_like=True):
    """What is held back: rows and later events as heaps, how many rows there were, the latest time given out."""

    rows: list[tuple[int, int, list[Message]]] = []
    pending: list[tuple[int, int, int, Message]] = []
    number: int = 0
    reached: int = -1


class InOrder:
    """Rows of messages go in, every message comes out, in order of time as far as holding back `hold` rows allows.

    The messages of a row are in order themselves; the first is given out when the row's turn comes, the others when their
    time has come. What comes after a later time was given out already is given out all the same, and told to
    `out_of_order`. Equal times keep the order of the file; of an earlier call's end and a later call's set-up, the end
    is first. With `hold` 0, rows of single messages keep the order of the file altogether. `held` is what another one held
    back, to go on where it was. Of rows, or later events, that are unusually large fewer are held: of their keys and values
    together as many bytes as `hold` rows of `ROW_BYTES`, or `pending_max` events of `PENDING_BYTES`, have, and `room` in
    any case.

    >>> order = InOrder(hold=1)
    >>> rows = [[Message(1, "a", b"", None), Message(9, "a", b"", None)], [Message(5, "b", b"", None)]]
    >>> [message.at for row in rows for message in order.put(row)], [message.at for message in order.rest()]
    ([1], [5, 9])
    """

    def __init__(
        self,
        *,
        hold: int = ROWS,
        pending_max: int = PENDING,
        out_of_order: Callable[[Message], None] = lambda _: None,
        held: Held | None = None,
        room: int = ROOM,
    ) -> None:
        self._hold = hold
        self._pending_max = pending_max
        self._out_of_order = out_of_order
        self.held = Held() if held is None else held
        self._rows_bytes_max = max(room, hold * ROW_BYTES)
        self._pending_bytes_max = max(room, pending_max * PENDING_BYTES)
        self._rows_bytes = sum(_bytes(*row) for _, _, row in self.held.rows)
        self._pending_bytes = sum(_bytes(message) for _, _, _, message in self.held.pending)

    def put(self, row: Sequence[Message]) -> list[Message]:
        """Take in a row; gives the messages whose turn it is now."""
        held = self.held
        if row:
            heappush(held.rows, (row[0].at if self._hold else held.number, held.number, list(row)))
            self._rows_bytes += _bytes(*row)
        held.number += 1
        found: list[Message] = []
        while len(held.rows) > self._hold or self._rows_bytes > self._rows_bytes_max:
            found += self._released()
        return found

    def rest(self) -> Iterator[Message]:
        """Whatever is still held back."""
        while self.held.rows:
            yield from self._released()
        while self.held.pending:
            yield self._later()

    def _released(self) -> Iterator[Message]:
        pending = self.held.pending
        _, number, row = heappop(self.held.rows)
        self._rows_bytes -= _bytes(*row)
        at = row[0].at
        while pending and pending[0][0] <= at:
            yield self._later()
        yield self._given(row[0])
        for place, message in enumerate(row[1:]):
            heappush(pending, (message.at, number, place, message))
            self._pending_bytes += _bytes(message)
        while len(pending) > self._pending_max or self._pending_bytes > self._pending_bytes_max:
            yield self._later()

    def _later(self) -> Message:
        message = heappop(self.held.pending)[3]
        self._pending_bytes -= _bytes(message)
        return self._given(message)

    def _given(self, message: Message) -> Message:
        if message.at < self.held.reached:
            self._out_of_order(message)
        self.held.reached = max(self.held.reached, message.at)
        return message


def late_said(count: int) -> str:
    """What is said of so many messages that came after one of a later time."""
    return f"{count:,} messages came after later ones; a larger --hold may put them in order"


def _bytes(*messages: Message) -> int:
    return sum(len(message.key) + len(message.value) for message in messages)
