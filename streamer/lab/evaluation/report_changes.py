"""The report of a candidate policy beside the one in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamer.desk.record import time_text
from streamer.lab.evaluation.changes import Changed, Changes
from streamer.lab.evaluation.pages import Heading, Part, Table, Text


def parts(changes: Changes, present: str, candidate: str, differences: Sequence[str]) -> Iterator[Part]:
    """The section; `present` and `candidate` are the policies' versions, `differences` what the candidate has otherwise."""
    yield Heading("The candidate policy")
    said = "; ".join(f"`{one}`" for one in differences)
    yield Text(
        f"Version {candidate} beside version {present}, on the same calls: {said or 'the two say the same'}. Nothing was published. Both"
        " see the calls as they went under the present one: what the candidate would have blocked was answered, or not, as it was."
    )
    yield Text(
        f"Of {changes.setups:,} set-ups, {changes.same_blocks:,} are blocked by both, {changes.blocked.calls:,} of"
        f" {len(changes.blocked.lines):,} lines would newly be blocked and {changes.released.calls:,} of"
        f" {len(changes.released.lines):,} lines released."
    )
    if changes.other:
        rows = [(before, after, f"{count:,}") for (before, after), count in changes.other.most_common()]
        yield Table(("present", "candidate", "calls "), rows)
    yield from _changed("Newly blocked", changes.blocked)
    yield from _changed("Released", changes.released)


def _changed(title: str, found: Changed) -> Iterator[Part]:
    if not found.calls:
        return
    yield Heading(title, 3)
    known = ", ".join(f"{name} {count:,}" for name, count in found.truths.most_common())
    reasons = ", ".join(f"`{reason}` {count:,}" for reason, count in found.reasons.most_common())
    yield Text(f"Asked for by: {reasons}." + (f" In truth: {known}." if known else ""))
    yield Table(
        ("caller", "called", "at", "trunk", "in truth", "present", "candidate", "calls of the line ", "why"),
        [
            (
                one.caller, one.callee, time_text(one.at), f"`{one.trunk}`", one.truth, one.before, one.after,
                f"{found.lines[line]:,}", one.why,
            )
            for line, one in found.examples.items()
        ],
    )  # fmt: skip
