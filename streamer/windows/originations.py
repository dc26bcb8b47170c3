"""Calls that wait for their origination, and how often each operator's originations come in time.

An operator that publishes its originations says of each call from its own lines that it began. A call of one of its numbers
that comes in from another network without that was made by somebody else; but an origination may come late. So such a
call waits: it is let through at first, and what came of it is looked at once its time is up. Its operator may have fallen silent,
so that nothing is held against it unless another origination of that operator came after it.

Both are kept by partition, so that partitions never touch each other. Time is that of the log: a call's time is up when a
record of its partition was appended so late, or when the clock says that none appended before then is to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from streamer.compiled import loop

MOST: Final = 4_096
"""Calls of a partition that may wait; those beyond are let through and not asked about again."""
NEVER: Final = np.iinfo(np.int64).max

OFFSET, DUE_MS, CALL, PAIR, KEY, AT, OPERATOR, SURE, BEFORE, STATE, LEG = range(11)
"""Words of a waiting call: the offset of its set-up; when its time is up; the bits of its hash and of its pair's; the caller;
when it was made, see `streamer.windows.calls.met_ms`; the operator that reported it; whether its owner's originations say anything;
whether it was revised before a restart; what came of it; and of a diverted call the bits of the hash of its caller and the diverting
number, else 0."""
WORDS: Final = 11

UNSURE, HEARD, UNHEARD = range(3)
"""Whether the owner's originations say anything: they come in time too seldom; they do come so, and one came after the call; they do,
and none was noted after it yet (see `Waiting`)."""

WAITING, REVISED, SHADOW, ANSWERED, VERIFIED, SAYING = range(6)
"""What came of a call: nothing yet; to be blocked after all; would be if that were enforced; too late, it was answered or is
over; its origination, or its first leg's, came, or it was seen to come in from abroad; what was revised is on its way to the log."""

STEPS: Final = 7
STEP_MS: Final = 4 * 3_600_000
"""Shares are looked at over the last 24 to 28 hours."""
IN_TIME, LATE = 0, 1


class Waiting(NamedTuple):
    """By partition: `rows` int64[partitions, MOST, WORDS], of which the first `count` int64[partitions] are in use; `due` int64:
    when the next one's time is up (`NEVER`: none waits); `settled` int64: how many wait no more and were not taken yet; `heard`
    int64[partitions, operators]: the offset of each operator's last origination that came in time, -1 where none did.
    """

    rows: Any
    count: Any
    due: Any
    settled: Any
    heard: Any


class OnTime(NamedTuple):
    """By partition and operator: `step` int32[partitions, operators, STEPS] (which span of `STEP_MS` a place stands for) and
    `counts` int32[partitions, operators, STEPS, 2]: calls whose origination was there first, and that it came after.
    """

    step: Any
    counts: Any


def waiting(partitions: int, operators: int) -> Waiting:
    """Nothing waits."""
    return Waiting(
        np.zeros((partitions, MOST, WORDS), np.int64),
        np.zeros(partitions, np.int64),
        np.full(partitions, NEVER, np.int64),
        np.zeros(partitions, np.int64),
        np.full((partitions, operators), -1, np.int64),
    )


def on_time(partitions: int, operators: int) -> OnTime:
    """Nothing was counted."""
    return OnTime(
        np.zeros((partitions, operators, STEPS), np.int32), np.zeros((partitions, operators, STEPS, 2), np.int32)
    )


@loop
def count(on_time: OnTime, partition: int, operator: int, which: int, now_ms: int) -> None:
    """Count a call of an operator's number: its origination was there `IN_TIME`, or came `LATE`."""
    step = now_ms // STEP_MS
    place = step % STEPS
    if on_time.step[partition, operator, place] != step:
        on_time.step[partition, operator, place] = step
        on_time.counts[partition, operator, place, IN_TIME] = 0
        on_time.counts[partition, operator, place, LATE] = 0
    on_time.counts[partition, operator, place, which] += 1


@loop
def is_sure(on_time: OnTime, partition: int, operator: int, least: float, share: float, now_ms: int) -> bool:
    """At least so many calls of the operator's numbers met their origination, and it was there first in this share of them."""
    step = now_ms // STEP_MS
    in_time = np.int64(0)
    late = np.int64(0)
    for place in range(STEPS):
        if step - on_time.step[partition, operator, place] < STEPS:
            in_time += on_time.counts[partition, operator, place, IN_TIME]
            late += on_time.counts[partition, operator, place, LATE]
    return bool(in_time + late >= least and in_time >= share * (in_time + late))


@loop
def hear(waiting: Waiting, partition: int, operator: int, offset: int) -> None:
    """An operator publishes: an origination of its lines lies at this offset."""
    waiting.heard[partition, operator] = max(waiting.heard[partition, operator], offset)


