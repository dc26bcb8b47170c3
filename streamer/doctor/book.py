"""Calls as their events tell of them: set-ups, answers and ends that belong together, and what does not fit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from streamer.calls.events import SAME_CALL_MS, Answer, CallEvent, End, Setup
from streamer.calls.numbers import HomePlan, caller_key, is_withheld, normalise
from streamer.doctor.findings import Flaw

MOST: Final = 200_000
"""Calls remembered; beyond it the oldest go, and nothing is said of missing set-ups any more."""
LONGEST: Final = 80
"""Characters that numbers are compared by: they may be of any length."""

_UNKNOWN_RING_MS: Final = 120_000
_TOLERANCE_MS: Final = 2_000
_WHOLE_TALK_MS: Final = 5_000


@dataclass(slots=True)
class _Call:
    at: int
    key: str
    callee: str
    asserted: bool
    answered_at: int | None = None
    ended: bool = False


class Book:
    """The calls of a stream of events. A call is (operator, call id, caller, called number), as workers know it.

    Parameters
    ----------
    plan
        The home country, since numbers are compared as lines.
    """

    def __init__(self, plan: HomePlan, most: int = MOST) -> None:
        self._plan = plan
        self._most = most
        self.since_ms: int | None = None
        """A call that began before it may lack its set-up: watching began only then. None: every set-up should be there."""
        self._calls: dict[tuple[str, str, str, str], _Call] = {}
        self._last: dict[tuple[str, str], tuple[str, str, str, str]] = {}
        self._orphans: dict[tuple[str, str], tuple[str, int]] = {}
        self._forgot = False
        self.events: Counter[str] = Counter()
        """Events by type."""
        self.repeats = 0
        """Set-ups that came again, which the contract allows."""
        self.ended = 0
        """Set-ups whose end came."""

    @property
    def set_up(self) -> int:
        """Calls set up."""
        return self.events["setup"] - self.repeats

    def take(self, event: CallEvent) -> list[Flaw]:
        """Enter one event; gives what does not fit the events before it."""
        self.events[str(event.__struct_config__.tag)] += 1
        place = (event.operator, event.call_id)
        if isinstance(event, Setup):
            return self._take_setup(place, event)
        numbers = numbers_of(event, self._plan)
        call = self._calls.get((*place, *numbers))
        if call is None and place in self._last:
            call = self._calls[self._last[place]]
        if call is None:
            return self._take_orphan(place, event)
        flaws = self._of_parties(call, numbers, event)
        if isinstance(event, Answer):
            call.answered_at = event.at
            return flaws
        self.ended += not call.ended
        call.ended = True
        return flaws + _of_durations(call, event)

    def _take_setup(self, place: tuple[str, str], event: Setup) -> list[Flaw]:
        key, callee = numbers_of(event, self._plan)
        before = self._calls.get((*place, key, callee))
        if before is not None and abs(event.at - before.at) <= SAME_CALL_MS:
            self.repeats += 1
            return []
        flaws = self._of_id(place, event)
        self._enter((*place, key, callee), _Call(event.at, key, callee, event.asserted is not None))
        early, early_at = self._orphans.pop(place, ("", -1))
        if event.at > early_at:
            return flaws
        return [
            *flaws,
            Flaw(
                "",
                "out_of_order",
                f"the set-up of {_shown(event)} comes after its {early}",
                "publish a call's events in their order, by one producer, idempotent or with one request in flight",
            ),
        ]

    def _of_id(self, place: tuple[str, str], event: Setup) -> list[Flaw]:
        """Whether the id is another call's, which is judged by itself all the same: its numbers tell it apart."""
        last = self._calls[self._last[place]] if place in self._last else None
        if last is None or abs(event.at - last.at) > SAME_CALL_MS:
            return []
        return [
            Flaw(
                "call_id",
                "duplicate_id",
                f"{_shown(event)} is the id of another call too, with other numbers, {abs(event.at - last.at) / 1000:.1f} s away",
                "an id of the switch's own for each call, the same only for a retry of it; calls are told apart by their numbers"
                " then, and whoever reads verdicts has to do so too",
                grave=False,
            )
        ]

    def _enter(self, place: tuple[str, str, str, str], call: _Call) -> None:
        self._calls.pop(place, None)
        self._calls[place] = call
        self._last[place[:2]] = place
        if len(self._calls) > self._most:
            self._forgot = True
            oldest = next(iter(self._calls))
            del self._calls[oldest]
            if self._last[oldest[:2]] == oldest:
                del self._last[oldest[:2]]

    def _take_orphan(self, place: tuple[str, str], event: Answer | End) -> list[Flaw]:
        kind = str(event.__struct_config__.tag)
        if self._forgot:
            return []
        if len(self._orphans) < self._most:
            self._orphans[place] = (kind, event.at)
        if self.since_ms is not None and _began_ms(event) <= self.since_ms:
            return []
        return [
            Flaw(
                "call_id",
                "no_setup",
                f"the {kind} of {_shown(event)} has no set-up before it",
                "publish the set-up when the call comes in, under the same operator and call id; without it nothing is judged",
                grave=False,
            )
        ]

    def _of_parties(self, call: _Call, numbers: tuple[str, str], event: Answer | End) -> list[Flaw]:
        kind = str(event.__struct_config__.tag)
        if numbers[0] != call.key:
            if call.asserted and event.asserted is None and is_withheld(event.caller):
                text, mend = (
                    "lacks `asserted`, which the set-up had",
                    "repeat it: without it the event misses the line it is of",
                )
            else:
                text, mend = (
                    "has another caller than the set-up",
                    "repeat the set-up's: keyed otherwise, it misses its call",
                )
            field = "asserted" if "lacks" in text else "caller"
            return [Flaw(field, "other_caller", f"the {kind} of {_shown(event)} {text}", mend)]
        if numbers[1] != call.callee:
            text = f"the {kind} of {_shown(event)} has another called number than the set-up"
            return [Flaw("callee", "other_callee", text, "repeat the set-up's, not where the call went", grave=False)]
        return []


