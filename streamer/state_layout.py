"""What the exported state of a partition has to look like before the compiled loops may index with it.

The loops check no bounds, so everything that they will take as a place, a code or a time is looked at here: the names,
types and shapes of the columns, the partition of each row, references to wide sketches, flags and codes, times, and the
names behind the numbers that are a worker's own (policies and models, operators, reasons). The checks are array operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import numpy as np
from msgspec import Meta, Struct

from streamer.calls.compiled_decisions import MILLIONTHS
from streamer.calls.decisions import ACTIONS, Policy
from streamer.calls.events import LATEST_MS, Operator
from streamer.columns import State
from streamer.faults import first_fault, outside
from streamer.features import WINDOWS
from streamer.pending import NOTHING, Pending
from streamer.reasons import REASONS, WORD_BITS, Coding
from streamer.registers.operators import CAPACITY
from streamer.tallied import Tallied
from streamer.windows import calls, costly, distinct, sliding, table
from streamer.windows.slots import COLUMNS, ORIGINS

Count = Annotated[int, Meta(ge=0, le=1 << 40)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]

_MOST_CACHE_S: Final = 86_400
_FLAGS: Final = (
    calls.SETUP | calls.COUNTED | calls.ANSWERED | calls.ENDED | calls.OWN_LINE | calls.COSTLY | calls.PREMIUM
)
_TRUNKS: Final = calls.TRUNK_MASK << calls.TRUNK_SHIFT
_PAIR_FLAGS: Final = (
    calls.OWN_LINE
    | calls.ORIGINATED
    | calls.LET_THROUGH
    | calls.ASKED
    | calls.FROM_ABROAD
    | calls.UNJUDGED
    | calls.DOUBTED
    | calls.CALLED
    | calls.APART_MASK << calls.APART_SHIFT
)
UNNAMED: Final = CAPACITY - 1
"""The row that operators past the capacity share; it is the same for every worker and has no name."""


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands before the columns.

    `watermark` in ms, -1 without one; `terms` see `terms`; `versions` (word, policy, model) of all that the calls name;
    `operators` (row, name) of all that the pairs name; `trunks` (row, operator, name) of those that the calls name and that are
    registered; `reasons` the names that a call's word of reasons is of (`streamer.reasons.Coding`);
    `columns` (name, dtype, shape); `pending` see `streamer.pending`.
    """

    partition: int
    watermark: Annotated[int, Meta(ge=-1, le=LATEST_MS)]
    terms: dict[str, str]
    versions: list[tuple[int, Policy, Name | None]]
    operators: list[tuple[int, Operator]]
    reasons: Annotated[list[Name], Meta(max_length=255)]
    columns: list[tuple[str, str, list[Count]]]
    pending: Pending = NOTHING
    tallied: Tallied = Tallied()
    trunks: list[tuple[int, Operator, Name]] = []


def terms(home: str, partitions: int) -> dict[str, str]:
    """What exporter and importer must have in common beside the secret: settings, and what the columns count by.

    >>> terms("KZ", 24)["STREAMER_PARTITIONS"]
    '24'
    """
    return {
        "STREAMER_HOME": home,
        "STREAMER_PARTITIONS": str(partitions),
        "windows": f"{' '.join(name for name, _ in WINDOWS)} in {sliding.STEPS} steps of a sixth",
        "costly": f"ranges of {costly.RANGE}, {costly.HELD_AT_PREMIUM} or {costly.HELD_ABROAD} held, new for {costly.KNOWN_S} s",
        "sketches": f"{distinct.NARROW} and {distinct.WIDE} registers of {distinct.UNIT_MS} ms",
        "actions": " ".join(ACTIONS),
    }


def homes(state: State) -> dict[str, Any]:
    """The arrays that each exported column goes into, in the order of the layout."""
    return {
        **{f"callers.{name}": getattr(state.callers, name) for name in (*COLUMNS, "wide")},
        "calls": state.calls.rows,
        "pairs": state.pairs.rows,
        "tallies": state.tallies.rows[0],
    }


def faults_of_header(header: Header, partition: int, ours: dict[str, str], state: State) -> Iterator[str]:
    """What is wrong with a header; nothing is said of what it describes."""
    if header.partition != partition:
        yield f"this is the state of partition {header.partition}"
    for name in sorted(ours.keys() | header.terms.keys()):
        if header.terms.get(name) != ours.get(name):
            yield (
                f"exported with {name} = {header.terms.get(name)}, this worker has {ours.get(name)}, and all workers need "
                "the same"
            )
    expected = homes(state)
    if [name for name, _, _ in header.columns] != list(expected):
        yield f"the columns are {', '.join(name for name, _, _ in header.columns)}; they must be {', '.join(expected)}"
        return
    rows = header.columns[0][2][:1]
    for name, dtype, shape in header.columns:
        array = expected[name]
        if dtype != array.dtype.str or shape[1:] != list(array.shape[1:]) or not shape:
            yield f"column {name} is {dtype} {shape}; it must be {array.dtype.str} [rows, *{list(array.shape[1:])}]"
        elif name.removeprefix("callers.") in COLUMNS and shape[:1] != rows:
            yield f"column {name} has {shape[0]} rows, column callers.{COLUMNS[0]} has {rows[0]}"
    for what, found in (
        ("versions", [word for word, _, _ in header.versions]),
        ("operators", [row for row, _ in header.operators]),
        ("operators", [name for _, name in header.operators]),
        ("reasons", header.reasons),
    ):
        if len(set(found)) != len(found):
            yield f"the table of {what} names one of them twice"


