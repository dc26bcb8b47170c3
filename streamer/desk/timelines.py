"""What happened in a case, in order, for people and their spreadsheets: CSV and Markdown in which nothing is obeyed.

Call ids, numbers and names of trunks are whatever callers and publishers write.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from streamer.calls.decisions import Decision, Evidence
from streamer.desk.filing import Filed
from streamer.desk.recalling import Recalled
from streamer.desk.record import plain, time_text

_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_FORMULA: Final = re.compile(r'((?:^|[;,"]) *)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])')


class Row(NamedTuple):
    """Something that happened at a time (ms since 1970): to the case, or a verdict on one of its calls."""

    at_ms: int
    what: str
    call_id: str = ""
    operator: str = ""
    caller: str = ""
    called: str = ""
    trunk: str = ""
    reasons: str = ""
    findings: str = ""
    by: str = ""
    why: str = ""


HEADS: Final = ("time (UTC)", *Row._fields)


def rows(filed: Filed, calls: Mapping[str, Recalled]) -> list[Row]:
    """The history of a case and the verdicts on its calls, by time."""
    found = [Row(done.at_ms, f"case {done.what}", by=done.by, why=done.why) for done in filed.done]
    for recalled in calls.values():
        for call in recalled.calls:
            found += [_row(one.told.decision, one.evidence, one.standing) for one in call]
        found += [_row(one.decision, one, "the decision is gone, its evidence is kept") for one in recalled.alone]
    return sorted(found, key=lambda row: row.at_ms)


def _row(decision: Decision, evidence: Evidence | None, standing: str) -> Row:
    findings = () if evidence is None else evidence.findings
    return Row(
        decision.at,
        f"{decision.action} ({standing})",
        decision.call_id,
        decision.operator,
        decision.caller,
        decision.callee,
        "" if evidence is None else evidence.trunk or "",
        ", ".join(decision.reasons),
        ", ".join(f"{one.detector}.{one.cause} {one.observed:g} against {one.threshold:g}" for one in findings),
    )


def harmless(text: str) -> str:
    r"""A cell that no spreadsheet program takes for a formula, also where it splits lines at semicolons.

    What begins with one of ``= + - @`` (or their wide forms) gets an apostrophe before it; but not a number: ``+`` and
    digits are how telephone numbers are written, and can do nothing.

    >>> harmless("+77011234567"), harmless("+7701+cmd|' /C calc'!A0"), harmless("x;=1"), harmless("-0.5")
    ('+77011234567', "'+7701+cmd|' /C calc'!A0", "x;'=1", '-0.5')
    """
    shown = plain(text)
    return shown if _NUMBER.fullmatch(shown) else _FORMULA.sub(r"\1'", shown)


def as_csv(found: Iterable[Row]) -> bytes:
    """A table that spreadsheet programs open: commas, a byte-order mark, since they guess the encoding otherwise."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(HEADS)
    for row in found:
        writer.writerow([time_text(row.at_ms), *(harmless(str(cell)) for cell in row)])
    return text.getvalue().encode("utf-8-sig")


def as_markdown(found: Iterable[Row]) -> str:
    """The same table in Markdown; all that others wrote is in code spans, in which nothing is markup."""
    lines = ["| " + " | ".join(HEADS) + " |", "|" + " --- |" * len(HEADS)]
    lines += (f"| {time_text(row.at_ms)} | {' | '.join(code(str(cell)) for cell in row)} |" for row in found)
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """A text as a code span of Markdown, with other signs for the two that could end a span or a cell; nothing for nothing.

    >>> code("a|`b`<script>"), code("")
    ("`a¦'b'<script>`", '')
    """
    shown = plain(text).strip().replace("`", "'").replace("|", "¦")
    return f"`{shown}`" if shown else ""
