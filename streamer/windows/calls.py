"""Calls of the last minutes: what was said of each, and which (caller, called number) pairs were seen.

Both are tables of `streamer.windows.table`, whose hashes include the partition, so that partitions never touch each
other. Whether an entry still counts is decided by times alone; the sweep only gives back what nothing can ask for any
more, so when it runs never changes a verdict. Only a table that has grown as far as it may drops what still counts:
among the entries near the new one that which was silent longest, whatever its partition (`evicted` counts them).

A call is (operator, call id, caller, called number) within 120 s of event time: callers may choose ids. An answered call is kept until
its end, at most six hours.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer.calls.events import CLAMP_AHEAD_MS, CLAMP_BACK_MS, SAME_CALL_MS, SKEW_MS
from streamer.compiled import loop
from streamer.windows import table as tables
from streamer.windows.table import Table

KEEP_MS: Final = CLAMP_BACK_MS + SAME_CALL_MS + CLAMP_AHEAD_MS + SKEW_MS
"""How long after its `at`, by the watermark, a call may be repeated; so long after it was last touched it is kept.

Let a call's first set-up carry `at`, as clamped. A repeat appended at A carries at least A - `CLAMP_BACK_MS`, and is the
same call up to at + `SAME_CALL_MS`: so A <= at + `CLAMP_BACK_MS` + `SAME_CALL_MS`. What moved the watermark was appended
before it, by a broker whose clock is at most `SKEW_MS` ahead (another one led the partition), and carries at most its
append time + `CLAMP_AHEAD_MS`. Later than the sum there is no repeat: an `at` within 120 s is then impossible, and the
contract calls it a new call. How far a partition lags does not matter, since all of this is the log's own time. Without
the clamp (history) nothing bounds how late an `at` may come, and a repeat that comes later than this is judged anew.
"""
OPEN_MS: Final = 6 * 3_600_000
SIGHTING_MS: Final = 10_000
"""Within so long of each other two operators' set-ups of one pair are sightings of one call."""
ASTRAY_MS: Final = SIGHTING_MS - CLAMP_AHEAD_MS - 1_000
"""An `at` so far behind the log comes of a clock that is wrong, or of a publisher that is late: against a clock that is as far ahead as is
admitted, and with a second for the way, it would still be near.
"""
DIVERSION_MS: Final = 60_000
"""So long after a first leg a diverted one may begin."""
QUEUED_MS: Final = 300_000
"""So long after a first leg a diverted call, which may have waited in a queue, is not said to have begun nowhere."""
PAIR_KEEP_MS: Final = CLAMP_BACK_MS + max(SIGHTING_MS, DIVERSION_MS) + CLAMP_AHEAD_MS + SKEW_MS
"""How long after its `at`, by the watermark, another sighting or a second leg of a pair may come; derived as `KEEP_MS`."""
BEGIN: Final = 1 << 18
"""Entries of a new table: the rows for them cost little, and in a table that is nearly empty searches are shortest."""
_CALL_WORDS: Final = 8
_PAIR_WORDS: Final = 4

SETUP_MS: Final = 3
"""Word of a call: the `at` of its set-up, as clamped."""
SAID: Final = 4
"""Word of a call: action, shadow action (a byte each) and the seconds that a switch may cache it, above them."""
VERSIONS: Final = 5
"""Word of a call: the policy and the model that it was judged by, as `streamer.in_force.Versions` names them."""
REASONS: Final = 6
SCORE: Final = 7
"""Word of a call: the score in millionths, -1 without a model."""
OPERATOR: Final = 3
"""Word of a pair: the operator that reported it."""