def numbers_of(event: CallEvent, plan: HomePlan) -> tuple[str, str]:
    """Caller key and called number of an event, as far as they are compared."""
    key = caller_key(event.caller, event.asserted, event.callee, plan)
    return key[:LONGEST], normalise(event.callee, plan)[:LONGEST]


def _of_durations(call: _Call, end: End) -> list[Flaw]:
    span = end.at - call.at
    if span < 0:
        text = f"the end of {_shown(end)} is {-span / 1000:.1f} s before its set-up"
        return [Flaw("at", "out_of_order", text, "take both times from one clock, each at its own moment")]
    flaws = []
    if call.answered_at is not None and end.talk_ms == 0:
        text = f"{_shown(end)} was answered, but its end has no talk_ms"
        flaws.append(
            Flaw("talk_ms", "no_talk", text, "send the talk time in milliseconds: 0 means not answered", grave=False)
        )
    elif end.talk_ms + (end.ring_ms or 0) > span + _TOLERANCE_MS:
        text = f"{_shown(end)} rang and talked longer than the {span} ms from its set-up to its end"
        flaws.append(
            Flaw(
                "talk_ms",
                "too_long",
                text,
                "milliseconds of this call alone; and `at` of each event its own",
                grave=False,
            )
        )
    elif call.answered_at is not None and _in_seconds(end.talk_ms, end.at - call.answered_at):
        text = f"{_shown(end)} talked {end.talk_ms} ms by its end, {end.at - call.answered_at} ms by the answer's time"
        flaws.append(Flaw("talk_ms", "seconds", text, "multiply by 1,000: milliseconds, not seconds", grave=False))
    return flaws


def _in_seconds(talk: int, heard_ms: int) -> bool:
    return heard_ms >= _WHOLE_TALK_MS and abs(heard_ms - 1000 * talk) <= 1_000


def _began_ms(event: Answer | End) -> int:
    """No later than this the call was set up, as far as the event tells."""
    ring = _UNKNOWN_RING_MS if event.ring_ms is None else event.ring_ms
    return event.at - ring - (event.talk_ms if isinstance(event, End) else 0)


def _shown(event: CallEvent) -> str:
    return repr(event.call_id if len(event.call_id) <= 40 else event.call_id[:40] + "…")
