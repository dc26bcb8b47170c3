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


class Done(NamedTuple):
    """What a record of a case did to it. `at_ms`: event time, or that of a person's change; `what` in words."""

    at_ms: int
    what: str
    by: str
    why: str


class Filed(NamedTuple):
    """A case as it stands; what was done to it, and its records, in log order, as far as they were asked for."""

    case: Case
    done: list[Done]
    records: list[tuple[LogRecord, Case]]


def filed(records: Iterable[LogRecord], *, of: str | None = None, told: bool = False) -> dict[str, Filed]:
    """The cases of these records by id, in the order of their first ones; what cannot be read is left out.

    A year's records are many times what stands of them, so that no more is kept than asked for: with `told` what was done to
    each case, with `of` that and the records of those whose ids begin so.
    """
    found: dict[str, Filed] = {}
    for record in records:
        try:
            case = codec.decode_case(record.value)
        except MessageError:
            continue
        held = found.get(case.case)
        before = None if held is None else held.case
        after = merged(before, case)
        one = found[case.case] = Filed(after, [], []) if held is None else held._replace(case=after)
        meant = of is not None and case.case.startswith(of)
        if told or meant:
            one.done.append(_done(before, case, after))
        if meant:
            one.records.append((record, case))
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


def _done(before: Case | None, case: Case, after: Case) -> Done:
    """What a record, `case`, did to what was there."""
    new_change = before is not None and after.changed_at != before.changed_at
    at_ms = after.changed_at if new_change and after.changed_at is not None else case.heard_at
    turned = before is None or new_change or after.status != before.status
    return Done(at_ms, _what(before, after), case.by if turned else "", case.why if turned else "")


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
    """A case, of which was told what was done to it, as one object."""
    case: dict[str, Any] = msgspec.to_builtins(one.case)
    return case | {"history": [done._asdict() for done in one.done]}