SETUP: Final = 1
COUNTED: Final = 2
ANSWERED: Final = 4
ENDED: Final = 8
OWN_LINE: Final = 16
LET_THROUGH: Final = 32
"""Flag of a pair: the call went through with its number shown, and its origin was not doubted."""
ORIGINATED: Final = 64
"""Flag of a pair that another network reported first: the caller's own line was reported to make the call, after that."""
COSTLY: Final = 256
"""Flag of a call: it counts among its caller's costly calls (`streamer.windows.costly`)."""
PREMIUM: Final = 512
"""Flag of a costly call: it is one at a premium rate."""
TRUNK_SHIFT: Final = 24
"""Among the flags of a call and above them: the row of the registered trunk it came over, 0 where none is held. Held is it of a call
whose caller was not seen for a day: only of those does its end say something of the trunk."""
TRUNK_MASK: Final = (1 << 13) - 1
FROM_ABROAD: Final = 1024
"""Flag of a pair: its call was seen to come in from abroad, and nothing showed then that its caller is at home; or over an enterprise's
trunk of another operator than its caller's."""
UNJUDGED: Final = 2048
"""Flag of a pair whose set-up was let through unjudged: where its call began is known, and nothing of it was counted."""
ASKED: Final = 128
"""Flag of a pair: when another network reported it, the caller's operator had to have said so before, and had not."""
DOUBTED: Final = 4096
"""Flag of a pair that an own line reported, in a set-up that was blocked: that it did shows nothing."""
CALLED: Final = 8192
"""Flag of a pair that no own line reported: its call was counted as that of a caller of the called number, of whom it is not known that he
is an own line."""
APART_SHIFT: Final = 16
"""Among the flags of a pair and above them, where another set-up than the pair's own showed where its call began: by how many
tenths of a second before the pair's time that was, and 128 to it, since it may have been after; 0 where it was the pair's own."""
APART_MASK: Final = 255
_APART_ZERO: Final = 128
_APART_MS: Final = 100
_MINUTE_MS: Final = 60_000
_SPREAD_MASK: Final = 0xFFFF
_SHOWN: Final = ORIGINATED | FROM_ABROAD | APART_MASK << APART_SHIFT
DIVERSION_BACK_MS: Final = 5_000
"""How far the clock of the operator that diverts may be behind; that the first leg came first the log tells."""


def calls(most: int, begin: int = BEGIN) -> Table:
    """An empty table for so many calls; it grows when it holds more than `begin`."""
    return tables.table(most, _CALL_WORDS, begin)


def pairs(most: int, begin: int = BEGIN) -> Table:
    """An empty table for so many pairs; it grows when it holds more than `begin`."""
    return tables.table(most, _PAIR_WORDS, begin)


def evicted(table: Table) -> int:
    """Entries given up although they still counted, since the table had grown as far as it may."""
    return int(table.meta[tables.EVICTED])


@loop
def is_over(table: Table, cell: int, watermark: int) -> bool:
    """Nothing can ask for this call, or pair, any more."""
    silent = watermark - table.rows[cell, tables.TOUCHED_MS]
    if table.rows.shape[1] == _PAIR_WORDS:
        return silent > PAIR_KEEP_MS
    flags = tables.flags_at(table, cell)
    if flags & ANSWERED and not flags & ENDED:
        return silent > OPEN_MS
    return silent > KEEP_MS


@loop
def logged_ms(at: int, appended: int, watermark: int) -> int:
    """When a set-up was there by the log's time, ms, where its `at` is astray; else `at`. Never later than the watermark."""
    return at if appended - at <= ASTRAY_MS else min(appended, watermark)


@loop
def met_ms(pairs: Table, cell: int, at: int, appended: int, watermark: int) -> int:
    """When a set-up of a pair (`cell`, -1 where there is none) was made, ms: at its `at`, if that is near the entry, else `logged_ms`."""
    if cell >= 0 and abs(at - pairs.rows[cell, tables.TOUCHED_MS]) <= SIGHTING_MS:
        return at
    return logged_ms(at, appended, watermark)


@loop
def _seen_ms(pairs: Table, cell: int) -> int:
    """When it was seen where a pair's call began."""
    apart = (tables.flags_at(pairs, cell) >> APART_SHIFT) & APART_MASK
    return pairs.rows[cell, tables.TOUCHED_MS] - (_APART_MS * (apart - _APART_ZERO) if apart != 0 else 0)


@loop
def _is_own(flags: int) -> bool:
    """Whether it was the pair's own set-up that showed that its call began on its line."""
    return bool(flags & OWN_LINE and not flags & DOUBTED)


