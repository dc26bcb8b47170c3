"""A candidate policy beside the one in force: what would newly be blocked, what released, by call and by line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streamer.lab.evaluation.asked import words
from streamer.lab.evaluation.verdicts import Verdict
from streamer.lab.truth import Truth

EXAMPLES: Final = 20
"""Calls of each kind that are kept as examples, one a line."""


class Example(NamedTuple):
    """One call whose verdict would change: `why` says what asked for the block that one of the two has."""

    call_id: str
    at: int
    caller: str
    callee: str
    trunk: str
    truth: str
    before: str
    after: str
    why: str


@dataclass
class Changed:
    """The calls and lines of which verdicts change in one direction."""

    calls: int = 0
    lines: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    truths: Counter[str] = field(default_factory=Counter)
    examples: dict[tuple[str, str], Example] = field(default_factory=dict)


class Changes:
    """Counts the calls that the two judge differently.

    Attributes
    ----------
    blocked, released
        What the candidate alone blocks, and what it alone lets through.
    other
        Changes of other actions: (present, candidate) to calls.
    """

    def __init__(self) -> None:
        self.setups = 0
        self.same_blocks = 0
        self.blocked = Changed()
        self.released = Changed()
        self.other: Counter[tuple[str, str]] = Counter()

    def add(self, present: Verdict, candidate: Verdict, truth: Truth | None = None) -> None:
        """Compare the two verdicts on one set-up."""
        self.setups += 1
        if present.action == candidate.action:
            self.same_blocks += present.action == "block"
        elif candidate.action == "block":
            _note(self.blocked, candidate, present, candidate, truth)
        elif present.action == "block":
            _note(self.released, present, present, candidate, truth)
        else:
            self.other[present.action, candidate.action] += 1


def _note(changed: Changed, blocking: Verdict, present: Verdict, candidate: Verdict, truth: Truth | None) -> None:
    known = "" if truth is None else truth.fraud or f"honest: {truth.kind or 'unknown'}"
    changed.calls += 1
    changed.lines[blocking.line] += 1
    changed.reasons.update(blocking.asking())
    if known:
        changed.truths[known] += 1
    if len(changed.examples) < EXAMPLES and blocking.line not in changed.examples:
        said = blocking.said
        changed.examples[blocking.line] = Example(
            said.call_id, said.at, said.caller, said.callee, blocking.trunk, known, present.action, candidate.action,
            words(blocking),
        )  # fmt: skip
