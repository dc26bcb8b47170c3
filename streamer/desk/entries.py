"""Entries of lists as a person enters them: in the one spelling that is compared, and refused when they can never match.

What matches is what `streamer.registers.lists` looks up: on the caller's side the caller key, on the called side the
called number, both normalised by the home plan. A prefix with `+` is one of E.164 digits, one without is one of short
numbers as dialled (at most nine digits).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple

import msgspec

from streamer.calls import codec
from streamer.calls.events import ListEntry
from streamer.calls.numbers import WITHHELD_PREFIX, HomePlan, is_withheld, normalise
from streamer.calls.ranges import LONGEST_SHORT, SEPARATORS, as_international
from streamer.desk.record import signature
from streamer.errors import DeskError, MessageError
from streamer.kafka.logs import LogRecord
from streamer.registers import lists

ONE_SIDE: Final = {
    "do_not_originate": "caller",
    "allocated": "caller",
    "emergency": "called",
    "premium": "called",
    "protected": "called",
    "roaming_numbers": "called",
}
"""Lists that are asked for one of the two numbers alone."""


def spelled(number: str, match: str, plan: HomePlan) -> str:
    """The number or prefix in the spelling that is compared. Raises `DeskError` when no number could ever match.

    >>> from streamer.calls.numbers import home_plan
    >>> kz = home_plan("KZ")
    >>> spelled("8 701 123-45-67", "exact", kz), spelled("8 701", "prefix", kz), spelled("00 44", "prefix", kz), spelled("11", "prefix", kz)
    ('+77011234567', '+7701', '+44', '11')
    """
    return _prefix(number, plan) if match == "prefix" else _exact(number, plan)


def _exact(number: str, plan: HomePlan) -> str:
    if number.startswith(WITHHELD_PREFIX):
        return WITHHELD_PREFIX + _exact(number.removeprefix(WITHHELD_PREFIX), plan)
    if is_withheld(number):
        raise DeskError(
            f"{number!r} withholds the number: such callers are known as {WITHHELD_PREFIX}<called number>, list that instead"
        )
    found = normalise(number, plan)
    digits = found.removeprefix("+")
    if found.startswith("+") and not 7 <= len(digits) <= 15:
        raise DeskError(f"{number!r} is no whole number (7 to 15 digits after the +); is --match prefix meant?")
    if found.startswith("0") and len(digits) > LONGEST_SHORT and digits.isdigit():
        raise DeskError(f"{number!r} cannot be dialled in {plan.region}: no number of the plan is written so")
    return found


def _prefix(number: str, plan: HomePlan) -> str:
    text = number.translate(SEPARATORS)
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise DeskError(f"{number!r} is no prefix: digits, with + before those of E.164")
    if not text.startswith("+"):
        known = as_international(digits, plan) or (digits if len(digits) > LONGEST_SHORT else None)
        text = digits if known is None else f"+{known}"
    bare = text.removeprefix("+")
    if text.startswith("+"):
        if bare.startswith("0") or not 1 <= len(bare) <= 15:
            raise DeskError(f"{number!r} can never match: E.164 has 1 to 15 digits and none begins with 0")
    elif len(bare) > LONGEST_SHORT:
        raise DeskError(
            f"{number!r} can never match: without + it is a prefix of short numbers, which have at most {LONGEST_SHORT} digits"
        )
    return text


def entry(
    which: str,
    number: str,
    plan: HomePlan,
    now_ms: int,
    *,
    match: str,
    side: str,
    trunk: str | None,
    expires_at: int | None,
    by: str,
    why: str,
) -> ListEntry:
    """One entry, checked. Raises `DeskError` for one that is not of the contract or can never match."""
    only = ONE_SIDE.get(which)
    if only is not None and side != only:
        raise DeskError(f"the list {which} is asked for {only} numbers alone: --side {only}")
    if expires_at is not None and expires_at <= now_ms:
        raise DeskError("it would have expired already: --expires names a time that is over")
    if trunk is not None and not trunk.strip():
        raise DeskError("--trunk says nothing; leave it out for all trunks")
    given = {
        "list": which,
        "match": match,
        "number": spelled(number, match, plan),
        "side": side,
        "trunk": trunk,
        "expires_at": expires_at,
        "by": by,
        "why": why,
    }
    try:
        made = msgspec.convert(given, ListEntry)
    except msgspec.ValidationError as error:
        raise DeskError(f"no entry of a list: {error}") from None
    wrong = lists.check(made)
    if wrong is not None:
        raise DeskError(wrong)
    return made


class Held(NamedTuple):
    """An entry in force: its record's key, the entry, and when it was entered (ms)."""

    key: str
    entry: ListEntry
    at_ms: int


