"""New lines by the range of ten thousand numbers that they lie in: how many there are, and whether they give way to one another.

Who gives up the numbers that he calls from takes others of the same range: a line that called many numbers falls silent
within the hour, and one that nobody saw before goes on. Lines of an office begin in the morning and stay. Kept are what each line
said last, its calls from others, and, after a takeover, what was said of its range before, until more is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from streamer import counting
from streamer.calls.signals import AGAIN_MS, LASTS_MS, Newcomer, Signal

HOUR_MS: Final = 3_600_000
"""So long after a line was last told of it is forgotten."""
MOST: Final = 200_000
"""Lines held at a time; those beyond are not told of until others are silent for an hour."""
_LOOK: Final = 100
_AT_ONCE: Final = 100
"""Lines of a range that is looked at whenever one of them calls; for each more it waits a millisecond."""
_MOST_SAID: Final = 1e12
"""As much as a signal may say."""
_FIGURES: Final = ("lines", "replaced", "attempts", "answered", "short", "talk", "incoming")
_COUNTED: Final = "counted_h"
"""Hours since the figures were counted, where the merger that says so did not count them."""


class _Line(Struct):
    told: Newcomer
    incoming: int = 0


class _Range(Struct):
    """Lines by their digits; when it was looked at and told of last and how many had given way then; what a merger said before this
    one, and when that was counted.
    """

    lines: dict[int, _Line] = {}
    looked_ms: int = 0
    said_ms: int = 0
    replaced: float = 0.0
    before: dict[str, float] = {}
    before_ms: int = 0


class Newcomers:
    """The lines that were seen first within the hour before they last called, for an hour after that."""

    def __init__(self) -> None:
        self._ranges: dict[str, _Range] = {}
        self._lines: dict[int, list[_Line]] = {}
        self._held = 0
        self._touched: dict[str, None] = {}
        self._said: dict[str, None] = {}
        self._to_sweep: list[str] = []
        self.follow(counting.limits({}))

    def __len__(self) -> int:
        return self._held

    def follow(self, limits: Mapping[str, float]) -> None:
        """Go by these limits from now on, by their names (`streamer.counting`)."""
        self._stands_out = limits["range_lines"]
        self._fewest = limits["range_line_calls"]
        self._strangers = limits["range_distinct_share"]
        self._worked = limits["given_up_calls"]
        self._given_up_ms = 60_000 * limits["given_up_min"]
        self._silent_ms = 1_000 * limits["silent_s"]
        self._silent_gaps = limits["silent_gaps"]

    def tell(self, line: Newcomer) -> None:
        """A new line calls; what is older than what is known changes nothing, nor does a line without a number."""
        digits = line.line.removeprefix("+")
        if not (digits.isascii() and digits.isdigit() and 4 < len(digits) <= 15):
            return
        subject = _subject(line, digits)
        within = self._ranges.get(subject)
        held = within.lines.get(int(digits)) if within is not None else None
        if held is not None:
            if line.at >= held.told.at:
                held.told = line
        elif self._held < MOST:
            if within is None:
                within = self._ranges[subject] = _Range()
            held = within.lines[int(digits)] = _Line(line)
            self._lines.setdefault(int(digits), []).append(held)
            self._held += 1
        if held is not None:
            self._touched[subject] = None

    def called(self, callees: Any, attempts: Any) -> None:
        """Set-ups to these numbers, int64[n], so many each: those to new lines are counted."""
        if self._lines:
            for number, count in zip(callees.tolist(), attempts.tolist(), strict=True):
                for line in self._lines.get(number, ()):
                    line.incoming += count

    def restore(self, signal: Signal) -> None:
        """A range as it was said last: that stands until more is known, for an hour at most after it was counted, however
        often mergers take over meanwhile.
        """
        found = self._ranges.setdefault(signal.subject, _Range())
        found.before = {name: signal.values.get(f"{name}_1h", 0.0) for name in _FIGURES}
        found.before_ms = signal.at - int(HOUR_MS * max(0.0, signal.values.get(_COUNTED, 0.0)))
        self._said[signal.subject] = None

    def told(self, now_ms: int, watched_h: float, position: int) -> Iterator[tuple[str, Signal | None]]:
        """What is to be said by now of ranges whose lines called since this was last asked, by key; None ends it."""
        touched, self._touched = self._touched, {}
        for subject in touched:
            found = self._ranges.get(subject)
            if found is None:
                continue
            if not _is_due(found, now_ms):
                self._touched[subject] = None
                continue
            found.looked_ms = now_ms
            figures = self._figures(found, now_ms)
            if figures["lines"] < self._stands_out:
                continue
            if figures["replaced"] > found.replaced or now_ms - found.said_ms >= AGAIN_MS:
                yield self._say(subject, found, figures, now_ms, watched_h, position)

    def again(self, now_ms: int, watched_h: float, position: int) -> Iterator[tuple[str, Signal | None]]:
        """The same of ranges that were told of before; some lines that were silent for an hour are forgotten. Once a second or so."""
        for subject in [*self._said]:
            found = self._ranges[subject]
            if now_ms - found.said_ms >= AGAIN_MS:
                self._forget_old(found, now_ms)
                figures = self._figures(found, now_ms)
                if figures["lines"] >= self._stands_out:
                    yield self._say(subject, found, figures, now_ms, watched_h, position)
                else:
                    del self._said[subject]
                    found.said_ms, found.replaced = 0, 0.0
                    yield f"range/{subject}", None
        self._sweep(now_ms)

    def total(self, subject: str, name: str, now_ms: int) -> float:
        """A figure of a range; 0 where nothing is known."""
        found = self._ranges.get(subject)
        return 0.0 if found is None else self._figures(found, now_ms)[name]

    def _say(
        self, subject: str, found: _Range, figures: dict[str, float], now_ms: int, watched_h: float, position: int
    ) -> tuple[str, Signal]:
        found.said_ms, found.replaced = now_ms, figures["replaced"]
        self._said[subject] = None
        values = {f"{name}_1h": min(value, _MOST_SAID) for name, value in figures.items()} | {"watched_h": watched_h}
        if figures is found.before:
            values[_COUNTED] = max(0, now_ms - found.before_ms) / HOUR_MS
        signal = Signal(
            kind="range", subject=subject, at=now_ms, until=now_ms + LASTS_MS, values=values, position=position
        )
        return signal.key, signal

    def _figures(self, of: _Range, now_ms: int) -> dict[str, float]:
        recent = (line for line in of.lines.values() if now_ms - line.told.at < HOUR_MS)
        lines = [line for line in recent if line.told.distinct >= self._strangers * line.told.attempts]
        many = [line for line in lines if line.told.attempts >= self._fewest]
        counted = {
            "lines": float(len(many)),
            "replaced": float(self._replaced([line.told for line in lines], now_ms)),
            "attempts": float(sum(line.told.attempts for line in lines)),
            "answered": float(sum(line.told.answered for line in lines)),
            "short": float(sum(line.told.short for line in lines)),
            "talk": sum(line.told.talk_s for line in lines),
            "incoming": float(sum(line.incoming for line in lines)),
        }
        stands = now_ms - of.before_ms < HOUR_MS and counted["attempts"] < of.before.get("attempts", 0.0)
        return of.before if stands else counted

    def _replaced(self, lines: list[Newcomer], now_ms: int) -> int:
        """How many lines fell silent before another one began, each of which takes the place of one at most."""
        begun = sorted(line.since for line in lines)
        ended = sorted(line.at for line in lines if self._given_up(line, now_ms))
        found = 0
        for since in begun:
            if found < len(ended) and ended[found] <= since:
                found += 1
        return found

    def _given_up(self, line: Newcomer, now_ms: int) -> bool:
        lived_ms = line.at - line.since
        if line.attempts < self._worked or lived_ms > self._given_up_ms:
            return False
        return now_ms - line.at >= max(self._silent_ms, self._silent_gaps * lived_ms / (line.attempts - 1))

    def _sweep(self, now_ms: int) -> None:
        """Look at a sixtieth of the ranges, or some, and forget what is over."""
        if not self._to_sweep:
            self._to_sweep = [*self._ranges]
        look = max(_LOOK, len(self._ranges) // 60)
        for subject in self._to_sweep[-look:]:
            found = self._ranges.get(subject)
            if found is not None and subject not in self._said:
                self._forget_old(found, now_ms)
                if not found.lines:
                    del self._ranges[subject]
        del self._to_sweep[-look:]

    def _forget_old(self, found: _Range, now_ms: int) -> None:
        if now_ms - found.before_ms >= HOUR_MS:
            found.before = {}
        for digits, line in [*found.lines.items()]:
            if now_ms - line.told.at >= HOUR_MS:
                del found.lines[digits]
                self._held -= 1
                others = self._lines[digits]
                others[:] = [other for other in others if other is not line]
                if not others:
                    del self._lines[digits]


def _is_due(found: _Range, now_ms: int) -> bool:
    """Whether a range may be looked at again: one of thousands of lines takes milliseconds."""
    return now_ms - found.looked_ms >= len(found.lines) - _AT_ONCE


def _subject(line: Newcomer, digits: str) -> str:
    within = f"+{digits[:-4]}"
    return within if line.trunk is None else f"{line.operator}/{line.trunk}/{within}"
