"""Cases as their topic has them: what stands of each, and what was done to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from streamer.calls import codec
from streamer.calls.cases import Case
from streamer.errors import DeskError, MessageError
from streamer.kafka.logs import LogRecord
from streamer.signals.casebook import merged


class Filed(NamedTuple):
    """A case as it stands, and its records in log order."""

    case: Case
    records: tuple[tuple[LogRecord, Case], ...]


class Done(NamedTuple):
    """What a record of a case did to it. `at_ms`: event time, or that of a person's change; `what` in words."""

    at_ms: int
    what: str
    by: str
    why: str


def filed(records: Iterable[LogRecord]) -> dict[str, Filed]:
    """The cases of these records by id, in the order of their first ones; what cannot be read is left out."""
    found: dict[str, Filed] = {}
    for record in records:
        try:
            case = codec.decode_case(record.value)
        except MessageError:
            continue
        held = found.get(case.case)
        before = () if held is None else held.records
        found[case.case] = Filed(merged(None if held is None else held.case, case), (*before, (record, case)))
    return found


def matching(
    cases: Iterable[Filed],
    *,
    kind: str | None = None,
    status: str | None = None,
    operator: str | None = None,
    since_ms: int | None = None,
) -> list[Filed]:
    """Those that fit all that is given; `since_ms`: whose subject was seen at it then or later."""
    return [
        one
        for one in cases
        if kind in {None, one.case.kind}
        and status in {None, one.case.status}
        and (operator is None or operator in one.case.operators)
        and (since_ms is None or one.case.heard_at >= since_ms)
    ]


def named(cases: dict[str, Filed], text: str) -> Filed:
    """The case of that id, or the only one whose id begins so. Raises `DeskError` when there is none, or more."""
    if text in cases:
        return cases[text]
    found = [case for case in cases if text and case.startswith(text)]
    if len(found) == 1:
        return cases[found[0]]
    if not found:
        raise DeskError(f"there is no case {text!r}; `streamer cases list` shows all")
    shown = ", ".join(found[-5:])
    raise DeskError(f"{len(found)} cases begin with {text!r}, the last of them: {shown}")


def history(one: Filed) -> list[Done]:
    """What each record did, in log order."""
    done: list[Done] = []
    before: Case | None = None
    for _, case in one.records:
        after = merged(before, case)
        new_change = before is not None and after.changed_at != before.changed_at
        at_ms = after.changed_at if new_change and after.changed_at is not None else case.heard_at
        turned = before is None or new_change or after.status != before.status
        done.append(Done(at_ms, _what(before, after), case.by if turned else "", case.why if turned else ""))
        before = after
    return done


def _what(before: Case | None, after: Case) -> str:
    if before is None:
        return f"{after.status}: {after.measure}, {size(after)}"
    news = [] if before.status == after.status else ["closed" if after.status == "closed" else "open again"]
    for name in ("measure", "calls", "victims"):
        old, new = getattr(before, name), getattr(after, name)
        news += [] if old == new else [f"{name} {old} -> {new}"]
    gained = [operator for operator in after.operators if operator not in before.operators]
    news += [f"operators {', '.join(gained)}"] if gained else []
    return "; ".join(news) or "goes on"


def size(case: Case) -> str:
    """How many calls and victims, in words; of trunks and blocks called numbers are not counted."""
    return f"{case.calls} calls" + (f", {case.victims} victims" if case.victims else "")


def as_json(one: Filed) -> dict[str, Any]:
    """A case as one object."""
    case: dict[str, Any] = msgspec.to_builtins(one.case)
    return case | {"history": [done._asdict() for done in history(one)]}