@loop
def _apart(pair_ms: int, seen_ms: int) -> int:
    """The flags that say when it was seen, at most `SIGHTING_MS` before or after."""
    return (_APART_ZERO + (pair_ms - seen_ms) // _APART_MS) << APART_SHIFT


@loop
def origin_of(pairs: Table, cell: int, at: int) -> int:
    """Where a call at `at`, ms, of a pair was seen to begin: `ORIGINATED` on its own line, `FROM_ABROAD`, or 0 where that was not seen
    within `SIGHTING_MS` of it.
    """
    if abs(at - _seen_ms(pairs, cell)) > SIGHTING_MS:
        return 0
    flags = tables.flags_at(pairs, cell)
    if flags & ORIGINATED or _is_own(flags):
        return ORIGINATED
    return flags & FROM_ABROAD


@loop
def note_origin(pairs: Table, cell: int, origin: int, at: int) -> None:
    """A set-up at `at` showed where the call that a pair stands for began: `ORIGINATED` or `FROM_ABROAD`, which adds nothing where the
    other is known. Of the pair's own line nothing has to be noted.
    """
    flags = tables.flags_at(pairs, cell)
    if _is_own(flags):
        return
    if origin == FROM_ABROAD and origin_of(pairs, cell, at) == ORIGINATED:
        return
    apart = _apart(pairs.rows[cell, tables.TOUCHED_MS], at)
    pairs.rows[cell, tables.HELD] = pairs.rows[cell, tables.HELD] & ~(_SHOWN << 16) | (origin | apart) << 16


@loop
def is_later_minute(pair: int, seen_ms: int, at: int) -> bool:
    """Whether a call at `at` of a pair, `pair` being its hash, is its first of a minute, the one before having been at `seen_ms`.

    Each pair has minutes of its own, so that not all callers of a number are counted anew at once.
    """
    shift = pair & _SPREAD_MASK
    return bool((at + shift) // _MINUTE_MS > (seen_ms + shift) // _MINUTE_MS)


@loop
def note_own(pairs: Table, cell: int) -> None:
    """The own line's set-up that a pair was made for was let through: by that it shows where its call began."""
    pairs.rows[cell, tables.HELD] &= ~((_SHOWN | DOUBTED) << 16)


@loop
def carried(pairs: Table, cell: int, at: int) -> int:
    """Flags that another set-up of a pair, at `at`, takes over from the one whose place it takes: where that call began."""
    origin = origin_of(pairs, cell, at)
    return origin | _apart(at, _seen_ms(pairs, cell)) if origin != 0 else 0


@loop
def leg_seen(pairs: Table, leg: int, at: int, watermark: int, within_ms: int) -> bool:
    """Whether a diverted call's first leg was seen, so long before it at most: `leg` is the bits of the hash of its caller and the
    diverting number.
    """
    cell = tables.find(pairs, leg)
    if cell < 0:
        return False
    pair_ms = pairs.rows[cell, tables.TOUCHED_MS]
    flags = tables.flags_at(pairs, cell)
    if watermark - pair_ms > PAIR_KEEP_MS:
        return False
    if flags & LET_THROUGH and -DIVERSION_BACK_MS <= at - pair_ms <= within_ms:
        return True
    own = flags & ORIGINATED != 0 or _is_own(flags)
    return bool(own and -DIVERSION_BACK_MS <= at - _seen_ms(pairs, cell) <= within_ms)


@loop
def place(table: Table, wanted: int, watermarks: Any) -> int:
    """An empty row for a new entry. Where there is none near its home, what is over in the segment is let go of; else the table
    grows, and where it may not any more the entry that was silent longest has to go.
    """
    while True:
        cell = tables.vacant(table, wanted)
        if cell >= 0:
            return cell
        first = tables.first_of(table, wanted)
        silent = np.int64(-1)
        over = False
        for step in range(tables.PROBES):
            other = tables.near(first, wanted, step)
            watermark = watermarks[tables.partition_at(table, other)]
            over = over or is_over(table, other, watermark)
            if watermark - table.rows[other, tables.TOUCHED_MS] > silent:
                silent = watermark - table.rows[other, tables.TOUCHED_MS]
                cell = other
        if over:
            _let_go(table, first, first + tables.SEGMENT, watermarks)
        elif not tables.split(table, wanted):
            table.meta[tables.EVICTED] += 1
            return cell


@loop
def _let_go(table: Table, cell: int, end: int, watermarks: Any) -> None:
    """Empty those of the rows from `cell` to before `end` whose entries are over."""
    rows = table.rows
    newest = np.int64(-1)
    for watermark in watermarks:
        newest = max(newest, watermark)
    young = newest - (PAIR_KEEP_MS if rows.shape[1] == _PAIR_WORDS else KEEP_MS)
    while cell < end:
        # One question that is nearly always answered alike: full and empty rows lie mixed, and a guess for each would fail.
        old = (rows[cell, tables.HELD] != 0) & (rows[cell, tables.TOUCHED_MS] < young)
        if old and is_over(table, cell, watermarks[tables.partition_at(table, cell)]):
            tables.remove(table, cell)
        else:
            cell += 1


@loop
def sweep(table: Table, watermarks: Any, look: int) -> None:
    """Look at so many rows, from where the last sweep ended, and empty those that are over; the last row ends it early."""
    begin = table.meta[tables.HAND]
    end = min(begin + look, table.meta[tables.USED])
    _let_go(table, begin, end, watermarks)
    table.meta[tables.HAND] = end if end < table.meta[tables.USED] else 0


@loop
def put(table: Table, rows: Any, watermarks: Any) -> None:
    """Take in rows of another table; an entry with the same hash is replaced."""
    for row in range(rows.shape[0]):
        cell = tables.find(table, rows[row, tables.HASH])
        if cell < 0:
            cell = place(table, rows[row, tables.HASH], watermarks)
        for word in range(table.rows.shape[1]):
            table.rows[cell, word] = rows[row, word]
