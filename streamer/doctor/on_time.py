"""How often an operator's originations come first, by the engine's own rule (`streamer.kernel`) as far as calls alone tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamer.calls.events import SAME_CALL_MS, CallEvent, Setup
from streamer.calls.numbers import HomePlan, is_withheld
from streamer.detectors import DETECTORS
from streamer.doctor.book import numbers_of
from streamer.doctor.findings import Finding, share
from streamer.windows.calls import SIGHTING_MS

_THRESHOLDS: Final = next(detector.thresholds for detector in DETECTORS if detector.deferred)
_MOST: Final = 100_000
"""Pairs of numbers, and calls, that are remembered."""


@dataclass(slots=True)
class _Pair:
    """The call that two numbers' set-ups belong to: `at` and operator of the set-up that it is counted by; whether one came in
    without an origination; when the latest origination was, and whether it is the watched operator's; when it came in from abroad.
    """

    at: int
    operator: str
    asked: bool = False
    originated_ms: int | None = None
    own: bool = False
    abroad_ms: int | None = None


class OnTime:
    """Of the set-ups that came in over a national interconnect and that an origination of this operator's belongs to: was it there first?

    Each of them counts, however often networks report a call; those that an origination came after count once. What
    hangs on facts, lists and verdicts is not looked at: roamers, freephone numbers, originations that were blocked.
    """

    def __init__(self, operator: str, plan: HomePlan) -> None:
        self._operator = operator
        self._plan = plan
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self._calls: dict[tuple[str, ...], int] = {}
        self.in_time = 0
        self.late = 0

    def take(self, event: CallEvent) -> None:
        """Take in one event of anybody, in log order of its partition."""
        if not isinstance(event, Setup):
            return
        numbers = numbers_of(event, self._plan)
        if self._came_before(event, numbers):
            return
        before, own_line = self._pairs.pop(numbers, None), event.ingress == "subscriber"
        again = before is not None and _near(before.at, event.at)
        originated = before is not None and _near(before.originated_ms, event.at)
        abroad = before is not None and _near(before.abroad_ms, event.at)
        if again and before is not None and own_line and before.asked and not originated:
            self.late += event.operator == self._operator
        if again and before is not None and before.operator != event.operator:
            pair = before
        else:
            pair = _Pair(event.at, event.operator)
            if before is not None and originated:
                pair.originated_ms, pair.own = before.originated_ms, before.own
            elif before is not None and abroad:
                pair.abroad_ms = before.abroad_ms
        self._pairs[numbers] = pair
        if own_line:
            pair.originated_ms, pair.own, pair.abroad_ms = event.at, event.operator == self._operator, None
        elif event.ingress == "international":
            if not originated:
                pair.abroad_ms = event.at
        elif originated:
            self.in_time += pair.own and not is_withheld(event.caller)
        elif not abroad:
            pair.asked = pair.asked or not is_withheld(event.caller)
        if len(self._pairs) > _MOST:
            del self._pairs[next(iter(self._pairs))]

    def _came_before(self, event: Setup, numbers: tuple[str, str]) -> bool:
        """Whether it is a set-up that comes again: it is answered again and counts for nothing."""
        call = event.operator, event.call_id, *numbers
        first = self._calls.get(call)
        if first is not None and abs(event.at - first) <= SAME_CALL_MS:
            return True
        self._calls[call] = event.at
        if len(self._calls) > _MOST:
            del self._calls[next(iter(self._calls))]
        return False

    def finding(self) -> Finding:
        """The on-time share."""
        met = self.in_time + self.late
        if not met:
            return Finding("on time", "skipped", "no call of its subscribers was also reported by another operator")
        text = f"originations came first in {share(self.in_time, met)} set-ups that came in elsewhere"
        matches, least = _THRESHOLDS["matches"], _THRESHOLDS["on_time_share"]
        if met < matches:
            text += f"; {matches:,.0f} in a partition are needed to count"
        if self.in_time >= least * met:
            return Finding("on time", "ok", text)
        mend = (
            "publish the subscriber set-up when the call originates, before it is sent on: below 99.9 % its absence is no"
            " evidence, and that check runs in shadow for these numbers"
        )
        return Finding("on time", "warning", text, mend)


def _near(then: int | None, at: int) -> bool:
    return then is not None and abs(at - then) <= SIGHTING_MS
