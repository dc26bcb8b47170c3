"""Dead letters: what they say of themselves, and which of them can be taken in when they are sent again.

Nothing of a record is edited. Its key is: where it was wrong, the right one is worked out from what the record says,
which is told. What is sent again says so in the header `replayed`, how often; a letter that comes back with it went round.
That a letter was sent is noted beside it, on the topic of the dead letters, as a record without a value.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from streamer.calls import codec
from streamer.calls.numbers import HomePlan, caller_key, normalise, utf8
from streamer.calls.ranges import ranges_of
from streamer.demotions import PREFIX, demotion_key
from streamer.desk.noted import Noted
from streamer.errors import MessageError, ModelError
from streamer.kafka.dead_letters import TRUNCATED, dead_letter_headers
from streamer.kafka.headers import whole_in
from streamer.kafka.logs import LogRecord
from streamer.kafka.topics import Place, Topics
from streamer.models import snapshot
from streamer.policy import check as check_policy
from streamer.registers import lists

REPLAYED: Final = "replayed"
FROM: Final = "replayed.from"
SENT_BY: Final = "replayed.by"
NOTED: Final = "replayed.offset"
_REASON: Final = "error.reason"
_OURS: Final = frozenset(
    (*(name for name, _ in dead_letter_headers("", "", "", 0, 0)), *TRUNCATED.values(), REPLAYED, FROM, SENT_BY)
)

Verdict = Literal["ready", "refused again", "truncated", "sent before", "went round", "superseded"]


class Letter(NamedTuple):
    """A dead letter: why, where it came from, who published it if it says so, and how often it was sent again before.

    `truncated`: of one that is not whole, how many bytes its `value` and its `key` had, and how many `headers` were left out.
    """

    record: LogRecord
    reason: str
    message: str
    topic: str
    partition: int
    offset: int
    operator: str | None
    replayed: int
    truncated: Mapping[str, int]

    @property
    def missing(self) -> str:
        """What of the record the letter does not have, for people; empty where it is whole."""
        kept = {"value": self.record.value, "key": self.record.key}
        return ", ".join(
            f"{had:,} of its headers left out"
            if piece == "headers"
            else f"{len(kept[piece] or b''):,} of the {had:,} bytes of its {piece} kept"
            for piece, had in self.truncated.items()
        )


class Plan(NamedTuple):
    """What sending a letter again would come to. `key` is the right one, `rekeyed` says that it came with another."""

    letter: Letter
    verdict: Verdict
    key: bytes | None = None
    partition: int | None = None
    rekeyed: bool = False
    why: str = ""


def letters(records: Iterable[LogRecord]) -> Iterator[Letter | Place]:
    """The records of dead-letter topics: letters, and the place (topic, offset) of each that a note says was sent again.

    A letter carries the headers that its publisher gave it, a note's among them if he likes: what has an error is no note.
    A note lies behind its letter; one that speaks of what is not before it is passed over.
    """
    for record in records:
        headers = {name: (value or b"").decode("ascii", "backslashreplace") for name, value in record.headers}
        if NOTED in headers and record.value is None and _REASON not in headers:
            if 0 <= (offset := _number(headers, NOTED)) < record.offset:
                yield record.topic, offset
            continue
        yield Letter(
            record,
            headers.get(_REASON, ""),
            headers.get("error.message", ""),
            headers.get("source.topic", ""),
            _number(headers, "source.partition"),
            _number(headers, "source.offset"),
            codec.operator_of(record.value),
            max(0, _number(headers, REPLAYED, 0)),
            {piece: max(0, _number(headers, name)) for piece, name in TRUNCATED.items() if name in headers},
        )


def _number(headers: Mapping[str, str], name: str, missing: int = -1) -> int:
    found = whole_in(headers.get(name, "").encode())
    return missing if found is None else found


def planned(found: Iterable[Letter], topics: Topics, plan: HomePlan, sent: Noted, *, again: bool = False) -> list[Plan]:
    """What becomes of each letter when it is sent again, as far as the letter and the notes beside it tell.

    With `again` letters that were sent before, or went round, are sent once more.
    """
    return [_plan(letter, topics, plan, sent, again=again) for letter in found]


def _plan(letter: Letter, topics: Topics, plan: HomePlan, sent: Noted, *, again: bool) -> Plan:
    record = letter.record
    if letter.topic not in topics.read:
        return Plan(letter, "refused again", why=f"its source {letter.topic!r} is no topic that is read here")
    if letter.truncated:
        return Plan(letter, "truncated", why=f"it is not the record that came: {letter.missing}")
    if not again and (record.topic, record.offset) in sent:
        return Plan(letter, "sent before", why="a note beside it says so; --again sends it once more")
    if not again and letter.replayed:
        return Plan(letter, "went round", why=f"sent again {letter.replayed} times, refused each time")
    try:
        key, partition = _place(topics.kind(letter.topic), record.key, record.value, plan)
    except (MessageError, ModelError, UnicodeDecodeError) as error:
        return Plan(letter, "refused again", why=str(error))
    return Plan(letter, "ready", key, partition, rekeyed=key != record.key)


def superseded(
    plans: Sequence[Plan], newest: Mapping[tuple[str, bytes], LogRecord], lasting: Container[str] = ()
) -> list[Plan]:
    """The plans, less those that are ready but older than the last record under their (topic, key) of a compacted topic.

    Topics that are `lasting` keep the last record of a key for ever: where they have none under the key that a record came
    with, it was removed since, and compaction has taken the tombstone too.
    """
    return [_against(plan, newest, lasting) for plan in plans]


def _against(plan: Plan, newest: Mapping[tuple[str, bytes], LogRecord], lasting: Container[str]) -> Plan:
    letter = plan.letter
    if plan.verdict != "ready":
        return plan
    rival = newest.get((letter.topic, plan.key or b""))
    if rival is None:
        if plan.rekeyed or letter.record.value is None or letter.topic not in lasting:
            return plan
        why = "the topic has no record under its key any more: it was removed since"
    elif _later(rival, letter):
        why = f"the topic has a newer record under its key, at {rival.partition}@{rival.offset}"
    else:
        return plan
    return Plan(letter, "superseded", why=why)


def _later(rival: LogRecord, letter: Letter) -> bool:
    """Whether a letter must not take the place of `rival`; of an older letter that was sent again it may.

    A misplaced record is buried whenever its partition is read anew, so that when it was says nothing of when it came.
    """
    topic, partition, offset = letter.record[:3]
    came = dict(rival.headers).get(FROM) or b""
    place, _, sent = came.rpartition(b"/")
    if place == _came(topic, partition) and (older := whole_in(sent)) is not None and older < offset:
        return False
    if rival.partition == letter.partition:
        return rival.offset > letter.offset
    return letter.reason == "misplaced" or rival.at_ms > letter.record.at_ms


def _came(topic: str, partition: int) -> bytes:
    """How `FROM` begins: the topic and partition of the letter, before its offset."""
    return f"{topic}/{partition}".encode("ascii")


def _place(kind: str, key: bytes | None, value: bytes | None, plan: HomePlan) -> tuple[bytes | None, int | None]:
    """The key, and the partition where that does not hang on the key. Raises `MessageError` for what is refused again."""
    if kind == "calls":
        event = codec.decode_call(value)
        return utf8(caller_key(event.caller, event.asserted, event.callee, plan)), None
    if kind == "feedback":
        report = codec.decode_feedback(value)
        return utf8(caller_key(report.caller, None, report.callee or "", plan)), None
    if kind == "evidence":
        evidence = codec.decode_evidence(value)
        return utf8(evidence.caller_key), evidence.partition
    if kind == "cases":
        return utf8(codec.decode_case(value).case), None
    if key is None:
        raise MessageError("missing_field", "it has no key, and its topic keeps one record a key")
    if value is None:
        return (utf8(normalise(key.decode(), plan)) if kind.startswith("subscribers.") else key), None
    if kind.startswith("subscribers."):
        fact = codec.decode_fact(value)
        if fact.fact != kind.removeprefix("subscribers."):
            raise MessageError("out_of_range", f"a {fact.fact!r} fact on the topic of {kind!r}")
        return utf8(normalise(fact.number, plan)), None
    return _control_key(kind, key, value, plan), None


def _control_key(kind: str, key: bytes, value: bytes, plan: HomePlan) -> bytes:
    text = key.decode("utf-8")
    if kind == "lists":
        wrong = lists.check(codec.decode_list_entry(value))
        if wrong is not None:
            raise MessageError("out_of_range", wrong)
    elif kind == "operators":
        codec.decode_operator(value)
    elif kind == "trunks":
        _, unsound = ranges_of(codec.decode_trunk(value).ranges, plan)
        if unsound:
            raise MessageError("out_of_range", unsound[0])
    elif kind == "policy":
        if text.startswith(PREFIX):
            return utf8(demotion_key(codec.decode_demotion(value)))
        if text == "current":
            codec.decode_policy_pointer(value)
        else:
            check_policy(codec.decode_policy(value))
    elif kind == "models":
        if text.startswith("current/"):
            codec.decode_model_pointer(value)
        else:
            offered = codec.decode_model(value)
            snapshot.verify(offered)
            snapshot.check_layout(offered)
    return key


def headers_again(letter: Letter, by: str) -> tuple[tuple[str, bytes], ...]:
    """The headers of what is sent again: those received, without what made it a letter, and that it is sent again."""
    record = letter.record
    kept = ((name, value or b"") for name, value in record.headers if name not in _OURS)
    return (
        *kept,
        (REPLAYED, b"%d" % (letter.replayed + 1)),
        (FROM, b"%b/%d" % (_came(record.topic, record.partition), record.offset)),
        (SENT_BY, by.encode("ascii", "backslashreplace")),
    )


def as_json(letter: Letter) -> dict[str, Any]:
    """A letter as one object; a value that is not UTF-8 is shown with escapes."""
    record = letter.record
    return {
        "topic": record.topic,
        "offset": record.offset,
        "at": record.at_ms,
        "reason": letter.reason,
        "message": letter.message,
        "source": {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset},
        "operator": letter.operator,
        "replayed": letter.replayed,
        "truncated": letter.truncated,
        "key": None if record.key is None else record.key_text,
        "value": None if record.value is None else record.value.decode("utf-8", "backslashreplace"),
    }
