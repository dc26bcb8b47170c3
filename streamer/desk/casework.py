"""Cases read from their topic and changed on it, and what the logs still hold of their calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from streamer.calls.cases import Case, CaseStatus
from streamer.calls.codec import encode
from streamer.calls.events import CLAMP_BACK_MS, SKEW_MS
from streamer.desk import filing, verdicts
from streamer.desk.filing import Filed
from streamer.desk.recalling import Recalled
from streamer.desk.record import answerable
from streamer.errors import DeskError
from streamer.kafka.logs import LogRecord, read
from streamer.kafka.sending import Outgoing, exchange
from streamer.kafka.topics import Topics
from streamer.settings import Settings

MOST_RECORDS: Final = 50
"""Records of one call id that are kept of a topic: whoever publishes may repeat an id as often as he likes."""
_LONGEST_WHY: Final = 1_024


def cases(settings: Settings) -> dict[str, Filed]:
    """All cases that the topic holds, by id."""
    return filing.filed(read(settings, Topics(settings).cases))


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
    """What decisions and evidence in the logs say of each call of a case; of those that are gone, nothing.

    Read from shortly before its first call on (up to `until_ms`, if given, as the brokers' clock has it). Calls of the
    same id at other operators are none of its.
    """
    topics, wanted = Topics(settings), frozenset(case.evidence)
    begin = max(0, (case.opened_at if case.first_at is None else case.first_at) - CLAMP_BACK_MS - SKEW_MS)
    decided = _by_call(read(settings, topics.decisions, since_ms=begin, until_ms=until_ms), wanted, _key)
    proved = _by_call(read(settings, topics.evidence, since_ms=begin, until_ms=until_ms), wanted, _decided_on)
    return {call_id: _recalled(call_id, case, decided[call_id], proved[call_id]) for call_id in case.evidence}


def _recalled(call_id: str, case: Case, decided: list[LogRecord], proved: list[LogRecord]) -> Recalled:
    def own(decision: Any) -> bool:
        return not case.operators or decision.operator in case.operators

    evidence = [one for one in verdicts.evidence_on(proved, call_id) if own(one.decision)]
    judged = verdicts.judged([one for one in verdicts.told(decided, call_id) if own(one.decision)], evidence)
    with_decision = [one.evidence for call in judged for one in call if one.evidence is not None]
    return Recalled(judged, [one for one in evidence if one not in with_decision])


def _by_call(
    records: Iterator[LogRecord], wanted: frozenset[str], call_of: Callable[[LogRecord], str | None]
) -> dict[str, list[LogRecord]]:
    found: dict[str, list[LogRecord]] = {call_id: [] for call_id in wanted}
    for record in records:
        call_id = call_of(record)
        if call_id in wanted and call_id is not None and len(found[call_id]) < MOST_RECORDS:
            found[call_id].append(record)
    return {call_id: sorted(held, key=lambda record: record[1:3]) for call_id, held in found.items()}


class _Decided(msgspec.Struct):
    call_id: str


class _Proof(msgspec.Struct):
    decision: _Decided


_proof = msgspec.json.Decoder(_Proof).decode
"""As much of evidence as says of which call it is: most of what is read is of none that is looked for."""


def _key(record: LogRecord) -> str | None:
    return record.key_text


def _decided_on(record: LogRecord) -> str | None:
    try:
        return None if record.value is None else _proof(record.value).decision.call_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
