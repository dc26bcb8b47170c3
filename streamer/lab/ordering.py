"""Putting messages in order of time with bounded memory: rows that are nearly sorted, events that follow their set-up later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Final, NamedTuple

ROWS: Final = 20_000
"""Rows that are held back so that later ones may overtake them."""

PENDING: Final = 1_000_000
"""Answers and ends held at most until their time has come."""


class Message(NamedTuple):
    """A call event ready to be published: its time (ms), record key, value, and (operator, call id) when it is a set-up."""

    at: int
    key: str
    value: bytes
    call: tuple[str, str] | None


def in_time_order(
    rows: Iterable[Sequence[Message]],
    *,
    hold: int = ROWS,
    pending_max: int = PENDING,
    out_of_order: Callable[[Message], None] = lambda _: None,
) -> Iterator[Message]:
    """Every message of `rows`, in order of time as far as holding back `hold` rows allows.

    The messages of a row are in order themselves; the first is given out when the row's turn comes, the others when their
    time has come. What comes after a later time was given out already is given out all the same, and told to
    `out_of_order`. Equal times keep the order of the file; of an earlier call's end and a later call's set-up, the end
    is first. With `hold` 0, rows of single messages keep the order of the file altogether.

    >>> rows = [[Message(1, "a", b"", None), Message(9, "a", b"", None)], [Message(5, "b", b"", None)]]
    >>> [message.at for message in in_time_order(rows)]
    [1, 5, 9]
    """
    held: list[tuple[int, int, Sequence[Message]]] = []
    pending: list[tuple[int, int, int, Message]] = []
    reached = -1

    def given(message: Message) -> Message:
        nonlocal reached
        if message.at < reached:
            out_of_order(message)
        reached = max(reached, message.at)
        return message

    def release() -> Iterator[Message]:
        _, number, row = heappop(held)
        at = row[0].at
        while pending and pending[0][0] <= at:
            yield given(heappop(pending)[3])
        yield given(row[0])
        for place, message in enumerate(row[1:]):
            heappush(pending, (message.at, number, place, message))
        while len(pending) > pending_max:
            yield given(heappop(pending)[3])

    for number, row in enumerate(rows):
        if row:
            heappush(held, (row[0].at if hold else number, number, row))
            if len(held) > hold:
                yield from release()
    while held:
        yield from release()
    while pending:
        yield given(heappop(pending)[3])
