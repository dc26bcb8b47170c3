"""The block-rate governor: puts a detector that blocks too many good lines into shadow, by a message of its own.

Theory of operation. Each detector (and the model) is judged for itself, for each operator and trunk, over a sliding hour of
event time that moves in the steps of `streamer.windows.sliding`. Counted are own lines in good standing of which it judged
a call in `enforce`, and those of them of which it asked to block one, whether it was blocked or let through as control. A
line counts once, however much it calls: what one line does says what that line is, not what the detector is. Once there
are `Band.min_lines` of them and the share asked for is above `Band.max_share` for sure (`streamer.standing.share_for_sure`), a behaviour
detector is demoted: a `Demotion` is to be published, and takes effect when it is read back like any control message, so
that a replay repeats it. A demoted detector runs in shadow, so nothing is counted until its time is over, and then it is
judged afresh. Between publication and reading back the governor holds still by itself. `GRACE_MS` after its end a demotion
is to be lifted by a tombstone, by every worker that finds it; one more of those changes nothing. (Should a new demotion
under the same key be published in the moment before a tombstone of the old one, it is lifted too, and said again when the
lines that come then say so.)

How well lines are counted: exactly up to 768 of them in the hour; beyond that both numbers are estimates with a standard
error of 3 to 5 % (`streamer.windows.lines`), less than what chance leaves open: 200 lines asked for tell a share to within
14 %. By the default band it takes 2 lines of 200, 5 of 1,000, 29 of 10,000 and 228 of 100,000; one line alone never
suffices, whatever the band.

A governor is a switch that an attacker would like to reach. So a call that came from anywhere but an own line counts for
nothing (`streamer.kernel.STANDING`), an origin detector is never demoted (a flood of spoofed calls is what it is there to
block: it gives an `Alarm`, and people decide), and one operator's or trunk's calls move nobody else's detectors. Names of
operators and trunks are whatever a publisher writes: at most `MOST_SCOPES` are held, the busiest stay, with at most
`MOST_LINES` lines between them. While `MOST_OF_OPERATOR` demotions of one operator or `MOST_DEMOTIONS` of all are in
force, no further one is published: an `Alarm` says that too.

It is judged once an observation, so a batch counts as a whole. Each worker judges by the partitions that it owns, and
workers do not add up their counts: lines spread over partitions by a hash, so each worker sees an even sample of every
operator's lines, each line whole. With w workers it takes w times as many lines until there are `Band.min_lines`, and the
first worker that is sure speaks for all. Counts are not checkpointed: a worker that starts, or has lost its partitions,
counts afresh. With the kill switch on nobody is blocked and nothing is judged; a policy put in force begins the count anew.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from streamer.calls.decisions import Demotion, Policy
from streamer.calls.events import LATEST_MS
from streamer.demotions import demotion_key, named_by
from streamer.detectors import DETECTORS
from streamer.standing import HOUR_STEP_MS, Scope, share_for_sure
from streamer.windows.sliding import STEPS

MOST_SCOPES: Final = 4_096
"""Pairs of operator and trunk that are counted for, about 3 KiB each."""
MOST_LINES: Final = 131_072
"""Lines held in the samples of all scopes, about 0.12 KiB each, but for those of one batch."""
MOST_OF_OPERATOR: Final = 64
MOST_DEMOTIONS: Final = 1_024
"""Demotions in force, those that people wrote among them, past which the governor publishes no more."""
GRACE_MS: Final = 10_000
"""From the end of a demotion to its tombstone: time for calls that come late, and for a new demotion to be read."""

NAMES: Final = (*(detector.id for detector in DETECTORS), "model")
_ORIGIN: Final = frozenset(row for row, detector in enumerate(DETECTORS) if detector.kind == "origin")
_FEWEST: Final = 2
"""Lines asked for below which nothing is said."""
_THINNED: Final = 8


class Alarm(NamedTuple):
    """A detector is outside its band and stays in force: people have to look. It is an origin detector, or there are too
    many demotions already.
    """

    detector: str
    operator: str
    trunk: str
    at: int
    why: str


class Governor:
    """See the module. A pure state machine: no clock but the calls' own, nothing published by itself."""

    def __init__(self) -> None:
        self._scopes: dict[tuple[str, str], Scope] = {}
        self._policy: Policy | None = None
        self._step = 0
        self._lines = 0
        self._unread: dict[str, Demotion] = {}
        self._lifted: set[str] = set()

    def __len__(self) -> int:
        return len(self._scopes)

    def observe(
        self, calls: Iterable[tuple[str, str, int, int, int]], policy: Policy, demotions: Mapping[str, Demotion]
    ) -> list[Demotion | Alarm]:
        """Count judged calls (`streamer.outcomes.Outcomes.standing`); gives what is to be published or told.

        `demotions`: what was read of the policy topic, by key.
        """
        if policy is not self._policy:
            self._scopes.clear()
            self._lines = 0
            self._policy = policy
        if policy.kill_switch:
            return []
        touched: dict[tuple[str, str], Scope] = {}
        for operator, trunk, at, bits, line in calls:
            place = operator, trunk
            scope = touched.get(place)
            if scope is None:
                scope = touched[place] = self._scope(place, at // HOUR_STEP_MS)
            scope.add(at, bits, line)
        said: list[Demotion | Alarm] = []
        for place, scope in touched.items():
            self._step = max(self._step, scope.step)
            self._lines -= scope.size
            scope.size = len(scope)
            self._lines += scope.size
            if scope.asked:
                said += self._judge(place, scope, policy, demotions)
        if self._lines > MOST_LINES:
            self._thin()
        return said

    def heard(self, key: str, demotion: Demotion | None) -> None:
        """A demotion was read back, or lifted (None): the detector is judged afresh where that concerns it."""
        self._unread.pop(key, None)
        self._lifted.discard(key)
        named = named_by(key)
        if named is None or named[0] not in NAMES:
            return
        row, operator, trunk = NAMES.index(named[0]), named[1], named[2]
        if trunk is not None:
            found = self._scopes.get((operator, trunk))
            scopes = [] if found is None else [found]
        else:
            scopes = [scope for (held, _), scope in self._scopes.items() if held == operator]
        for scope in scopes:
            scope.hold(row, 0)
            if demotion is not None:
                scope.restart(row)

    def ended(self, demotions: Mapping[str, Demotion], now_ms: int) -> list[str]:
        """Keys that are to be lifted, since their demotions have ended: each once, until it has been read back."""
        over = now_ms - GRACE_MS
        keys = [
            key
            for key, demotion in demotions.items()
            if demotion.until is not None and demotion.until <= over and key not in self._lifted
        ]
        self._lifted.update(keys)
        return keys

    def shares(self) -> dict[tuple[str, str], float]:
        """Lines asked for over lines by (detector, operator): the highest of its trunks that have lines enough."""
        found: dict[tuple[str, str], float] = {}
        least = self._policy.governor.min_lines if self._policy is not None else 1
        for (operator, _), scope in self._scopes.items():
            if not scope.asked or scope.step <= self._step - STEPS:
                continue
            for row, lines, asked in scope.totals():
                if lines >= least:
                    of = (NAMES[row], operator)
                    found[of] = max(found.get(of, 0.0), asked / lines)
        return found

    def _scope(self, place: tuple[str, str], step: int) -> Scope:
        scope = self._scopes.get(place)
        if scope is None:
            if len(self._scopes) >= MOST_SCOPES:
                self._keep_busiest()
            scope = self._scopes[place] = Scope(step)
        return scope

    def _keep_busiest(self) -> None:
        """Let half go: those silent for an hour first, then those with the fewest lines, which could not be judged soon."""

        def busy(entry: tuple[tuple[str, str], Scope]) -> tuple[bool, int]:
            scope = entry[1]
            return scope.step > self._step - STEPS, scope.lines() + (scope.held_to > 0)

        self._scopes = dict(sorted(self._scopes.items(), key=busy, reverse=True)[: MOST_SCOPES // 2])

    def _thin(self) -> None:
        """Halve the largest samples until all hold no more than they may."""
        scopes = self._scopes.values()
        self._lines = sum(scope.size for scope in scopes)
        while self._lines > MOST_LINES:
            for scope in heapq.nlargest(_THINNED, scopes, key=lambda scope: scope.size):
                self._lines -= scope.size
                scope.thin()
                scope.size = len(scope)
                self._lines += scope.size

    def _judge(
        self, place: tuple[str, str], scope: Scope, policy: Policy, demotions: Mapping[str, Demotion]
    ) -> list[Demotion | Alarm]:
        band, said = policy.governor, list[Demotion | Alarm]()
        operator, trunk = place
        for row, lines, asked in scope.totals():
            if asked < _FEWEST or lines < band.min_lines or share_for_sure(asked, lines) <= band.max_share:
                continue
            until = min(scope.at + 1_000 * band.demotion_s, LATEST_MS)
            scope.restart(row)
            scope.hold(row, until)
            why = (
                f"asked to block calls of {asked} of {lines} own lines in good standing within the hour, "
                f"{asked / lines:.3%}; the band of policy {policy.version} is {band.max_share:.3%} from {band.min_lines} "
                "lines on"
            )
            many = None if row in _ORIGIN else self._too_many(operator, scope.at, demotions)
            if row in _ORIGIN or many is not None:
                said.append(Alarm(NAMES[row], operator, trunk, scope.at, why if many is None else f"{why}; {many}"))
            else:
                demotion = Demotion(
                    detector=NAMES[row], operator=operator, trunk=trunk, at=scope.at, until=until, why=why
                )
                self._unread[demotion_key(demotion)] = demotion
                said.append(demotion)
        return said

    def _too_many(self, operator: str, at_ms: int, demotions: Mapping[str, Demotion]) -> str | None:
        """Why no further demotion of an operator may be published; None if one may."""
        self._unread = {k: d for k, d in self._unread.items() if d.until is None or d.until > at_ms}
        held = {k: d for k, d in demotions.items() if d.until is None or d.until > at_ms} | self._unread
        own = sum(demotion.operator == operator for demotion in held.values())
        if own >= MOST_OF_OPERATOR:
            return f"{own} demotions of this operator are in force already"
        return f"{len(held)} demotions are in force already" if len(held) >= MOST_DEMOTIONS else None
