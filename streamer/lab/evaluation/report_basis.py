"""The report's part on what an evaluation of records rests on."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.desk.record import time_text
from streamer.lab.evaluation.basis import Basis
from streamer.lab.evaluation.pages import Part, Text
from streamer.lab.ordering import late_said


def parts(basis: Basis) -> Iterator[Part]:
    """How much of the records was of use, when they are from, and what they tell of how calls went on."""
    yield Text(f"{basis.read:,} records were read{_unusable(basis)}. {_calls(basis)}")
    if basis.out_of_order:
        yield Text(f"*{late_said(basis.out_of_order)}.*")


def _unusable(basis: Basis) -> str:
    bad = sum(group.count for group in basis.unusable)
    if not bad:
        return ", all of them of use"
    kinds = ", ".join(
        f"`{group.reason}`{f' in column `{group.column}`' if group.column else ''} {group.count:,}"
        for group in basis.unusable
    )
    return f"; *{bad:,} of them ({bad / basis.read:.1%}) were of no use*: {kinds}"


def _calls(basis: Basis) -> str:
    said = (
        f"They hold {basis.setups:,} set-ups from {time_text(basis.first_ms)} to {time_text(basis.last_ms)},"
        f" {basis.answers:,} answers and {basis.ends:,} ends"
    )
    if basis.answered_share is None:
        return f"{said}; *no end of a call is among them*, so that nothing that goes by rings or talk time shows."
    mean = "" if basis.mean_talk_s is None else f" and talked for {basis.mean_talk_s:,.1f} s on average"
    return f"{said}: {basis.answered_share:.1%} of the calls that ended were answered{mean}."