def faults_of_callers(found: dict[str, Any], partition: int, watermark: int) -> Iterator[str]:
    """What is wrong with the columns of callers, by their names without `callers.`."""
    clock_s = found["clock_ms"] // 1000
    yield from outside("callers.partition", found["partition"], partition, partition)
    yield from outside("callers.origin", found["origin"], 0, ORIGINS - 1)
    yield from outside("callers.clock_ms", found["clock_ms"], 0, watermark)
    yield from first_fault("callers.first_s", found["first_s"] > clock_s, "lies after the caller's clock")
    mean, jitter = found["gap_mean"], found["gap_jitter"]
    for name, values in (("gap_mean", mean), ("gap_jitter", jitter)):
        sound = np.isnan(values) | (values >= 0) & (values < np.inf)
        yield from first_fault(f"callers.{name}", ~sound, "is neither a duration nor unknown")
    yield from first_fault(
        "callers.gap_jitter", np.isnan(mean) != np.isnan(jitter), "is known without its mean or the reverse"
    )
    held = found["wide_of"][found["wide_of"] != 0]
    if not np.array_equal(held, np.arange(1, len(found["wide"]) + 1)):
        yield f"callers.wide_of does not refer to the {len(found['wide'])} wide sketches one after another"
    for origin in range(ORIGINS):
        yield from _twice("callers.key", found["key"][found["origin"] == origin])


def faults_of_calls(rows: Any, header: Header) -> Iterator[str]:
    """What is wrong with the table of calls."""
    yield from _faults_of_table("calls", rows, header, _FLAGS | _TRUNKS)
    if len({row for row, *_ in header.trunks}) != len(header.trunks):
        yield "the table of trunks names one of them twice"
    if not all(0 < row <= calls.TRUNK_MASK for row, *_ in header.trunks):
        yield f"the table of trunks has rows that are not between 1 and {calls.TRUNK_MASK}"
    said = rows[:, calls.SAID]
    yield from outside("calls.setup_ms", rows[:, calls.SETUP_MS], 0, header.watermark)
    yield from outside("calls.said, action", said & 0xFF, 0, len(ACTIONS) - 1)
    yield from outside("calls.said, shadow action", said >> 8 & 0xFF, 0, len(ACTIONS) - 1)
    yield from outside("calls.said, cache seconds", said >> 16, 0, _MOST_CACHE_S)
    yield from outside("calls.score", rows[:, calls.SCORE], -1, MILLIONTHS)
    yield from _faults_of_reasons(rows[:, calls.REASONS], Coding(header.reasons))
    words = np.unique(rows[:, calls.VERSIONS]).tolist()
    if words != sorted(word for word, _, _ in header.versions):
        yield "calls.versions and the table of versions name different policies and models"


def faults_of_pairs(rows: Any, header: Header) -> Iterator[str]:
    """What is wrong with the table of pairs."""
    yield from _faults_of_table("pairs", rows, header, _PAIR_FLAGS)
    operators = rows[:, calls.OPERATOR]
    yield from outside("pairs.operator", operators, 0, UNNAMED)
    if set(operators_in(rows)) - {UNNAMED} != {row for row, _ in header.operators}:
        yield "pairs.operator and the table of operators name different operators"


def _faults_of_table(name: str, rows: Any, header: Header, flags: int) -> Iterator[str]:
    held = rows[:, table.HELD]
    yield from outside(f"{name}.held, partition", (held & 0xFFFF) - 1, header.partition, header.partition)
    yield from first_fault(f"{name}.held", (held >> 16) & ~flags != 0, "has flags that there are not")
    yield from outside(f"{name}.touched_ms", rows[:, table.TOUCHED_MS], 0, header.watermark)
    yield from _twice(f"{name}.hash", rows[:, table.HASH])


def trunks_in(rows: Any) -> Any:
    """int64[n]: the rows of trunks that calls name, 0 for none."""
    return rows[:, table.HELD] >> (16 + calls.TRUNK_SHIFT)


def operators_in(rows: Any) -> list[int]:
    """The rows of operators that pairs name, rising; they must lie within the capacity."""
    found: list[int] = np.flatnonzero(np.bincount(rows[:, calls.OPERATOR], minlength=1)).tolist()
    return found


def _faults_of_reasons(words: Any, coding: Coding) -> Iterator[str]:
    if coding.bits > WORD_BITS:
        yield f"the reasons need {coding.bits} bits, a word has {WORD_BITS}"
        return
    yield from outside("calls.reasons", words, 0, (1 << coding.bits) - 1)
    for source, field in coding.fields.items():
        values = words >> field.at & field.mask
        yield from outside(f"calls.reasons, {source}", values, 0, len(field.names))
        for value in np.unique(values[values > 0]).tolist():
            if field.names[value - 1] not in REASONS:
                yield f"calls.reasons name {field.names[value - 1]!r}, which this version does not know"


def _twice(name: str, values: Any) -> Iterator[str]:
    ordered = np.sort(values)
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    if again.size:
        yield f"{name} {ordered[again[0]]} is there twice"
