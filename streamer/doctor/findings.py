"""What the doctor says: findings of checks, flaws of single records, each with its mend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

State = Literal["ok", "warning", "failed", "skipped"]

_GRAVITY: Final[tuple[State, ...]] = ("skipped", "ok", "warning", "failed")


class Finding(NamedTuple):
    """The outcome of one check: what was looked at, how it stands, what was seen, and what to do ("" when nothing is)."""

    check: str
    state: State
    text: str
    mend: str = ""


class Flaw(NamedTuple):
    """One thing wrong with a record.

    `field` is the message's field ("" for the record as a whole, `key` for its key); `reason` a short code, the dead
    letter's where the record would become one; a flaw that is not `grave` is taken in, but is probably not meant.
    """

    field: str
    reason: str
    text: str
    mend: str = ""
    grave: bool = True


def worst(findings: Iterable[Finding]) -> State:
    """The gravest state of all; ``skipped`` when there is none.

    >>> worst([Finding("a", "ok", ""), Finding("b", "warning", "")])
    'warning'
    """
    return max((finding.state for finding in findings), key=_GRAVITY.index, default="skipped")


def share(part: int, whole: int) -> str:
    """A part of a whole in words.

    >>> share(3, 1200)
    '3 of 1,200 (0.25 %)'
    """
    return f"{part:,} of {whole:,} ({100 * part / whole if whole else 0:.3g} %)"
