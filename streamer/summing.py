"""What no partition sees whole, as messages for whoever merges it: partial sums, and calling numbers that are told about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from streamer import columns, features
from streamer.calls import signals
from streamer.calls.codec import encode
from streamer.calls.signals import BusyLine, Lure, Newcomer, SwappedSim
from streamer.columns import Verdicts
from streamer.in_force import InForce
from streamer.records import Read
from streamer.windows import tallies
from streamer.windows.tallies import E164, Tallies

_LONGEST: Final = 64
_NOBODY: Final = frozenset(
    {
        "anonymous", "default", "dummy", "empty", "missing", "n/a", "na", "nan", "nil", "none", "notavailable", "null", "prepaid",
        "restricted", "test", "unavailable", "undefined", "unknown", "unregistered", "unspecified", "withheld",
    }
)  # fmt: skip
"""What publishers write for want of a device, a cell or a holder, without case, blanks, brackets, hyphens and low lines."""
_AROUND: Final = str.maketrans("", "", " \t\r\n-_.:()[]<>{}'\"")
_SIM_AGE: Final = features.INDEX["sim_age"]
_IN_TEN_MINUTES: Final = features.INDEX["attempts_10m"]
_IN_A_DAY: Final = [features.INDEX[f"{name}_24h"] for name in ("attempts", "distinct", "answered")]
_OF_NEW: Final = [
    features.INDEX[name] for name in ("age", "attempts_1h", "distinct_1h", "answered_1h", "short_1h", "talk_1h")
]


def told(held: Tallies, given: Read, out: Verdicts, known: InForce) -> list[tuple[str, bytes]]:
    """All that is to be told after a pass, as (key, value) for `counts.v1`."""
    return [
        *_sums(held, known.trunks.names),
        *_busy_lines(given, out, known),
        *_swapped_sims(given, out),
        *_lures(given, out),
        *_newcomers(given, out, known),
    ]


def _sums(held: Tallies, names: Mapping[int, tuple[str, str]]) -> list[tuple[str, bytes]]:
    """The sums that are complete, as (key, value) for `counts.v1`; `names` of registered trunks by row. They are forgotten."""
    return [
        (str(partition), encode(_message(partition, complete, names)))
        for partition in tallies.complete(held)
        for complete in tallies.take(held, partition)
    ]


def _message(partition: int, sums: tallies.Sums, names: Mapping[int, tuple[str, str]]) -> signals.PartialSums:
    numbers: Any = np.bincount(sums.trunk)
    named = [row for row in np.flatnonzero(numbers).tolist() if row in names]
    numbers.fill(0)
    numbers[named] = range(1, len(named) + 1)
    rows = signals.Rows(np.column_stack([sums.callee, sums.block]), numbers[sums.trunk], sums.counts)
    return signals.packed(partition, sums.number, [names[row] for row in named], rows)


def _named(value: str | None) -> str | None:
    """A device, cell, SIM or holder that can be told apart; publishers may write anything.

    >>> _named("35-693803-564380-9"), _named("Unknown"), _named("<pre-paid>"), _named("000000-00-000000"), _named("N/A")
    ('35-693803-564380-9', None, None, None, None)
    """
    if value is None or len(value) > _LONGEST:
        return None
    bare = value.casefold().translate(_AROUND)
    return value if len(set(bare)) > 1 and bare not in _NOBODY else None


def _busy_lines(given: Read, out: Verdicts, known: InForce) -> list[tuple[str, bytes]]:
    """What is told of the own lines of a pass that call many numbers, as (key, value) for `counts.v1`."""
    found = []
    for at in np.flatnonzero(out.columns[:, columns.FLAGS] & columns.BUSY).tolist():
        if not 0 < given.columns.key[at] < E164:
            continue  # nobody calls it back
        setup, line = given.setup(at), given.numbers.key_of(at)
        attempts, distinct, answered = out.x[at, _IN_A_DAY].tolist()
        told = BusyLine(
            at=int(out.columns[at, columns.SAID_AT]), operator=setup.operator, line=line, call_id=setup.call_id,
            attempts=int(attempts), distinct=int(distinct), answered=int(answered),
            imsi=_named(setup.imsi), imei=_named(setup.imei), cell=_named(setup.cell),
            holder=_named(known.facts.holder_of(int(given.columns.key[at]))),
        )  # fmt: skip
        found.append((line, encode(told)))
    return found


def _swapped_sims(given: Read, out: Verdicts) -> list[tuple[str, bytes]]:
    """What is told of the own lines of a pass that call protected numbers with a new SIM, as (key, value) for `counts.v1`."""
    found = []
    for at in np.flatnonzero(out.columns[:, columns.FLAGS] & columns.SWAPPED).tolist():
        line, callee = given.numbers.key_of(at), int(given.columns.callee[at])
        digits = int(tallies.place_of(callee))
        if not (0 < given.columns.key[at] < E164 and digits):
            continue  # the bank would not know whom, or nobody whose bank
        told = SwappedSim(
            at=int(out.columns[at, columns.SAID_AT]), operator=given.way_of(at).operator, line=line,
            call_id=given.call_id(at),
            callee=f"+{digits}" if callee < E164 else f"{digits}", age_h=float(out.x[at, _SIM_AGE]),
        )  # fmt: skip
        found.append((line, encode(told)))
    return found


def _lures(given: Read, out: Verdicts) -> list[tuple[str, bytes]]:
    """What is told of the numbers of a pass that ring for a moment to be called back, as (key, value) for `counts.v1`."""
    found = []
    for at in np.flatnonzero(out.columns[:, columns.FLAGS] & columns.LURE).tolist():
        if not 0 < given.columns.key[at] < E164:
            continue  # nobody calls it back
        number = given.numbers.key_of(at)
        told = Lure(at=int(out.columns[at, columns.SAID_AT]), number=number, rings=int(out.x[at, _IN_TEN_MINUTES]))
        found.append((number, encode(told)))
    return found


def _newcomers(given: Read, out: Verdicts, known: InForce) -> list[tuple[str, bytes]]:
    """What is told of the lines of a pass that were not seen before, as (key, value) for `counts.v1`."""
    found = []
    for at in np.flatnonzero(out.columns[:, columns.FLAGS] & columns.NEWCOMER).tolist():
        line = given.numbers.key_of(at)
        own_line = given.columns.records[at, columns.INGRESS] == 0
        said_at = int(out.columns[at, columns.SAID_AT])
        age_s, attempts, distinct, answered, short, talk_s = out.x[at, _OF_NEW].tolist()
        told = Newcomer(
            at=said_at, since=max(0, said_at - int(1_000 * age_s)), operator=given.way_of(at).operator, line=line,
            trunk=None if own_line else known.trunks.names[int(given.columns.records[at, columns.REGISTERED])][1],
            attempts=int(attempts), distinct=int(distinct), answered=int(answered), short=int(short), talk_s=talk_s,
        )  # fmt: skip
        found.append((line, encode(told)))
    return found
