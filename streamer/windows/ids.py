"""Calls in the table of calls, by operator, call id and numbers: two calls may have one id, since callers may choose ids.

All calls of one id lie near one another, so that an answer or end that names other numbers finds the newest of them.
"""

from __future__ import annotations

from typing import Any, Final

from streamer.compiled import loop
from streamer.windows import calls as recent
from streamer.windows import table as tables
from streamer.windows.table import Table

_NUMBERS: Final = 0xFFFF0000
"""Bits of a call's hash that its numbers turn; neither its segment nor its row hangs on them."""
_MOST: Final = 8
"""So many calls of one id are kept: whoever uses one for all his calls would fill all that lies near."""


@loop
def kept_by(call: int, pair: int) -> int:
    """The bits of the hash that a call is kept by: of the hash of its operator and call id, and of that of its pair of numbers."""
    return call ^ (pair & _NUMBERS)


@loop
def find(calls: Table, call: int, kept: int, alike: bool) -> int:
    """The row of the call with an operator and call id (the bits of their hash) and the numbers by which it is `kept`, -1 if there is
    none. Without numbers were calls kept before. Where one that is `alike` will do, the newest with that id whatever its numbers
    are: some networks end a call under another called number.
    """
    rows, first = calls.rows, tables.first_of(calls, call)
    found = -1
    for step in range(tables.PROBES):
        cell = tables.near(first, call, step)
        if rows[cell, tables.HELD] == 0:
            break
        held = rows[cell, tables.HASH]
        if held == kept:
            return cell
        if held == call or (alike and (held ^ call) & ~_NUMBERS == 0):
            if found < 0 or rows[cell, recent.SETUP_MS] > rows[found, recent.SETUP_MS]:
                found = cell
    return found


@loop
def place(calls: Table, call: int, kept: int, watermarks: Any) -> int:
    """A row for a call that is not there: an empty one, or that of the oldest of too many with its id."""
    rows, first = calls.rows, tables.first_of(calls, call)
    oldest = -1
    alike = 0
    for step in range(tables.PROBES):
        cell = tables.near(first, call, step)
        if rows[cell, tables.HELD] == 0:
            break
        if (rows[cell, tables.HASH] ^ call) & ~_NUMBERS == 0:
            alike += 1
            if oldest < 0 or rows[cell, recent.SETUP_MS] < rows[oldest, recent.SETUP_MS]:
                oldest = cell
    return oldest if alike >= _MOST else recent.place(calls, kept, watermarks)
