"""Lists shown and changed on their topic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from streamer.calls.codec import encode
from streamer.calls.numbers import home_plan
from streamer.desk import entries
from streamer.desk.entries import Changed, Held
from streamer.desk.record import answerable, signed, time_text
from streamer.errors import DeskError
from streamer.kafka.logs import LogRecord, read
from streamer.kafka.sending import Outgoing, send
from streamer.kafka.topics import Topics
from streamer.settings import Settings


def standing(settings: Settings, **asked: Any) -> list[Held]:
    """The entries that fit what is asked (see `entries.matching`), in the order of their entering; expired ones too."""
    return entries.matching(entries.held(_log(settings)), home_plan(settings.home), **asked)


LATE_MS: Final = 24 * 3_600_000
"""So late may calls be judged by what has ended: they wait in `calls.v1` while nobody judges."""


class Entered(NamedTuple):
    """A new entry, and what it took the place of, if that was in force."""

    made: Held
    replaced: Held | None


def enter(
    settings: Settings,
    which: str,
    numbers: Sequence[str],
    now_ms: int,
    by: str,
    why: str,
    *,
    replace: bool = False,
    **members: Any,
) -> list[Entered]:
    """Enter numbers on a list, all or none; `members` as `entries.entry` takes them.

    Raises `DeskError` for what is not of the contract, or can never match; and, unless `replace`, where somebody else's entry
    would end sooner than he wanted.
    """
    by, why = answerable(by, why)
    plan, topic = home_plan(settings.home), Topics(settings).lists
    made = [entries.entry(which, number, plan, now_ms, by=by, why=why, **members) for number in numbers]
    keys = {one.key for one in made}
    found = entries.held(record for record in _log(settings) if record.key_text in keys)
    done = [Entered(Held(one.key, one, now_ms), entries.replaced(found, one, now_ms)) for one in made]
    for one, before in done:
        if before is not None and entries.is_cut_short(before, one.entry) and not replace:
            raise DeskError(
                f"{one.key} holds {_until(before)} already ({before.entry.by or 'nobody named'}: {before.entry.why or 'no reason given'});"
                " --replace has it end sooner; nothing was entered"
            )
    send(settings, [Outgoing(topic, one.key.encode(), encode(one), signed(by, why)) for one in made])
    return done


def _until(held: Held) -> str:
    return "without end" if held.entry.expires_at is None else f"until {time_text(held.entry.expires_at)}"


def withdraw(
    settings: Settings, which: str, numbers: Sequence[str], by: str, why: str, **asked: Any
) -> tuple[list[Held], tuple[str, str]]:
    """Remove every entry of the numbers that fits; gives those that were, and who and why as it is kept.

    Raises `DeskError` when a number has none: nothing is removed then.
    """
    by, why = answerable(by, why)
    plan, held = home_plan(settings.home), entries.held(_log(settings))
    gone: dict[str, Held] = {}
    for number in numbers:
        found = entries.matching(held, plan, which=which, number=number, **asked)
        if not found:
            raise DeskError(f"{number!r} has no such entry on the list {which}; nothing was removed")
        gone |= {one.key: one for one in found}
    send(settings, [Outgoing(Topics(settings).lists, key.encode(), None, signed(by, why)) for key in gone])
    return list(gone.values()), (by, why)


def prune(settings: Settings, now_ms: int, since_ms: int, by: str, why: str, *, dry: bool = False) -> list[Held]:
    """Remove every entry that ended before `since_ms`; with `dry` only say which. Raises `DeskError` for a time within `LATE_MS`."""
    by, why = answerable(by, why)
    if since_ms > now_ms - LATE_MS:
        raise DeskError(
            "calls of the last day may still be judged by what ended since: --ended names a time of before it"
        )
    gone = [
        one
        for one in entries.held(_log(settings))
        if one.entry.expires_at is not None and one.entry.expires_at < since_ms
    ]
    if gone and not dry:
        send(settings, [Outgoing(Topics(settings).lists, one.key.encode(), None, signed(by, why)) for one in gone])
    return gone


def past(settings: Settings, since_ms: int, *, which: str | None, number: str | None) -> list[Changed]:
    """What was done since then to entries of a list and number, in log order."""
    plan = home_plan(settings.home)
    return [
        one
        for one in entries.history(_log(settings))
        if one.at_ms >= since_ms and entries.is_about(one, plan, which=which, number=number)
    ]


def _log(settings: Settings) -> Iterator[LogRecord]:
    return read(settings, Topics(settings).lists)
