"""A publisher's sample, line by line: each record by itself, its key, and calls as a whole."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from streamer.calls.events import CLAMP_AHEAD_MS
from streamer.calls.numbers import HomePlan
from streamer.doctor import values
from streamer.doctor.book import Book
from streamer.doctor.findings import Finding, Flaw, share
from streamer.doctor.placement import flaw_of_key

_BOM: Final = values.BOM


class Placed(NamedTuple):
    """A flaw and the line it stands on, counted from 1."""

    line: int
    flaw: Flaw


class Sample:
    """Judges the lines of a file in their order.

    Parameters
    ----------
    separator
        Between a key and its value, as `kcat -K` has it; None: the lines are values alone.
    now_ms
        The time of day: an event of later is wrong.
    """

    def __init__(self, plan: HomePlan, now_ms: int, separator: str | None = None) -> None:
        self._plan = plan
        self._now_ms = now_ms
        self._separator = None if separator is None else separator.encode()
        self._book = Book(plan)
        self.lines = 0
        self.refused = 0
        """Lines that would become dead letters."""
        self.flawed = 0
        """Lines with at least one grave flaw, the refused ones included."""
        self.counts: Counter[tuple[str, str, bool]] = Counter()
        """Flaws by field, reason and gravity."""

    def take(self, line: int, text: bytes) -> list[Placed]:
        """Judge one line, without its line end; gives its flaws."""
        self.lines += 1
        flaws = []
        if self.lines == 1 and text.startswith(_BOM):
            flaws.append(Flaw("", "bom", "the file begins with a byte order mark", "write UTF-8 without BOM"))
            text = text.removeprefix(_BOM)
        key, value = self._parted(text)
        event, own = values.judge(value)
        flaws += own
        if event is None:
            self.refused += 1
            return self._placed(line, flaws)
        if event.at > self._now_ms + CLAMP_AHEAD_MS:
            ahead = (event.at - self._now_ms) / 1000
            flaws.append(
                Flaw(
                    "at",
                    "future",
                    f"at: {event.at} is {ahead:,.0f} s ahead of now",
                    "UTC, not local time; and a right clock",
                )
            )
        if self._separator is not None:
            wrong = flaw_of_key(key, event, self._plan)
            flaws += [wrong] if wrong is not None else []
        flaws += values.of_numbers(event, self._plan)
        if self._book.since_ms is None:
            self._book.since_ms = event.at  # a sample is cut out: calls that began before it may lack their set-up
        flaws += self._book.take(event)
        return self._placed(line, flaws)

    def oversize(self, line: int, length: int) -> list[Placed]:
        """Note a line that is too long to be read whole."""
        self.lines += 1
        self.refused += 1
        return self._placed(line, [values.oversize(length)])

    def _placed(self, line: int, flaws: list[Flaw]) -> list[Placed]:
        self.flawed += any(flaw.grave for flaw in flaws)
        self.counts.update((flaw.field, flaw.reason, flaw.grave) for flaw in flaws)
        return [Placed(line, flaw) for flaw in flaws]

    def _parted(self, text: bytes) -> tuple[bytes | None, bytes]:
        """Key and value: apart at the separator before the object, since a key may have the separator in it."""
        if self._separator is None:
            return None, text
        key, found, rest = text.partition(self._separator + b"{")
        if found:
            return key or None, b"{" + rest
        key, found, rest = text.partition(self._separator)
        return (key or None, rest) if found else (None, text)

    def findings(self) -> list[Finding]:
        """The summary: records, calls, keys."""
        if not self.lines:
            return [Finding("records", "failed", "nothing is in the file", "one record a line, as JSON")]
        found = []
        if self.flawed:
            refused = f"; {self.refused:,} of them would be dead letters" if self.refused else ""
            wrong = f"{share(self.flawed, self.lines)} lines break the contract{refused}"
            found.append(Finding("records", "failed", wrong, "mend what is named above, line by line"))
        else:
            found.append(Finding("records", "ok", f"{self.lines:,} lines are as the contract asks"))
        odd = sum(n for (_, _, grave), n in self.counts.items() if not grave)
        if odd:
            reasons = Counter({reason: 0 for _, reason, _ in self.counts})
            for (_, reason, grave), n in self.counts.items():
                reasons[reason] += 0 if grave else n
            told = ", ".join(f"{reason} {n:,}" for reason, n in reasons.most_common() if n)
            found.append(
                Finding("oddities", "warning", f"{odd:,} are taken in but probably not meant: {told}", "see above")
            )
        return found + self._of_calls()

    def _of_calls(self) -> list[Finding]:
        events = self._book.events
        if not events:
            return []
        told = ", ".join(
            f"{events[kind]:,} {name}" for kind, name in (("setup", "set-ups"), ("answer", "answers"), ("end", "ends"))
        )
        if not events["setup"]:
            return [
                Finding(
                    "calls", "failed", f"{told}: without set-ups nothing is judged", "publish a setup for each call"
                )
            ]
        if not events["end"]:
            mend = "publish the end of each call, answered or not: durations and causes tell most frauds"
            return [Finding("calls", "warning", f"{told}: no call ends", mend)]
        repeats = f", {self._book.repeats:,} set-ups came again" if self._book.repeats else ""
        return [
            Finding(
                "calls", "ok", f"{told}; {share(self._book.ended, self._book.set_up)} calls have their end{repeats}"
            )
        ]
