"""Reports for `feedback.v1` as a person makes them: refused when the trainer would not take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from streamer.calls import codec
from streamer.calls.events import Feedback
from streamer.calls.numbers import HomePlan, caller_key, normalise
from streamer.desk.record import time_text
from streamer.errors import DeskError, MessageError
from streamer.kafka.logs import LogRecord
from streamer.models.labels import Claim, Refusal, claim

_REFUSALS: Final = {
    "untrusted_line": "--scope line is taken only from police, operators and analysts",
    "no_call_named": "it names no call: a withheld caller needs --callee or --call-id",
    "empty_span": "--since is later than --until",
}


def report(given: dict[str, Any], plan: HomePlan) -> tuple[Feedback, str]:
    """A report and its record key. Raises `DeskError` for one that is not of the contract or labels nothing.

    `given` has the contract's members; those that are None are left out.
    """
    try:
        made = msgspec.convert({name: value for name, value in given.items() if value is not None}, Feedback)
    except msgspec.ValidationError as error:
        raise DeskError(f"no report: {error}") from None
    if not made.caller and made.call_id is None:
        raise DeskError("it names neither a caller nor a call id")
    claimed = claim(made, plan)
    if isinstance(claimed, Refusal):
        raise DeskError(_REFUSALS[claimed.reason])
    if made.label == "legitimate" and made.fraud_type is not None:
        raise DeskError("a legitimate call has no fraud type")
    return made, caller_key(made.caller, None, made.callee or "", plan)


def meaning(made: Feedback, plan: HomePlan) -> str:
    """Which calls a report labels, in words."""
    claimed = claim(made, plan)
    if not isinstance(claimed, Claim):
        return _REFUSALS[claimed.reason]
    if claimed.call_id is not None:
        which = f"the call {claimed.call_id}"
    else:
        span = f"from {time_text(claimed.from_ms)} to {time_text(claimed.to_ms)}"
        to = f" to {claimed.callee}" if claimed.callee else ""
        which = f"calls of {claimed.caller}{to} {span}"
    classes = " else ".join(origin.replace("_", " ") for origin in claimed.origins)
    if not claimed.sampled:
        classes += " (of the sample none)"
    return f"{which}, {classes}, as {made.label}"


def reported(
    records: Iterable[LogRecord],
    plan: HomePlan,
    *,
    caller: str | None = None,
    label: str | None = None,
    source: str | None = None,
    by: str | None = None,
) -> Iterator[tuple[LogRecord, Feedback]]:
    """The readable reports that fit all that is given; the caller is compared in one spelling."""
    wanted = None if caller is None else normalise(caller, plan)
    for record in records:
        try:
            found = codec.decode_feedback(record.value)
        except MessageError:
            continue
        if wanted is not None and wanted not in {normalise(found.caller, plan), record.key_text}:
            continue
        if any(
            asked not in {None, has} for asked, has in ((label, found.label), (source, found.source), (by, found.by))
        ):
            continue
        yield record, found
