"""Cases opened once, updated when something material changed, closed after long silence, never doubled by a restart.

All that a casebook remembers of a case is the record that it published last, so a book that has read the topic knows
what one that never stopped knows. What was heeded before may come again after a restart: figures only grow, so that it
changes nothing. Signals may come late, by less than `SILENCE_MS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from heapq import nsmallest
from typing import Final

import msgspec

from streamer.calls.cases import MEASURES, Case, CaseStatus, Measure
from streamer.calls.decisions import Policy
from streamer.calls.events import LATEST_MS
from streamer.grounds import in_force, judged
from streamer.policies import DEFAULT
from streamer.signals.hot import MOST_LINES, Hot

DAY_MS: Final = 24 * 3_600_000
SILENCE_MS: Final = 7 * DAY_MS
"""After so long without a signal a case is closed, and the next signal opens another."""
STILL_MS: Final = DAY_MS
"""That a subject is still at it is published once in so long."""
IDLE_MS: Final = 2 * STILL_MS
"""An open case that has said nothing for so long was not heard of within a day: it says so once in `STILL_MS`, when it is heard of."""
MOST: Final = 65_536
"""Cases that are open at a time. Closed ones are remembered beside them, so that a subject that is heard of again goes on where it
stopped: twice as many cases at most are held, and of the closed ones half as many as may be open at least.
"""
MOST_CALLS: Final = 30
"""Ids of calls kept with a case: with them, and all other texts at their longest, a record stays below 64 KiB."""
MOST_OPERATORS: Final = 16
MOST_CALLED: Final = 8
"""Called numbers kept with a case."""
_SILENT: Final = f"nothing more was heard of it for {SILENCE_MS // DAY_MS} days"
_MAKE_ROOM: Final = 2
"""Cases that are closed to open one: where more are open than can be, as after people opened some, they come to be fewer."""
_LONGEST: Final = 255
"""Characters of a subject's name: whoever publishes may write names of any length."""


