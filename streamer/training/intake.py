"""From the bytes of evidence and feedback to lessons: everything between a record's reading and the learner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from streamer.calls import codec
from streamer.errors import MessageError
from streamer.models import labels
from streamer.training.cases import Cases, Lesson

AHEAD_MS: Final = 24 * 3_600_000
"""How far ahead of the trainer's clock a record may say it was made: a day, for clocks and time zones set wrong."""


class Intake:
    """Takes records in. A record that breaks the contract raises `MessageError` and leaves no trace.

    Parameters
    ----------
    cases
        Where cases and reports are joined.
    kept_ms
        How long evidence is joined to reports, and a report to calls made after it.
    """

    def __init__(self, cases: Cases, kept_ms: int) -> None:
        self._cases = cases
        self._kept_ms = kept_ms

    def take_evidence(self, value: bytes | None, part: int, offset: int, now: int) -> Iterable[Lesson]:
        """What the record of evidence at `part` and `offset` teaches at `now` (ms since 1970).

        One older than what is kept teaches nothing.
        """
        evidence = codec.decode_evidence(value)
        decided_at = evidence.decision.decided_at
        _check_clock(decided_at, now, "decided")
        if decided_at < now - self._kept_ms:
            return ()
        return self._cases.add_evidence(evidence, part, offset)

    def take_feedback(self, value: bytes | None, now: int) -> tuple[Iterable[Lesson], str]:
        """What a report teaches at `now` (ms since 1970), and what became of it.

        That is ``joined`` (it speaks of cases that are there), ``kept`` (it may speak of some that come) or the reason
        of a `labels.Refusal`. The lessons have to be taken to their end before the next record.
        """
        feedback = codec.decode_feedback(value)
        _check_clock(feedback.at, now, "made")
        claim = labels.claim(feedback, self._cases.plan)
        if isinstance(claim, labels.Refusal):
            return (), claim.reason
        lessons = self._cases.add_report(feedback.at, claim, until=feedback.at + self._kept_ms)
        return ((), "kept") if lessons is None else (lessons, "joined")


def _check_clock(at: int, now: int, done: str) -> None:
    if at > now + AHEAD_MS:
        raise MessageError(
            "out_of_range", f"{done} {at - now} ms ahead of the trainer's clock; at most {AHEAD_MS} are taken"
        )
