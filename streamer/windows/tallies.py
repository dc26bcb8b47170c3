"""What a partition's calls add to the counts of things that no single partition sees whole: called numbers, trunks, number blocks.

Each record that counts leaves a row; once a second of the log is over its rows are added up and leave as one message, so
that who merges them sees a sum a second and not every call. Rows of a second that is not over are part of what is saved,
and where a message ends depends on the log alone: whoever judges the records again makes the same messages, which carry
the same numbers, and so are counted once.
"""

from __future__ import annotations

import itertools
from typing import Any, Final, NamedTuple

import numpy as np

from streamer.calls import signals
from streamer.calls.numbers import OTHER, SHORT
from streamer.compiled import loop
from streamer.features import INDEX

NUMBER, CALLEE, BLOCK, TRUNK, BITS = range(5)
"""Words of a row: the message that it belongs to; what the called number is counted by (`place_of`); the block of
the calling number (`from_block`); the row of the registered trunk, 0 for none; and what is counted."""
WORDS: Final = 5

ATTEMPT, CALLER, FRESH, NEIGHBOUR, SUSPECT, BLOCKED, ANSWERED, BRIEF, RANG = range(9)
"""Bits of a row and columns of its counts: a set-up; the first of its caller to this called number for some minutes, of an own line in a minute; the first
of its caller to anybody for a day; one whose number resembles the called one's; one that something was found of; one that was blocked; an answer; an end
after less than six seconds of talk; and one after less than five of ringing, unanswered."""
COUNTS: Final = len(signals.COUNTS)

AGAIN: Final = 1 << CALLER
"""Bits of a row that tells of no set-up, and is never added to one that does: of no own line (in `NO_BLOCK`, over no trunk) that whoever
was counted before calls again in another minute; of an own line that a caller who was counted as none is one."""

PART: Final = 1_024
"""Rows of a message at most."""
STEP_MS: Final = 1_000
_APART_MS: Final = 37
"""By so much the seconds of neighbouring partitions are apart, so that they are not all added up at once; never by a whole second,
since a sum of any partition has to fall into the windows that the others' are in."""
_BLOCK: Final = 1_000
"""Numbers of a block."""
PREFIX_BLOCKS: Final = 10_000
"""Blocks of a prefix: what numbers of ten millions begin with, as plans give them to whole networks."""
NO_BLOCK: Final = 1
"""What stands for the block of a calling number from elsewhere that lies in none."""
E164: Final = 10**15
"""Ids of E.164 numbers, their digits, lie below."""
LIMITS: Final = (
    "busy_calls", "busy_every", "busy_distinct_share", "neighbour_digits", "lure_every", "new_line_calls", "new_line_s",
)  # fmt: skip
"""What decides what is counted and told of, by the names that the policy has for it (`streamer.counting`); an array of `limits`
is float64 in this order."""
_BUSY_CALLS, _BUSY_EVERY, _BUSY_DISTINCT, _NEIGHBOUR_DIGITS, _LURE_EVERY, NEW_LINE_CALLS, NEW_LINE_S = range(
    len(LIMITS)
)
_ATTEMPTS_10M: Final = INDEX["attempts_10m"]
_ATTEMPTS_24H: Final = INDEX["attempts_24h"]
_DISTINCT_24H: Final = INDEX["distinct_24h"]
_SAME_PREFIX: Final = INDEX["same_prefix"]


class Tallies(NamedTuple):
    """By partition: `rows` int64[partitions, room, WORDS], of which the first `count` int64[partitions] are in use; `number`
    int64: of the message that is being gathered, ms of the log, rising; `filled` int64: its rows so far.
    """

    rows: Any
    count: Any
    number: Any
    filled: Any


class Sums(NamedTuple):
    """The rows of one message added up: `callee`, `block` and `trunk` int64[n] as in the rows, `counts` int64[n, COUNTS]."""

    number: int
    callee: Any
    block: Any
    trunk: Any
    counts: Any