class Casebook:
    """See the module. Feed `restore` with every record of `cases.v1`, its own too: people close and reopen cases there."""

    def __init__(self, most: int = MOST) -> None:
        self._held: dict[str, Case] = {}
        self._open: dict[Measure, dict[str, None]] = {measure: {} for measure in MEASURES}
        self._most = most
        self._most_held = 2 * most
        self.refused = 0
        """Times that a case was not opened, or not opened again, since none had to make room for it."""
        self.follow(Policy(version=DEFAULT))

    def __len__(self) -> int:
        return len(self._held)

    def follow(self, policy: Policy) -> None:
        """Open and update cases by the rules of another policy, which was checked, from now on."""
        self._rules, self._policy = in_force(policy.cases), policy.version

    def restore(self, case: Case) -> None:
        """A record of the topic was read: before the first signal all that there are, then each that comes."""
        held = self._held.get(case.subject)
        if held is None or case.case == held.case or case.opened_at > held.opened_at:
            self._put(merged(held, case))

    def heed(self, hot: Hot) -> list[Case]:
        """A subject is hot: what is to be published of it, in this order; mostly nothing."""
        seen = self._seen(hot)
        held = None if seen is None else self._held.get(seen.subject)
        if seen is None or (held is not None and hot.at_ms < held.opened_at):
            return []
        if held is None:
            return self._opened(seen)
        if hot.at_ms - _quiet_from(held) > SILENCE_MS:
            return [*self._closed(held), *self._opened(seen)]
        after = _updated(held, seen)
        if after is held:
            return []
        return [self._put(after)] if after.status == held.status else self._opened(after)

    def expire(self, now_ms: int) -> list[Case]:
        """The clock of events has come to `now_ms`: the cases that are closed since nothing more was heard of them.

        Looks at every case: to be asked once a minute or so.
        """
        silent = [case for case in self._held.values() if now_ms - _quiet_from(case) > SILENCE_MS]
        return [closed for case in sorted(silent, key=lambda case: case.subject) for closed in self._closed(case)]

    def _seen(self, hot: Hot) -> Case | None:
        """The case that a subject makes by itself; None when it makes none."""
        kind, subject, at_ms, values, calls, operators, called, lines = hot
        found = judged(kind, values, self._rules)
        if found is None or not 0 <= at_ms <= LATEST_MS or not subject:
            return None
        rule, grounds = found
        about = f"{kind}/{subject[:_LONGEST]}"
        return Case(
            case=f"{about}/{datetime.fromtimestamp(at_ms / 1000, UTC).date()}",
            opened_at=at_ms,
            kind=rule.fraud,
            subject=about,
            operators=_joined([], sorted(operators), MOST_OPERATORS),
            measure=rule.measure,
            status="open",
            calls=int(values.get("calls", 0)),
            victims=int(values.get("victims", kind == "callee")),
            called=_joined([], called, MOST_CALLED),
            lines=_joined([], lines, MOST_LINES),
            evidence=_joined([], calls, MOST_CALLS),
            first_at=min(at_ms, max(0, int(values.get("first_at", at_ms)))),
            last_at=at_ms,
            grounds=grounds,
            policy=self._policy,
        )

    def _put(self, case: Case) -> Case:
        held = self._held.get(case.subject)
        if held is not None:
            self._open[held.measure].pop(case.subject, None)
        self._held[case.subject] = case
        if case.status == "open":
            self._open[case.measure][case.subject] = None
        if len(self._held) > self._most_held:
            self._forget_closed()
        return case

    def _closed(self, case: Case, why: str = _SILENT) -> list[Case]:
        return [] if case.status == "closed" else [self._put(_turned(case, "closed", why))]

    def _opened(self, case: Case) -> list[Case]:
        """Open a case if there is room, which others make that are closed for it: those of weaker measures first, then those of
        which nothing was said for longest. A case that was heard of within a day makes room for a stronger measure only.
        """
        said: list[Case] = []
        for _ in range(_MAKE_ROOM):
            if sum(map(len, self._open.values())) < self._most:
                break
            going = self._going(case)
            if going is None:
                break
            said += self._closed(going, f"{self._most} other cases are open, and weaker or more silent ones make room")
        if not said and sum(map(len, self._open.values())) >= self._most:
            self.refused += 1
            return []
        return [*said, self._put(case)]

    def _going(self, coming: Case) -> Case | None:
        """The open case that makes room for another one; None where none has to."""
        for measure in MEASURES[: _strength(coming) + 1]:
            first = next(iter(self._open[measure]), None)
            if first is not None:
                case = self._held[first]
                if measure != coming.measure or coming.heard_at - _quiet_from(case) > IDLE_MS:
                    return case
        return None

    def _forget_closed(self) -> None:
        """More are held than can be: the closed ones that were silent longest go, without a word."""
        closed = [case for case in self._held.values() if case.status == "closed"]
        for case in nsmallest(len(closed) - self._most // 2, closed, key=_quiet_from):
            del self._held[case.subject]
        self._most_held = max(2 * self._most, len(self._held) + self._most // 2)


def merged(before: Case | None, record: Case) -> Case:
    """What stands of a case once another record of it was read; `before` may be another case of the subject, or none.

    The status is that of the record which knew more; figures are the highest of both.
    """
    if before is None or before.case != record.case:
        return record
    older, newer = (before, record) if _knows(record) >= _knows(before) else (record, before)
    strong = newer if _strength(newer) >= _strength(older) else older
    return msgspec.structs.replace(
        newer,
        kind=strong.kind,
        measure=strong.measure,
        grounds=strong.grounds,
        policy=strong.policy,
        calls=max(older.calls, newer.calls),
        victims=max(older.victims, newer.victims),
        operators=_joined(older.operators, newer.operators, MOST_OPERATORS),
        called=_joined(older.called, newer.called, MOST_CALLED),
        lines=_joined(older.lines, newer.lines, MOST_LINES),
        evidence=_joined(older.evidence, newer.evidence, MOST_CALLS),
        first_at=min((at for at in (older.first_at, newer.first_at) if at is not None), default=None),
        last_at=max((at for at in (older.last_at, newer.last_at) if at is not None), default=None),
        revision=max(older.revision, newer.revision),
    )


def _updated(held: Case, seen: Case) -> Case:
    """The case after another signal of its subject; the same one when nothing material is new.

    Material is: a stronger measure, twice the calls, another operator, that it still goes on a day later, and where the
    called have to be told each further call, as long as these are kept; such calls are counted by what is kept. What a person
    closed stays closed, whatever comes, until a stronger measure is due; what was closed for its silence is open again.
    """
    stronger = _strength(seen) > _strength(held)
    operators = _joined(held.operators, seen.operators, MOST_OPERATORS)
    more = seen.calls > held.calls and seen.calls >= 2 * held.calls
    still = seen.heard_at - held.heard_at >= STILL_MS
    evidence = _joined(held.evidence, seen.evidence, MOST_CALLS) if seen.called else held.evidence
    if not (stronger or more or still or operators != held.operators or evidence != held.evidence):
        return held
    after = merged(held, msgspec.structs.replace(
        seen, calls=max(seen.calls, len(evidence)) if seen.called else seen.calls, case=held.case, opened_at=held.opened_at, status=held.status, by=held.by, why=held.why,
        changed_at=held.changed_at, revision=held.revision + 1,
    ))  # fmt: skip
    if held.status == "open" or (held.by and not stronger):
        return after
    why = f"{seen.measure} is due, more than was when it was closed" if stronger else "heard of again"
    return msgspec.structs.replace(after, status="open", by="", why=why)


def _turned(case: Case, status: CaseStatus, why: str) -> Case:
    return msgspec.structs.replace(case, status=status, by="", why=why, revision=case.revision + 1)


def _quiet_from(case: Case) -> int:
    """From when on it counts as silent: a person's change begins it anew."""
    return max(case.heard_at, case.changed_at or 0)


def _knows(case: Case) -> tuple[int, int]:
    return case.changed_at or 0, case.revision


def _strength(case: Case) -> int:
    return MEASURES.index(case.measure)


def _joined(held: Iterable[str], more: Iterable[str], most: int) -> list[str]:
    return list(dict.fromkeys((*held, *more)))[:most]
