"""Records of a batch as the columns that a pass reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from streamer import columns, ways
from streamer.calls import members
from streamer.calls.codec import decode_call
from streamer.calls.compiled_hashes import Words
from streamer.calls.compiled_numbers import NumberColumns, Numbers
from streamer.calls.emergency import is_urgent, spelled_for
from streamer.calls.events import CallEvent, Setup
from streamer.calls.reading import Calls, Reader
from streamer.calls.texts import ASSERTED, CALL_ID, CALLEE, CALLER, DIVERTED, Texts
from streamer.compiled import Straight, loop
from streamer.in_force import InForce
from streamer.registers import trunks
from streamer.ways import Taken, Way, Ways
from streamer.windows.hashing import hash_calls


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
    """The sound records of a batch: their rows in it, their texts, and what they say as columns."""

    batch: Batch
    rows: list[int]
    texts: Texts
    taken: Taken
    numbers: NumberColumns
    columns: columns.Columns

    def call_ids(self) -> list[str]:
        """The call id of each."""
        return self.texts.of(CALL_ID)

    def call_id(self, at: int) -> str:
        """The call id of one."""
        return self.texts.required(CALL_ID, at)

    def way_of(self, at: int) -> Way:
        """By which operator and trunk one came."""
        return self.taken.ways[int(self.taken.way[at])]

    def setup(self, at: int) -> Setup:
        """All that a set-up says."""
        event: CallEvent = decode_call(self.batch.values[self.rows[at]])
        assert isinstance(event, Setup)
        return event


class Records:
    """Turns batches into columns, for one secret and home country."""

    def __init__(self, numbers: Numbers, secret: Words) -> None:
        self._numbers = numbers
        self._secret = secret
        self._urgent = spelled_for(numbers.plan)
        self._reader = Reader()
        self._ways = Ways(secret)
        self._fill = Straight(_fill)
        self._hash = Straight(hash_calls)

    def sound(self, values: Sequence[bytes | None]) -> Calls:
        """The sound records of a batch, and those that are refused."""
        return self._reader.read(values)

    def read(self, batch: Batch, calls: Calls, known: InForce) -> Read:
        """The columns of a batch's sound records, of which there is at least one."""
        rows, texts, given, _ = calls
        placed: Any = np.empty((4, len(batch.values)), np.int64)
        placed[0], placed[1], placed[2] = batch.append_ms, batch.offsets, batch.partitions
        placed[3] = batch.identities or 0
        if len(rows) < len(batch.values):
            placed = np.ascontiguousarray(placed[:, rows])
        taken = self._ways.of(texts, known)
        records = np.zeros((len(rows), columns.RECORD_COLUMNS), np.int64)
        hashes = np.empty(len(rows), np.int64)
        kinds = known.trunks.compiled.kind
        seldom = kinds, self._urgent
        diverted, asserted = self._fill(seldom, records, given, placed, taken.way, taken.known, *texts)
        if diverted:
            self._ids(records, texts, columns.DIVERTED, DIVERTED)
        if asserted:
            self._ids(records, texts, columns.ASSERTED, ASSERTED)
        found = self._numbers.resolve(texts)
        self._hash((), *texts, placed[2], self._secret, hashes)
        return Read(
            batch,
            rows,
            texts,
            taken,
            found,
            columns.Columns(
                records, found.callee_id, found.key_id, found.key_status, found.key_region, found.key_kind,
                found.ambiguous, found.callee_status, found.callee_region, found.callee_kind, found.withheld, hashes,
                found.partition != placed[2],
            ),
        )  # fmt: skip

    def _ids(self, records: Any, texts: Texts, column: int, which: int) -> None:
        """The ids of numbers that few set-ups have; those are marked by now."""
        rows = np.flatnonzero(records[:, column])
        records[rows, column] = self._numbers.ids([texts.required(which, row) for row in rows.tolist()])


@loop
def _as_shown(data: Any, spans: Any, row: int) -> bool:
    """Whether the asserted number is written as the calling one is."""
    begin, end, shown = spans[ASSERTED, row, 0], spans[ASSERTED, row, 1], spans[CALLER, row, 0]
    if end - begin != spans[CALLER, row, 1] - shown:
        return False
    for place in range(end - begin):
        if data[begin + place] != data[shown + place]:
            return False
    return True


@loop
def _fill(
    trunk_kinds: Any, urgent: Any, records: Any, given: Any, placed: Any, way: Any, known: Any, data: Any, spans: Any
) -> tuple[bool, bool]:
    """Fill the columns of records; those of diverted numbers, and of numbers that a network asserts over an enterprise's trunk or of an
    own line that shows another one, with 1 where there is one. Gives whether there are any.
    """
    diverted = asserted = False
    for row in range(records.shape[0]):
        record = records[row]
        kind = given[row, members.KIND]
        record[columns.KIND] = kind
        record[columns.AT] = given[row, members.AT]
        record[columns.APPENDED], record[columns.OFFSET] = placed[0, row], placed[1, row]
        record[columns.PARTITION] = placed[2, row]
        at = known[way[row]]
        record[columns.OPERATOR] = at[ways.OPERATOR_ROW]
        if kind == members.SETUP:
            record[columns.INGRESS] = given[row, members.INGRESS]
            record[columns.ATTESTATION] = given[row, members.ATTESTATION]
            record[columns.SCOPE], record[columns.TRUNK] = at[ways.SCOPE], at[ways.LISTED]
            record[columns.REGISTERED] = at[ways.REGISTERED]
            if spans[DIVERTED, row, 1] > spans[DIVERTED, row, 0]:
                record[columns.DIVERTED] = 1
                diverted = True
            if spans[ASSERTED, row, 1] > spans[ASSERTED, row, 0]:
                own = record[columns.INGRESS] == 0 and not _as_shown(data, spans, row)
                if own or trunk_kinds[at[ways.REGISTERED]] == trunks.ENTERPRISE:
                    record[columns.ASSERTED] = 1
                    asserted = True
            record[columns.IDENTITY] = placed[3, row]
            record[columns.CACHED] = given[row, members.CACHED] == 1
            record[columns.URGENT] = is_urgent(data, spans[CALLEE, row, 0], spans[CALLEE, row, 1], urgent)
            if record[columns.INGRESS] == 2:
                record[columns.SHOWS_URGENT] = is_urgent(data, spans[CALLER, row, 0], spans[CALLER, row, 1], urgent)
        elif kind == members.END:
            record[columns.RING], record[columns.TALK] = given[row, members.RING], given[row, members.TALK]
            record[columns.CAUSE] = given[row, members.CAUSE]
    return diverted, asserted