def tallies(partitions: int, room: int = 8 * PART) -> Tallies:
    """Nothing counted."""
    return Tallies(
        np.zeros((partitions, room, WORDS), np.int64),
        np.zeros(partitions, np.int64),
        np.zeros(partitions, np.int64),
        np.zeros(partitions, np.int64),
    )


def with_room(tallies: Tallies, more: int) -> Tallies:
    """The same, or a copy with room for so many more records in each partition, of which all that is complete was
    taken; a record leaves two rows at most.
    """
    needed = PART + 2 * more
    room = tallies.rows.shape[1]
    if needed <= room:
        return tallies
    while room < needed:
        room *= 2
    rows = np.zeros((len(tallies.rows), room, WORDS), np.int64)
    rows[:, : tallies.rows.shape[1]] = tallies.rows
    return tallies._replace(rows=rows)


@loop
def place_of(number: int) -> int:
    """What a called number is counted by: its digits, 0 where it is neither an E.164 nor a short number."""
    if 0 < number < E164:
        return number
    if SHORT <= number < OTHER:
        return number & ((1 << 52) - 1)
    return 0


@loop
def block_of(number: int) -> int:
    """The block that an E.164 number id lies in, 0 for what is none."""
    if number <= _BLOCK or number >= E164:
        return 0
    return number // _BLOCK


@loop
def from_block(number: int, own_line: bool) -> int:
    """What a calling number is counted by: 0 for an own line, else its block, or `NO_BLOCK`."""
    if own_line:
        return 0
    return max(block_of(number), NO_BLOCK)


@loop
def bits_of(x: Any, limits: Any, first_of_pair: bool, suspect: bool, blocked: bool) -> int:
    """The bits of a set-up whose features are `x`; `limits` as of `LIMITS`."""
    bits = 1 << ATTEMPT
    if first_of_pair:
        bits |= 1 << CALLER
    if x[_ATTEMPTS_24H] <= 1.0:
        bits |= 1 << FRESH
    if x[_SAME_PREFIX] >= limits[_NEIGHBOUR_DIGITS]:
        bits |= 1 << NEIGHBOUR
    if suspect:
        bits |= 1 << SUSPECT
    if blocked:
        bits |= 1 << BLOCKED
    return bits


@loop
def is_busy(x: Any, limits: Any) -> bool:
    """Whether an own line is told about at the set-up whose features are `x`; `limits` as of `LIMITS`."""
    attempts = x[_ATTEMPTS_24H]
    if attempts < limits[_BUSY_CALLS] or attempts % limits[_BUSY_EVERY] != 0.0:
        return False
    return bool(x[_DISTINCT_24H] >= limits[_BUSY_DISTINCT] * attempts)


@loop
def is_told(x: Any, limits: Any) -> bool:
    """Whether a lure is told of at the set-up whose features are `x`; `limits` as of `LIMITS`."""
    return bool(x[_ATTEMPTS_10M] % limits[_LURE_EVERY] == 0.0)


@loop
def note(tallies: Tallies, partition: int, clock_ms: int, callee: int, block: int, trunk: int, bits: int) -> None:
    """A record that counts; `clock_ms` is the log's time.

    Numbers never fall: where that of the partition lies ahead of the clock (a broker's clock went back, or a worker whose
    partitions were further apart handed it over), rows go into that message until the clock has passed it.
    """
    second = (clock_ms + partition * _APART_MS % STEP_MS) // STEP_MS * STEP_MS
    if second > tallies.number[partition]:
        tallies.number[partition] = second
        tallies.filled[partition] = 0
    elif tallies.filled[partition] == PART:
        tallies.number[partition] += 1
        tallies.filled[partition] = 0
    tallies.filled[partition] += 1
    row = tallies.rows[partition, tallies.count[partition]]
    row[NUMBER], row[CALLEE], row[BLOCK] = tallies.number[partition], place_of(callee), block
    row[TRUNK], row[BITS] = trunk, bits
    tallies.count[partition] += 1


