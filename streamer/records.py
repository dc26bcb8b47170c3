"""Records of a batch as the columns that a pass reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from streamer import columns
from streamer.calls.compiled_hashes import Words
from streamer.calls.compiled_numbers import NumberColumns, Numbers
from streamer.calls.events import Answer, CallEvent, End, Setup
from streamer.calls.texts import Texts, laid_out
from streamer.in_force import InForce
from streamer.registers import trunks
from streamer.windows.hashing import hash_calls

_KIND: Final = {Setup: columns.SETUP, Answer: columns.ANSWER, End: columns.END}
_INGRESS: Final = {"subscriber": 0, "national": 1, "international": 2}
_LONGEST_TRUNK: Final = 255
"""Characters of a trunk's name by which it is counted, as many as `trunks.v1` admits; publishers may write any."""
_ATTESTATION: Final = {None: 0, "C": 1, "B": 2, "A": 3}


class Batch(NamedTuple):
    """Records of `calls.v1` in log order of each partition: all lists have one entry a record.

    `append_ms` is the broker's append time; `rekeyed` is true where the header of that name says that the record was
    produced again into this partition. `identities` is what came of Identity headers (`streamer.identity.results`), empty
    where none was verified.
    """

    partitions: list[int]
    offsets: list[int]
    append_ms: list[int]
    values: list[bytes | None]
    rekeyed: list[bool]
    identities: Sequence[int] = ()


class Read(NamedTuple):
    """The sound records of a batch: their rows in it, what they say, and that as columns.

    `ids` holds the operators and then the call ids.
    """

    batch: Batch
    rows: list[int]
    events: list[CallEvent]
    operators: list[str]
    call_ids: list[str]
    numbers: NumberColumns
    ids: Texts
    columns: columns.Columns


def read(batch: Batch, rows: list[int], events: list[Any], known: InForce, numbers: Numbers, secret: Words) -> Read:
    """The columns of decoded events; `rows` says where in the batch they lie."""
    n = len(events)
    whole = n == len(batch.values)
    operators, call_ids = [event.operator for event in events], [event.call_id for event in events]
    row_of = {name: known.operators.row(name) for name in set(operators)}
    records = np.zeros((n, columns.RECORD_COLUMNS), np.int64)
    records[:, columns.KIND] = kinds = [_KIND[event.__class__] for event in events]
    records[:, columns.AT] = [event.at for event in events]
    records[:, columns.APPENDED] = batch.append_ms if whole else [batch.append_ms[row] for row in rows]
    records[:, columns.OFFSET] = batch.offsets if whole else [batch.offsets[row] for row in rows]
    records[:, columns.PARTITION] = batch.partitions if whole else [batch.partitions[row] for row in rows]
    records[:, columns.OPERATOR] = [row_of[name] for name in operators]
    if columns.SETUP in kinds:
        of_setups = np.flatnonzero(records[:, columns.KIND] == columns.SETUP)
        setups = events if of_setups.size == n else [events[at] for at in of_setups.tolist()]
        _of_setups(records, of_setups, setups, known, numbers)
        if batch.identities:
            records[:, columns.IDENTITY] = [batch.identities[row] for row in rows]
    if columns.END in kinds:
        of_ends = np.flatnonzero(records[:, columns.KIND] == columns.END)
        ends = [events[at] for at in of_ends.tolist()]
        records[of_ends, columns.RING] = [-1 if end.ring_ms is None else end.ring_ms for end in ends]
        records[of_ends, columns.TALK] = [end.talk_ms for end in ends]
        records[of_ends, columns.CAUSE] = [-1 if end.cause is None else end.cause for end in ends]
    found = numbers.resolve(
        [event.caller for event in events], [event.callee for event in events], [event.asserted for event in events]
    )
    ids = laid_out([*operators, *call_ids])
    hashes = np.empty(n, np.int64)
    hash_calls(*ids, records[:, columns.PARTITION], secret, hashes)
    return Read(
        batch,
        rows,
        events,
        operators,
        call_ids,
        found,
        ids,
        columns.Columns(
            records, found.callee_id, found.key_id, found.key_status, found.key_region, found.key_kind,
            found.callee_status, found.callee_region, found.callee_kind, found.withheld, hashes,
            found.partition != records[:, columns.PARTITION],
        ),
    )  # fmt: skip


def trunk_of(setup: Any) -> str:
    """The trunk that a set-up is counted by; empty where it names none."""
    return (setup.trunk or "")[:_LONGEST_TRUNK]


def _of_setups(records: Any, rows: Any, setups: list[Any], known: InForce, numbers: Numbers) -> None:
    """The columns that set-ups alone have; `rows` int64[n] says where in `records` they lie."""
    records[rows, columns.INGRESS] = [_INGRESS[event.ingress] for event in setups]
    records[rows, columns.ATTESTATION] = [_ATTESTATION[event.attestation] for event in setups]
    records[rows, columns.SCOPE] = records[rows, columns.OPERATOR]
    if known.lists.trunks:
        records[rows, columns.TRUNK] = [known.lists.trunks.get(event.trunk, 0) for event in setups]
    if known.trunks.rows:
        _of_trunks(records, rows, setups, known, numbers)
    scopes = known.demotions.scopes
    if scopes:
        for row, event in zip(rows.tolist(), setups, strict=True):
            scope = scopes.get((event.operator, trunk_of(event)))
            if scope is not None:
                records[row, columns.SCOPE] = scope
    diverted = [at for at, event in enumerate(setups) if event.diverted_from]
    if diverted:
        records[rows[diverted], columns.DIVERTED] = numbers.ids([setups[at].diverted_from for at in diverted])


def _of_trunks(records: Any, rows: Any, setups: list[Any], known: InForce, numbers: Numbers) -> None:
    """The rows of registered trunks, and the network's own number of set-ups over an enterprise's."""
    at = known.trunks.rows
    of = [at.get((event.operator, event.trunk), 0) for event in setups]
    records[rows, columns.REGISTERED] = of
    kinds = known.trunks.compiled.kind
    asserted = [at for at, event in enumerate(setups) if event.asserted and kinds[of[at]] == trunks.ENTERPRISE]
    if asserted:
        records[rows[asserted], columns.ASSERTED] = numbers.ids([setups[at].asserted for at in asserted])
