"""Clocks: the events' `at` beside the broker's append time, and the broker's beside this machine's."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Final

from streamer.calls.events import CLAMP_AHEAD_MS, CLAMP_BACK_MS, SKEW_MS, OperatorInfo
from streamer.doctor.findings import Finding, State, share

AHEAD_MS: Final = 1_000
"""An event cannot happen after it was appended: a median further ahead is a clock that runs ahead,"""
BEHIND_MS: Final = 5_000
"""and one further behind is a clock that runs behind, or a publisher that is slow: verdicts come too late."""
CLAMPED_SHARE: Final = 0.001
"""Above this share of records that had to be clamped an operator's clock is wrong."""
OWN_MS: Final = 100
"""A machine's clock further from the broker's is worth a word."""

_KEPT: Final = 50_000
_NTP: Final = "let the switch and the publisher follow NTP or PTP, and send the event's own moment in UTC milliseconds"
_LATE_MS: Final = OperatorInfo(operator="-").deadline_ms


class Clocks:
    """By operator how far `at` lies behind (negative) or ahead of the append time, of the latest records."""

    def __init__(self) -> None:
        self._off: dict[str, deque[int]] = {}

    def take(self, operator: str, at_ms: int, append_ms: int) -> None:
        """Take in one record that carries the broker's append time."""
        self._off.setdefault(operator, deque(maxlen=_KEPT)).append(at_ms - append_ms)

    def findings(self, *, clamp: bool = True) -> list[Finding]:
        """A finding an operator; with `clamp` off (a replay of history) nothing is said of how old events are."""
        if not self._off:
            return [Finding("clock", "skipped", "no records to look at")]
        if not clamp:
            return [Finding("clock", "skipped", "the setting clamp is off: events may be of any age")]
        return [_of_operator(operator, off) for operator, off in sorted(self._off.items())]


def _of_operator(operator: str, off: Sequence[int]) -> Finding:
    middle = median(off)
    clamped = sum(not -CLAMP_BACK_MS <= one <= CLAMP_AHEAD_MS for one in off)
    where = f"{abs(middle) / 1000:.1f} s {'ahead of' if middle > 0 else 'behind'} the append time in the median"
    text = f"{operator}: `at` is {where}; beyond the clamp {share(clamped, len(off))}"
    state: State = "ok"
    if clamped > CLAMPED_SHARE * len(off):
        state = "failed"
    elif middle > AHEAD_MS or middle < -BEHIND_MS:
        state = "warning"
    if state == "ok":
        return Finding("clock", state, text)
    return Finding("clock", state, text, _NTP if middle > 0 else f"{_NTP}; publish each event at once, not in bundles")


def own_clock(behind_ms: Sequence[int], newest_ms: int | None, now_ms: int) -> Finding:
    """The clock of this machine beside the broker's.

    `behind_ms` is, for each record that arrived while we listened, this machine's time less the append time; `newest_ms`
    the latest append time there is. How long a record travels is in it, so that the least one counts.
    """
    if not behind_ms:
        if newest_ms is not None and newest_ms > now_ms + OWN_MS:
            return _off(newest_ms - now_ms, "at least ")
        return Finding(
            "own clock", "skipped", "no record arrived meanwhile to compare clocks by", "run it under traffic"
        )
    least = min(behind_ms)
    if least < -OWN_MS:
        return _off(-least, "")
    if least > OWN_MS:
        state: State = "failed" if least >= _LATE_MS else "warning"
        return Finding(
            "own clock",
            state,
            f"this machine's clock is {least} ms ahead of the broker's, or records take that long; from {_LATE_MS} ms on every"
            " verdict counts as late",
            "let this machine and the brokers follow the same NTP or PTP",
        )
    return Finding("own clock", "ok", f"within {OWN_MS} ms of the broker's, by {len(behind_ms):,} records")


def _off(behind: int, least: str) -> Finding:
    return Finding(
        "own clock",
        "failed" if behind > SKEW_MS else "warning",
        f"this machine's clock is {least}{behind:,} ms behind the broker's: late verdicts do not count as late",
        "let this machine and the brokers follow the same NTP or PTP",
    )