@loop
def _is_after(one: Any, other: Any) -> bool:
    if one[BLOCK] != other[BLOCK]:
        return bool(one[BLOCK] > other[BLOCK])
    if one[TRUNK] != other[TRUNK]:
        return bool(one[TRUNK] > other[TRUNK])
    return bool(one[BITS] == AGAIN and other[BITS] != AGAIN)


@loop
def _is_same(one: Any, other: Any) -> bool:
    if one[CALLEE] != other[CALLEE] or one[BLOCK] != other[BLOCK] or one[TRUNK] != other[TRUNK]:
        return False
    return bool((one[BITS] == AGAIN) == (other[BITS] == AGAIN))


@loop
def _order_ties(rows: Any, order: Any) -> None:
    """Bring rows that are in the order of their called numbers into that of their blocks and trunks too."""
    for begin in range(1, order.shape[0]):
        moving = order[begin]
        place = begin
        while (
            place > 0
            and rows[order[place - 1], CALLEE] == rows[moving, CALLEE]
            and _is_after(rows[order[place - 1]], rows[moving])
        ):
            order[place] = order[place - 1]
            place -= 1
        order[place] = moving


@loop
def _add_up(rows: Any, order: Any, counts: Any) -> int:
    """Add equal rows up, in this order; `order` then begins with the first of each kind. Gives how many kinds there are."""
    kinds = 0
    for place in range(order.shape[0]):
        row = rows[order[place]]
        if kinds > 0:
            last = rows[order[kinds - 1]]
        if kinds == 0 or not _is_same(row, last):
            order[kinds] = order[place]
            kinds += 1
        for which in range(COUNTS):
            counts[kinds - 1, which] += (row[BITS] >> which) & 1
    return kinds


@loop
def any_complete(tallies: Tallies) -> bool:
    """Whether any partition has messages to take."""
    for partition in range(tallies.count.shape[0]):
        if tallies.count[partition] > 0 and tallies.rows[partition, 0, NUMBER] < tallies.number[partition]:
            return True
    return False


def complete(tallies: Tallies) -> list[int]:
    """The partitions that have messages to take."""
    found: list[int] = np.flatnonzero((tallies.count > 0) & (tallies.rows[:, 0, NUMBER] < tallies.number)).tolist()
    return found


def take(tallies: Tallies, partition: int) -> list[Sums]:
    """The messages that are complete, which are forgotten; none is without a row."""
    count = int(tallies.count[partition])
    rows = tallies.rows[partition, :count]
    done = int(np.searchsorted(rows[:, NUMBER], tallies.number[partition]))
    if not done:
        return []
    found = []
    bounds = [0, *(np.flatnonzero(np.diff(rows[:done, NUMBER])) + 1).tolist(), done]
    for begin, end in itertools.pairwise(bounds):
        own = rows[begin:end]
        order = np.argsort(own[:, CALLEE])
        _order_ties(own, order)
        counts = np.zeros((len(own), COUNTS), np.int64)
        kinds = _add_up(own, order, counts)
        first = own[order[:kinds]]
        found.append(Sums(int(first[0, NUMBER]), first[:, CALLEE], first[:, BLOCK], first[:, TRUNK], counts[:kinds]))
    tallies.rows[partition, : count - done] = rows[done:].copy()
    tallies.count[partition] = count - done
    return found


def held(tallies: Tallies, partition: int) -> Any:
    """int64[n, WORDS]: a copy of the rows of a partition; at most `PART`, where what is complete was taken."""
    return tallies.rows[partition, : tallies.count[partition]].copy()


def put(tallies: Tallies, partition: int, rows: Any, number: int, filled: int) -> None:
    """What `held` gave, at most `PART` rows, takes the place of what a partition holds."""
    tallies.rows[partition, : len(rows)] = rows
    tallies.count[partition], tallies.number[partition], tallies.filled[partition] = len(rows), number, filled


def drop(tallies: Tallies, partition: int) -> None:
    """Forget a partition."""
    for column in (tallies.count, tallies.number, tallies.filled):
        column[partition] = 0
