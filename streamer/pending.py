"""What is saved of a partition's calls that wait for their origination, and of its operators' originations: a part of the header."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import numpy as np
import orjson
from msgspec import Meta, Struct

from streamer.calls.codec import decode_decision
from streamer.calls.events import LATEST_MS, Operator
from streamer.columns import State
from streamer.errors import MessageError, StateError
from streamer.in_force import InForce
from streamer.registers.operators import CAPACITY
from streamer.revisions import Pended, Revisions
from streamer.settling import note_heard
from streamer.ways import Way
from streamer.windows import originations

_Time = Annotated[int, Meta(ge=0, le=LATEST_MS)]
_Word = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Bit = Annotated[int, Meta(ge=0, le=1)]
_Count = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
_LATEST_STEP: Final = LATEST_MS // originations.STEP_MS
_UNNAMED: Final = CAPACITY - 1


class PendedText(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`streamer.revisions.Pended`, as JSON within JSON."""

    call_id: str
    key: str
    append_ms: _Time
    decision: str
    evidence: str


class Waits(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A waiting call: the words of its row but for the operator, which has its name; and what was said of it, if anything. `sure` are
    those that are `originations.HEARD`; of others something was said where they are `UNHEARD`. Layout 8 had no `leg`.
    """

    offset: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
    due_ms: _Time
    call: _Word
    pair: _Word
    key: _Word
    at: _Time
    operator: Operator | None
    sure: _Bit
    before: _Bit
    state: Annotated[int, Meta(ge=originations.WAITING, le=originations.VERIFIED)]
    said: PendedText | None
    leg: _Word = 0


class Share(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How many calls of an operator's numbers, in one span of hours, met their origination there first, and after."""

    operator: Operator
    step: Annotated[int, Meta(ge=0, le=_LATEST_STEP)]
    in_time: _Count
    late: _Count


class Pending(Struct, frozen=True, forbid_unknown_fields=True):
    """All of that of a partition, or a part of it: one that `begins` takes the place of what is held, others are added to it."""

    begins: bool = False
    waits: Annotated[list[Waits], Meta(max_length=originations.MOST)] = []
    shares: list[Share] = []


NOTHING: Final = Pending()


def copied(state: State, revisions: Revisions, known: InForce, names: list[str], partition: int) -> Pending:
    """What a partition holds; `names` of operators by row."""
    note_heard(state.waiting, known.facts.compiled, known.operators.compiled, partition)
    said = revisions.of(partition)
    waits = []
    for offset, due, call, pair, key, at, operator, sure, before, came, leg in originations.held(
        state.waiting, partition
    ).tolist():
        told = said.get(offset)
        waits.append(
            Waits(
                offset,
                due,
                call,
                pair,
                key,
                at,
                None if operator == _UNNAMED else names[operator],
                int(sure == originations.HEARD),
                before,
                came,
                PendedText(told.call_id, told.key, told.append_ms, told.decision.decode(), told.evidence.decode())
                if told
                else None,
                leg,
            )
        )
    shares = [
        Share(names[row], *counts)
        for row, *counts in originations.shares_of(state.on_time, partition)
        if row != _UNNAMED
    ]
    return Pending(True, waits, shares)


def cut(whole: Pending, number: int, count: int) -> Pending:
    """One of so many parts."""
    waits = whole.waits[number * len(whole.waits) // count : (number + 1) * len(whole.waits) // count]
    return Pending(True, waits, whole.shares) if number == 0 else Pending(False, waits)


def faults(found: Pending) -> Iterator[str]:
    """What is wrong with it, beyond what its types say."""
    if len({wait.offset for wait in found.waits}) != len(found.waits):
        yield "two waiting calls have one offset"
    if len({(share.operator, share.step % originations.STEPS) for share in found.shares}) != len(found.shares):
        yield "an operator's originations of one span are told twice"
    if len({share.operator for share in found.shares} | {wait.operator for wait in found.waits}) > CAPACITY:
        yield "more operators are named than there are rows for"
    for wait in found.waits:
        if wait.said is not None:
            try:
                decode_decision(wait.said.decision.encode())
                if wait.said.evidence and not isinstance(orjson.loads(wait.said.evidence), dict):
                    yield f"the evidence of the call that waits at offset {wait.offset} is no object"
            except (MessageError, ValueError) as error:
                yield f"what was said of the call that waits at offset {wait.offset} cannot be read: {error}"


def put(state: State, revisions: Revisions, known: InForce, partition: int, found: Pending) -> None:
    """Take it in. Raises `StateError` when more would wait than may."""
    if found.begins:
        originations.drop(state.waiting, state.on_time, partition)
        revisions.forget(partition)
    held = originations.held(state.waiting, partition)
    if len(held) + len(found.waits) > originations.MOST:
        raise StateError(f"partition {partition}: more than {originations.MOST} calls wait")
    rows = np.zeros((len(found.waits), originations.WORDS), np.int64)
    said = revisions.of(partition)
    for row, wait in zip(rows, found.waits, strict=True):
        operator = _UNNAMED if wait.operator is None else known.operators.row(wait.operator)
        unheard = originations.UNSURE if wait.said is None else originations.UNHEARD
        sure = originations.HEARD if wait.sure else unheard
        row[:] = (
            wait.offset, wait.due_ms, wait.call, wait.pair, wait.key, wait.at, operator, sure, wait.before, wait.state,
            wait.leg,
        )  # fmt: skip
        if wait.said is not None:
            call_id, key, append_ms, decision, evidence = (
                wait.said.call_id, wait.said.key, wait.said.append_ms, wait.said.decision, wait.said.evidence
            )  # fmt: skip
            trunk = orjson.loads(evidence).get("trunk") if evidence else None
            counted = Way("", trunk if isinstance(trunk, str) else None).counted
            said[wait.offset] = Pended(call_id, key, append_ms, decision.encode(), evidence.encode(), counted)
    originations.put(state.waiting, partition, np.concatenate([held, rows]))
    revisions.put(partition, said)
    for share in found.shares:
        originations.put_share(
            state.on_time, partition, known.operators.row(share.operator), share.step, share.in_time, share.late
        )
