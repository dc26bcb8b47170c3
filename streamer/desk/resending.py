"""Dead letters read from their topics, and sent to where they came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from streamer.calls.numbers import home_plan
from streamer.desk import letters
from streamer.desk.letters import Letter, Plan
from streamer.desk.noted import Noted
from streamer.desk.record import signed
from streamer.errors import DeskError
from streamer.kafka.logs import LogRecord, read
from streamer.kafka.sending import Outgoing, send
from streamer.kafka.topics import Topics, dead_letter
from streamer.settings import Settings

_SLICE: Final = 1_000
_PART: Final = 5_000
_PART_BYTES: Final = 16 * 1024 * 1024


class Asked(NamedTuple):
    """Which letters are meant: their reasons and source topics (empty: any), who published them, and from when to when."""

    reasons: Sequence[str] = ()
    sources: Sequence[str] = ()
    operator: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


def found(settings: Settings, asked: Asked) -> Iterator[Letter]:
    """The letters that are meant, one topic after another. Raises `DeskError` for a topic that has none."""
    for topic in _wanted(Topics(settings), asked):
        for letter in letters.letters(_records(settings, topic, asked)):
            if isinstance(letter, Letter) and _meant(letter, asked):
                yield letter


def planned(
    settings: Settings, asked: Asked, *, again: bool, read_on: Callable[[], object] = lambda: None
) -> Iterator[list[Plan]]:
    """What sending the letters that are meant would come to: so many at a time that they fit into memory, however many there are.

    One topic after another, each in the order of its log, which is read twice: notes may lie far behind their letters. `again`
    as `letters.planned` takes it; `read_on` is called with each record. Raises `DeskError` for a topic that has none.
    """
    topics, plan = Topics(settings), home_plan(settings.home)
    for topic in _wanted(topics, asked):
        sent = Noted()
        for one in letters.letters(_records(settings, topic, asked, read_on)):
            if not isinstance(one, Letter):
                sent.add(one)
        meant = (
            one
            for one in letters.letters(_records(settings, topic, asked, read_on))
            if isinstance(one, Letter) and _meant(one, asked)
        )
        for part in parted(meant):
            plans = letters.planned(part, topics, plan, sent, again=again)
            lasting = {*topics.facts, *topics.control} - {topics.signals}
            yield letters.superseded(plans, _newest(settings, topics, plans), lasting)


def parted(found: Iterable[Letter], most: int = _PART, most_bytes: int = _PART_BYTES) -> Iterator[list[Letter]]:
    """The letters in their order, at most so many, or one beyond so many bytes, at a time."""
    part: list[Letter] = []
    held = 0
    for letter in found:
        part.append(letter)
        held += _size(letter.record)
        if len(part) >= most or held >= most_bytes:
            yield part
            part, held = [], 0
    if part:
        yield part


def _size(record: LogRecord) -> int:
    texts = (record.key, record.value, *(value for _, value in record.headers))
    return sum(len(text) for text in texts if text is not None)


def _newest(settings: Settings, topics: Topics, plans: Sequence[Plan]) -> dict[tuple[str, bytes], LogRecord]:
    """The last record, of several partitions the latest, without its value, under each key of the compacted topics that something is
    ready for.
    """
    compacted = {*topics.facts, *topics.control}
    keys = {(plan.letter.topic, plan.key or b"") for plan in plans if plan.verdict == "ready"}
    newest: dict[tuple[str, bytes], LogRecord] = {}
    for topic in sorted({topic for topic, _ in keys} & compacted):
        for record in read(settings, topic):
            place = topic, record.key or b""
            before = newest.get(place)
            if place in keys and (
                before is None or before.partition == record.partition or record.at_ms >= before.at_ms
            ):
                newest[place] = record._replace(value=None)
    return newest


def signer(by: str) -> str:
    """Who sends them, without blanks around. Raises `DeskError` when that says nothing."""
    if not by.strip():
        raise DeskError("--by says who sends them; it is noted beside each letter")
    return by.strip()


def send_again(settings: Settings, plans: Sequence[Plan], by: str) -> Iterator[Sequence[Plan]]:
    """Send those that are ready, each noted beside its letter with `by`; gives the plans that were dealt with, as it goes on.

    Noted once they were delivered, a slice at a time: whoever is interrupted sends at most one slice twice.
    """
    for begin in range(0, len(plans), _SLICE):
        part = plans[begin : begin + _SLICE]
        ready = [plan for plan in part if plan.verdict == "ready"]
        if ready:
            send(settings, [_again(plan, by) for plan in ready])
            send(settings, [_note(plan.letter.record, by) for plan in ready])
        yield part


def _again(plan: Plan, by: str) -> Outgoing:
    letter = plan.letter
    return Outgoing(letter.topic, plan.key, letter.record.value, letters.headers_again(letter, by), plan.partition)


def _note(record: LogRecord, by: str) -> Outgoing:
    headers = ((letters.NOTED, b"%d" % record.offset), *signed(by, "replay"))
    return Outgoing(record.topic, record.key, None, headers, record.partition)


def _wanted(topics: Topics, asked: Asked) -> list[str]:
    """The topics whose dead letters are asked for."""
    if not asked.sources:
        return list(topics.read)
    by_name = {name: topic for topic in topics.read for name in (topic, topic.removeprefix(topics.prefix))}
    named = [name.removesuffix(dead_letter("")) for name in asked.sources]
    unknown = [name for name in named if name not in by_name]
    if unknown:
        raise DeskError(f"{unknown[0]!r} has no dead letters; there are {', '.join(sorted(set(by_name.values())))}")
    return list(dict.fromkeys(by_name[name] for name in named))


def _records(
    settings: Settings, topic: str, asked: Asked, read_on: Callable[[], object] = lambda: None
) -> Iterator[LogRecord]:
    """The dead letters of a topic; to their end, since a note may lie after the span."""
    for record in read(settings, dead_letter(topic), since_ms=asked.since_ms):
        read_on()
        yield record


def _meant(letter: Letter, asked: Asked) -> bool:
    return (
        (asked.until_ms is None or letter.record.at_ms <= asked.until_ms)
        and (not asked.reasons or letter.reason in asked.reasons)
        and asked.operator in {None, letter.operator}
    )
