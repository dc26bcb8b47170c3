"""Cases read from their topic and changed on it, and what the logs still hold of their calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from streamer.calls.cases import Case, CaseStatus
from streamer.calls.codec import encode
from streamer.calls.events import CLAMP_BACK_MS, SKEW_MS
from streamer.calls.numbers import HomePlan, home_plan, normalise
from streamer.desk import filing, verdicts
from streamer.desk.filing import Filed
from streamer.desk.recalling import MOST_RECORDS, Recalled
from streamer.desk.record import answerable
from streamer.errors import DeskError
from streamer.kafka.logs import LogRecord, read
from streamer.kafka.sending import Outgoing, exchange
from streamer.kafka.topics import Topics
from streamer.settings import Settings
from streamer.signals.casebook import STILL_MS

MOST_CALLS: Final = 100
"""Calls of a case that are looked for."""
BLOCK_DIGITS: Final = 3
"""Digits of a number that its block of a thousand leaves out."""
RANGE_DIGITS: Final = 4
"""Digits that its range of ten thousand leaves out."""
_LONGEST_WHY: Final = 1_024


def cases(settings: Settings, *, of: str | None = None, told: bool = False) -> dict[str, Filed]:
    """All cases that the topic holds, by id; `of` and `told` as `streamer.desk.filing.filed` takes them."""
    return filing.filed(read(settings, Topics(settings).cases), of=of, told=told)


def turn(settings: Settings, named: str, status: CaseStatus, by: str, why: str, now_ms: int) -> Case:
    """Close a case, or open it again; gives it as it is then. Raises `DeskError` when it is so already, or there is none.

    Changes made at one moment follow one another (`streamer.kafka.sending.exchange`).
    """
    by, why = answerable(by, why)
    if len(why) > _LONGEST_WHY:
        raise DeskError(f"--why has {len(why)} characters; at most {_LONGEST_WHY} are taken")
    topic = Topics(settings).cases
    made: list[Case] = []

    def answer() -> Sequence[Outgoing]:
        found = filing.named(cases(settings), named).case
        if made and found.changed_at == made[0].changed_at and found.by == by:
            return ()
        if found.status == status:
            who = f" by {found.by}" if found.by else ""
            raise DeskError(f"{found.case} is {status} already{who}; nothing was changed")
        # Later than any change before it, whatever this machine's clock says.
        at = max(now_ms, (found.changed_at or 0) + 1)
        after = msgspec.structs.replace(
            found, status=status, by=by, why=why, changed_at=at, revision=found.revision + 1
        )
        made[:] = [after]
        return [Outgoing(topic, after.case.encode(), encode(after))]

    exchange(settings, f"{topic}-desk", answer)
    return made[0]


def calls(settings: Settings, case: Case, until_ms: int | None = None) -> dict[str, Recalled]:
    """What decisions and evidence in the logs say of the calls of a case, by call id; of those that are gone, nothing.

    Its calls are those that it names, and others of its subject, or of the lines that it names, of which there is evidence,
    `MOST_CALLS` at most. Read
    from shortly before its first call on (up to `until_ms`, if given, as the brokers' clock has it). Calls of the same id
    at other operators are none of its.
    """
    topics, plan = Topics(settings), home_plan(settings.home)
    begin = max(0, _first(case) - CLAMP_BACK_MS - SKEW_MS)
    proved: dict[str, list[LogRecord]] = {call_id: [] for call_id in case.evidence}
    others: _Others = {}
    for record in read(settings, topics.evidence, since_ms=begin, until_ms=until_ms):
        proof = _read(_proof, record)
        if proof is None or not _own(proof.decision, case):
            continue
        call_id = proof.decision.call_id
        if call_id in proved:
            _keep(proved[call_id], record)
        elif _is_about(proof, case, plan):
            _keep(others.setdefault(call_id, (proof.decision.at, []))[1], record)
            if len(others) > 2 * MOST_CALLS:
                others = _earliest(others, MOST_CALLS)
    proved |= {call_id: held for call_id, (_, held) in _earliest(others, MOST_CALLS - len(proved)).items()}
    decided: dict[str, list[LogRecord]] = {call_id: [] for call_id in proved}
    for record in read(settings, topics.decisions, since_ms=begin, until_ms=until_ms):
        if record.key_text in decided:
            decision = _read(_decided, record)
            if decision is not None and _own(decision, case):
                _keep(decided[record.key_text], record)
    return {call_id: _recalled(call_id, decided[call_id], proved[call_id]) for call_id in proved}


_Others = dict[str, tuple[int, list[LogRecord]]]
"""Calls that a case does not name, by id: when they were, and the evidence of them."""


def _earliest(others: _Others, most: int) -> _Others:
    return dict(sorted(others.items(), key=lambda item: (item[1][0], item[0]))[:most])


def _first(case: Case) -> int:
    return case.opened_at if case.first_at is None else case.first_at


def _keep(held: list[LogRecord], record: LogRecord) -> None:
    if len(held) < MOST_RECORDS:
        held.append(record)


def _recalled(call_id: str, decided: list[LogRecord], proved: list[LogRecord]) -> Recalled:
    evidence = list(verdicts.evidence_on(sorted(proved, key=_place), call_id))
    judged = verdicts.judged(verdicts.told(decided, call_id), evidence)
    with_decision = [one.evidence for call in judged for one in call if one.evidence is not None]
    return Recalled(judged, [one for one in evidence if one not in with_decision])


def _own(decision: _Decided, case: Case) -> bool:
    return not case.operators or decision.operator in case.operators


def _place(record: LogRecord) -> tuple[int, int]:
    return record.partition, record.offset


class _Decided(msgspec.Struct):
    call_id: str
    at: int
    operator: str
    callee: str


class _Proof(msgspec.Struct):
    decision: _Decided
    caller_key: str
    origin: str
    trunk: str | None = None


_T = TypeVar("_T")
_decided = msgspec.json.Decoder(_Decided).decode
_proof = msgspec.json.Decoder(_Proof).decode
"""As much of decisions and evidence as says of which call they are: most of what is read is of none that is looked for."""


def _read(decode: Callable[[bytes], _T], record: LogRecord) -> _T | None:
    try:
        return None if record.value is None else decode(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_about(proof: _Proof, case: Case, plan: HomePlan) -> bool:
    """Whether a call is one of the case's subject, between its first one and a day after the last that its newest record tells of:
    a case that goes on says so once a day.
    """
    kind, _, name = case.subject.partition("/")
    if not _first(case) <= proof.decision.at <= case.heard_at + STILL_MS:
        return False
    if kind == "callee":
        return normalise(proof.decision.callee, plan) == name
    if kind == "trunk":
        return f"{proof.decision.operator}/{proof.trunk}" == name
    if kind == "sim":
        return proof.origin == "own_line" and proof.caller_key == name
    if kind == "campaign":
        over, _, within = name.rpartition("/")
        if over and f"{proof.decision.operator}/{proof.trunk}" != over:
            return False
        return proof.origin == ("interconnect" if over else "own_line") and proof.caller_key[:-RANGE_DIGITS] == within
    if kind in ("imei", "cell", "holder"):
        return proof.origin == "own_line" and proof.caller_key in case.lines
    return kind == "block" and proof.origin == "interconnect" and proof.caller_key[:-BLOCK_DIGITS] == name