@loop
def is_heard(waiting: Waiting, partition: int, row: Any, owner: int) -> bool:
    """Whether the originations of a waiting call's `owner` (-1: nobody) say something of it, and one came after it."""
    if row[SURE] != UNHEARD or owner < 0:
        return bool(row[SURE] == HEARD)
    return bool(waiting.heard[partition, owner] > row[OFFSET])


@loop
def wait(
    waiting: Waiting, partition: int, offset: int, due_ms: int, call: int, pair: int, key: int, at: int, operator: int, sure: int,
    before: bool, leg: int,
) -> bool:  # fmt: skip
    """Let a call wait; False when too many do."""
    place = waiting.count[partition]
    if place == MOST:
        return False
    row = waiting.rows[partition, place]
    row[OFFSET], row[DUE_MS], row[CALL], row[PAIR], row[KEY] = offset, due_ms, call, pair, key
    row[AT], row[OPERATOR], row[SURE], row[BEFORE], row[STATE], row[LEG] = at, operator, sure, before, WAITING, leg
    waiting.count[partition] = place + 1
    waiting.due[partition] = min(waiting.due[partition], due_ms)
    return True


def settled(waiting: Waiting, partition: int) -> Any:
    """int64[n, WORDS]: copies of the calls of a partition that wait no more, in the order of their offsets."""
    rows = waiting.rows[partition, : waiting.count[partition]]
    rows = rows[(rows[:, STATE] != WAITING) & (rows[:, STATE] != SAYING)]
    return rows[np.argsort(rows[:, OFFSET])]


def take(waiting: Waiting, partition: int, offsets: Any, kept: Sequence[int] = ()) -> None:
    """Forget these calls, but those that are `kept`: what is to be said of them is on its way."""
    rows = waiting.rows[partition, : waiting.count[partition]]
    saying = np.isin(rows[:, OFFSET], kept)
    rows[saying, STATE] = SAYING
    left = rows[saying | ~np.isin(rows[:, OFFSET], offsets)]
    waiting.rows[partition, : len(left)] = left
    waiting.count[partition] = len(left)
    _look_again(waiting, partition)


def due(waiting: Waiting, partition: int) -> int | None:
    """When there is something to do for a partition's calls, ms: 0 for what is settled and not taken yet, None for nothing."""
    when = int(waiting.due[partition])
    return 0 if waiting.settled[partition] else None if when == NEVER else when


def said(waiting: Waiting, partition: int, offset: int) -> None:
    """That a call is revised is in the log already: it stands."""
    rows = waiting.rows[partition, : waiting.count[partition]]
    rows[rows[:, OFFSET] == offset, BEFORE] = 1


def held(waiting: Waiting, partition: int) -> Any:
    """int64[n, WORDS]: a copy of all; what is on its way to the log is to be said again by whoever goes on from here."""
    rows = waiting.rows[partition, : waiting.count[partition]].copy()
    rows[rows[:, STATE] == SAYING, STATE] = REVISED
    return rows


def put(waiting: Waiting, partition: int, rows: Any) -> None:
    """What `held` gave takes the place of what waits."""
    waiting.rows[partition, : len(rows)] = rows
    waiting.count[partition] = len(rows)
    _look_again(waiting, partition)


def _look_again(waiting: Waiting, partition: int) -> None:
    rows = waiting.rows[partition, : waiting.count[partition]]
    due = rows[rows[:, STATE] == WAITING, DUE_MS]
    waiting.due[partition] = due.min() if due.size else NEVER
    waiting.settled[partition] = np.count_nonzero((rows[:, STATE] != WAITING) & (rows[:, STATE] != SAYING))


def shares_of(on_time: OnTime, partition: int) -> list[tuple[int, int, int, int]]:
    """(operator's row, step, in time, late) of all that is counted of a partition."""
    # Both counts as one word: looked at one by one they took a tenth of a copy.
    rows, places = on_time.counts[partition].view(np.int64)[:, :, 0].nonzero()
    return [
        (row, int(on_time.step[partition, row, place]), *on_time.counts[partition, row, place].tolist())
        for row, place in zip(rows.tolist(), places.tolist(), strict=True)
    ]


def put_share(on_time: OnTime, partition: int, operator: int, step: int, in_time: int, late: int) -> None:
    """Take in one of what `shares_of` gave."""
    place = step % STEPS
    on_time.step[partition, operator, place] = step
    on_time.counts[partition, operator, place] = in_time, late


def drop(waiting: Waiting, on_time: OnTime, partition: int) -> None:
    """Forget a partition."""
    waiting.heard[partition] = -1
    put(waiting, partition, np.zeros((0, WORDS), np.int64))
    on_time.step[partition] = 0
    on_time.counts[partition] = 0