class Changed(NamedTuple):
    """One record of the past: what was done, when, by whom, why, to which entry (None: the record cannot be read)."""

    at_ms: int
    done: Literal["added", "changed", "removed", "refused"]
    key: str
    by: str
    why: str
    entry: ListEntry | None


def _read(record: LogRecord) -> ListEntry | str:
    """The entry of a record, or why the workers refuse it."""
    try:
        found = codec.decode_list_entry(record.value)
    except MessageError as error:
        return str(error)
    return lists.check(found) or found


def held(records: Iterable[LogRecord]) -> list[Held]:
    """The entries that stand at the end of the log, in the order of their entering; expired ones too."""
    found: dict[str, Held] = {}
    for record in records:
        key = record.key_text
        if record.value is None:
            found.pop(key, None)
            continue
        read = _read(record)
        if isinstance(read, ListEntry):
            found.pop(key, None)
            found[key] = Held(key, read, record.at_ms)
    return list(found.values())


def replaced(found: Iterable[Held], made: ListEntry, now_ms: int) -> Held | None:
    """The entry in force that `made` would take the place of; one that says the same but for who and why is that too."""
    return next((one for one in found if one.key == made.key and _end(one.entry) > now_ms), None)


def is_cut_short(held: Held, made: ListEntry) -> bool:
    """Whether `made` ends what somebody else entered before he wanted it to end."""
    return held.entry.by != made.by and _end(made) < _end(held.entry)


def _end(entry: ListEntry) -> int:
    return lists.NEVER_MS if entry.expires_at is None else entry.expires_at


def history(records: Iterable[LogRecord]) -> Iterator[Changed]:
    """What was done, in log order, as far back as compaction has left it."""
    known: dict[str, ListEntry] = {}
    for record in records:
        key = record.key_text
        by, why = signature(record.headers)
        if record.value is None:
            yield Changed(record.at_ms, "removed", key, by, why, known.pop(key, None))
            continue
        read = _read(record)
        if isinstance(read, ListEntry):
            yield Changed(record.at_ms, "changed" if key in known else "added", key, read.by, read.why, read)
            known[key] = read
        else:
            yield Changed(record.at_ms, "refused", key, by, read, None)


def matching(
    entries: Iterable[Held],
    plan: HomePlan,
    *,
    which: str | None = None,
    number: str | None = None,
    match: str | None = None,
    side: str | None = None,
    trunk: str | None = None,
) -> list[Held]:
    """Those that fit all that is given; numbers are compared in one spelling, however they were entered."""

    def fits(one: ListEntry) -> bool:
        if any(asked not in {None, has} for asked, has in ((which, one.list), (match, one.match), (side, one.side))):
            return False
        if trunk is not None and trunk != (one.trunk or ""):
            return False
        return number is None or _same(number, one, plan)

    return [found for found in entries if fits(found.entry)]


def is_about(change: Changed, plan: HomePlan, *, which: str | None, number: str | None) -> bool:
    """Whether a change is of that list and number; of an entry that cannot be read its key alone tells."""
    if change.entry is not None:
        return bool(matching([Held(change.key, change.entry, 0)], plan, which=which, number=number))
    on_list = which is None or change.key.startswith(f"{which}/")
    return on_list and (number is None or change.key.endswith(f"/{number}"))


def _same(number: str, one: ListEntry, plan: HomePlan) -> bool:
    if number == one.number:
        return True
    try:
        wanted = spelled(number, one.match, plan)
    except DeskError:
        return False
    try:
        return wanted == spelled(one.number, one.match, plan)
    except DeskError:
        return False


def as_json(found: Held, now_ms: int) -> dict[str, Any]:
    """An entry in force as one object: the message, its key, when it was entered, and whether it has expired."""
    until = found.entry.expires_at
    return {
        "key": found.key,
        "entered_at": found.at_ms,
        "expired": until is not None and until <= now_ms,
        **msgspec.to_builtins(found.entry),
    }
