"""Dead letters read from their topics, and sent to where they came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from streamer.calls.numbers import home_plan
from streamer.desk import letters
from streamer.desk.letters import Letter, Plan
from streamer.desk.record import signed
from streamer.errors import DeskError
from streamer.kafka.logs import LogRecord, read
from streamer.kafka.sending import Outgoing, send
from streamer.kafka.topics import Place, Topics, dead_letter
from streamer.settings import Settings

_SLICE: Final = 1_000


class Asked(NamedTuple):
    """Which letters are meant: their reasons and source topics (empty: any), who published them, and from when to when."""

    reasons: Sequence[str] = ()
    sources: Sequence[str] = ()
    operator: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


def found(settings: Settings, asked: Asked) -> Iterator[Letter]:
    """The letters that are meant, one topic after another. Raises `DeskError` for a topic that has none."""
    for letter in letters.letters(_records(settings, asked)):
        if isinstance(letter, Letter) and _meant(letter, asked):
            yield letter


def planned(settings: Settings, asked: Asked, *, again: bool) -> list[Plan]:
    """What sending the letters that are meant would come to, oldest first; `again` as `letters.planned` takes it."""
    topics = Topics(settings)
    kept: list[Letter] = []
    sent: set[Place] = set()
    for letter in letters.letters(_records(settings, asked)):
        if not isinstance(letter, Letter):
            sent.add(letter)
        elif _meant(letter, asked):
            kept.append(letter)
    compacted = {letter.topic for letter in kept} & {*topics.facts, *topics.control}
    newest = {(topic, record.key or b""): record for topic in sorted(compacted) for record in read(settings, topic)}
    kept.sort(key=lambda letter: letter.record.at_ms)
    return letters.planned(kept, topics, home_plan(settings.home), frozenset(sent), newest, again=again)


def send_again(settings: Settings, plans: Sequence[Plan], by: str) -> None:
    """Send those that are ready, each noted beside its letter with `by`. Raises `DeskError` when that says nothing."""
    by = by.strip()
    if not by:
        raise DeskError("--by says who sends them; it is noted beside each letter")
    ready = [plan for plan in plans if plan.verdict == "ready"]
    # In slices, each noted once it was delivered: whoever is interrupted sends at most one slice twice.
    for begin in range(0, len(ready), _SLICE):
        part = ready[begin : begin + _SLICE]
        send(settings, [_again(plan, by) for plan in part])
        send(settings, [_note(plan.letter.record, by) for plan in part])


def _again(plan: Plan, by: str) -> Outgoing:
    letter = plan.letter
    return Outgoing(letter.topic, plan.key, letter.record.value, letters.headers_again(letter, by), plan.partition)


def _note(record: LogRecord, by: str) -> Outgoing:
    headers = ((letters.NOTED, b"%d" % record.offset), *signed(by, "replay"))
    return Outgoing(record.topic, record.key, None, headers, record.partition)


def _records(settings: Settings, asked: Asked) -> Iterator[LogRecord]:
    """All of the dead-letter topics that are asked for; to their ends, since a note may lie after the span."""
    topics = Topics(settings)
    wanted = list(topics.read)
    if asked.sources:
        by_name = {name: topic for topic in topics.read for name in (topic, topic.removeprefix(topics.prefix))}
        named = [name.removesuffix(dead_letter("")) for name in asked.sources]
        unknown = [name for name in named if name not in by_name]
        if unknown:
            raise DeskError(f"{unknown[0]!r} has no dead letters; there are {', '.join(sorted(set(by_name.values())))}")
        wanted = [by_name[name] for name in named]
    for topic in dict.fromkeys(wanted):
        yield from read(settings, dead_letter(topic), since_ms=asked.since_ms)


def _meant(letter: Letter, asked: Asked) -> bool:
    return (
        (asked.until_ms is None or letter.record.at_ms <= asked.until_ms)
        and (not asked.reasons or letter.reason in asked.reasons)
        and asked.operator in {None, letter.operator}
    )
