"""The arrays that a pass works on: the state it changes, what it only reads, the batch, and the verdicts it fills."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from streamer import features
from streamer.calls import members
from streamer.detectors import DETECTORS

SETUP: Final = members.SETUP
ANSWER: Final = members.ANSWER
END: Final = members.END

# columns of `records`, int64[n, RECORD_COLUMNS]
KIND, AT, APPENDED, PARTITION, OPERATOR = 0, 1, 2, 3, 4
(
    INGRESS, ATTESTATION, SCOPE, TRUNK, DIVERTED, REGISTERED, ASSERTED, OFFSET, IDENTITY, URGENT, SHOWS_URGENT, CACHED,
) = range(5, 17)  # fmt: skip
RING, TALK, CAUSE = 5, 6, 7
RECORD_COLUMNS: Final = 17

# columns of `verdicts`, int64[n, VERDICT_COLUMNS]
ACTION, SHADOW, VERSIONS, CACHE_S, FLAGS, SAID_AT, CALLER_LISTS, CALLEE_LISTS, GOVERNED = range(9)
VERDICT_COLUMNS: Final = 9
REPEATED, EVIDENCE, CONTROL, CLAMPED, SAMPLED, STANDING, LATE_EVENT, SAID_BEFORE = 1, 2, 4, 8, 16, 32, 64, 128
NEWCOMER: Final = 2048
"""The call is one by which a line that was not seen before is told about, see `streamer.calls.signals.Newcomer`."""
BUSY: Final = 1024
"""The call is one by which an own line that calls many numbers is told about, see `streamer.calls.signals.BusyLine`."""
SWAPPED: Final = 4096
"""An own line whose SIM was changed lately calls a protected number, see `streamer.calls.signals.SwappedSim`."""
LURE: Final = 8192
"""The call is one by which its calling number is told of as a lure, see `streamer.calls.signals.Lure`."""
TELLS: Final = BUSY | SWAPPED | LURE | NEWCOMER
"""Something is told about the calling number for whoever merges."""
WAITS: Final = 512
"""The call waits for its origination."""
THROTTLED: Final = 256
"""The record is, or belongs to, a set-up that was let through unjudged: it had no effect."""

# columns of `said`, int64[n, SAID_COLUMNS], what was said before a restart: where the first is 1, and the others count
STANDS, SAID_ACTION, SAID_SHADOW, SAID_REASONS, SAID_MILLIONTHS, SAID_CACHE_S, SAID_VERSIONS, SAID_REVISED = range(8)
SAID_COLUMNS: Final = 8
"""`SAID_CACHE_S` is -1 where that is not known."""


class State(NamedTuple):
    """What a pass changes: callers, calls, pairs, the watermark of each partition, int64[partitions], ms (-1: none yet), and
    the operators' shares, which are no part of what is saved; for `waiting` and `on_time` see `streamer.windows.originations`,
    for `tallies` the module of that name.
    """

    callers: Any
    calls: Any
    pairs: Any
    watermark: Any
    shares: Any
    waiting: Any
    on_time: Any
    tallies: Any


class World(NamedTuple):
    """What a pass only reads. `constants` int64[6]: home region, the word of the versions
    in force, clamp, the time in ms, by how many ms the home country's clocks are ahead of UTC, and its calling code.
    """

    lists: Any
    facts: Any
    operators: Any
    trunks: Any
    signals: Any
    rules: Any
    model: Any
    constants: Any
    secret: Any


class Columns(NamedTuple):
    """The batch: `records` int64[n, RECORD_COLUMNS], `callee` and caller key as number ids int64[n], what
    `streamer.calls.plan.classify` says of both and whether the key `ambiguous` is, see `streamer.calls.compiled_numbers`
    (int32[n]), `withheld` bool[n], `call` the bits of the hashes of the calls' operators and ids int64[n],
    `skip` bool[n].
    """

    records: Any
    callee: Any
    key: Any
    key_status: Any
    key_region: Any
    key_kind: Any
    ambiguous: Any
    callee_status: Any
    callee_region: Any
    callee_kind: Any
    withheld: Any
    call: Any
    skip: Any


class Verdicts(NamedTuple):
    """What a pass fills, a row a record; rows of answers and ends stay as they were.

    `columns` int64[n, VERDICT_COLUMNS], `reasons` int64[n] (words of `streamer.reasons`), `score` float64[n] (NaN
    without a model, not filled for what is repeated), `millionths` int64[n] the score as it is said (-1 without a model),
    `x` float64[n, features], `found` float64[n, detectors, 4], `modes` uint8[n, detectors + 1].
    """

    columns: Any
    reasons: Any
    score: Any
    millionths: Any
    x: Any
    found: Any
    modes: Any


def verdicts(n: int) -> Verdicts:
    """Arrays for n records, not filled."""
    return Verdicts(
        np.empty((n, VERDICT_COLUMNS), np.int64),
        np.empty(n, np.int64),
        np.empty(n),
        np.empty(n, np.int64),
        np.empty((n, features.COUNT)),
        np.empty((n, len(DETECTORS), 4)),
        np.empty((n, len(DETECTORS) + 1), np.uint8),
    )


def cleared(out: Verdicts, n: int) -> Verdicts:
    """What a pass of n records fills: the beginning of arrays that are made once, so that no batch has to touch new memory."""
    begun = Verdicts(*(column[:n] for column in out))
    begun.columns.fill(0)
    begun.reasons.fill(0)
    begun.score.fill(np.nan)
    begun.millionths.fill(-1)
    return begun
