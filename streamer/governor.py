"""The block-rate governor: puts a detector that blocks too many good lines into shadow, by a message of its own.

Theory of operation. Each detector (and the model) is judged for itself, for each operator and trunk, over a sliding hour of
event time that moves in the steps of `streamer.windows.sliding`. Counted are calls on own lines in good standing that it
judged in `enforce`, and those of them that it asked to block, whether blocked or let through as control. Once there are
`Band.min_calls` of them and the share asked for is above `Band.max_share`, a behaviour detector is demoted: a `Demotion`
is to be published, and takes effect when it is read back like any control message, so that a replay repeats it. A demoted
detector runs in shadow, so nothing is counted until its time is over, and then it is judged afresh. Between publication
and reading back the governor holds still by itself.

A governor is a switch that an attacker would like to reach. So a call that came from anywhere but an own line counts for
nothing (`streamer.kernel.STANDING`), an origin detector is never demoted (a flood of spoofed calls is what it is there to
block: it gives an `Alarm`, and people decide), and one operator's or trunk's calls move nobody else's detectors. Names of
operators and trunks are whatever a publisher writes: at most `MOST_SCOPES` are held, the busiest stay.

It is judged once an observation, so a batch counts as a whole. Each worker judges by the partitions that it owns: callers
spread over them by a hash, so each sees an even sample of every operator's calls. Counts are not checkpointed: a worker
that starts counts afresh. With the kill switch on nobody is blocked and nothing is judged; a policy put in force begins
the count anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from streamer.calls.decisions import Demotion, Policy
from streamer.calls.events import LATEST_MS
from streamer.detectors import DETECTORS
from streamer.features import WINDOWS
from streamer.policy import ASKED, MODEL_ROW
from streamer.windows.sliding import STEP_MS, STEPS

_Z: Final = 1.96
MOST_SCOPES: Final = 4_096
"""Pairs of operator and trunk that are counted for, about 2 KiB each."""
HOUR_STEP_MS: Final = int(STEP_MS[[name for name, _ in WINDOWS].index("1h")])

NAMES: Final = (*(detector.id for detector in DETECTORS), "model")
_ORIGIN: Final = frozenset(row for row, detector in enumerate(DETECTORS) if detector.kind == "origin")
_ROWS: Final = MODEL_ROW + 1
_COULD: Final = (1 << ASKED) - 1
_KEY: Final = "demotion/"


class Alarm(NamedTuple):
    """An origin detector is outside its band: people have to look, since nothing is switched off."""

    detector: str
    operator: str
    trunk: str
    at: int
    why: str


def demotion_key(demotion: Demotion) -> str:
    """The key of a demotion on the policy topic; `/` and `%` in names are escaped, so that no two of them share one.

    >>> demotion_key(Demotion(detector="robocall", operator="op-a", trunk="igw/7"))
    'demotion/robocall/op-a/igw%2F7'
    >>> demotion_key(Demotion(detector="robocall", operator="op-a", trunk=""))
    'demotion/robocall/op-a/'
    >>> demotion_key(Demotion(detector="robocall", operator="op-a"))
    'demotion/robocall/op-a'
    """
    names = [demotion.detector, demotion.operator, *([] if demotion.trunk is None else [demotion.trunk])]
    return _KEY + "/".join(name.replace("%", "%25").replace("/", "%2F") for name in names)


def _named(key: str) -> tuple[str, str, str | None] | None:
    """Detector, operator and trunk (None: every one) that a key names; None for a key that names none."""
    parts = [part.replace("%2F", "/").replace("%25", "%") for part in key.removeprefix(_KEY).split("/")]
    if not key.startswith(_KEY) or len(parts) not in {2, 3}:
        return None
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


@lru_cache(1_024)
def _rows(bits: int) -> Any:
    """int64[rows], 1 where the bit is set."""
    return np.array([bits >> row & 1 for row in range(_ROWS)], np.int64)


class _Scope:
    """One operator's trunk. `counts` int64[2, STEPS, rows]: calls judged and blocks asked for; `held` int64[rows] ms."""

    __slots__ = ("at", "counts", "held", "held_to", "hot", "step")

    def __init__(self, step: int) -> None:
        self.counts = np.zeros((2, STEPS, _ROWS), np.int64)
        self.held = np.zeros(_ROWS, np.int64)
        self.held_to = self.at = 0
        self.step = step
        self.hot = False

    def add(self, step: int, bits: int, calls: int, at_ms: int) -> None:
        """Count `calls` of one step, the last at `at_ms`, that all came to the same `bits`."""
        if step > self.step:
            for over in range(max(self.step + 1, step - STEPS + 1), step + 1):
                self.counts[:, over % STEPS] = 0
            self.step = step
        elif step <= self.step - STEPS:
            return
        self.at = max(self.at, at_ms)
        judged, asked = bits & _COULD, bits >> ASKED
        if self.held_to > at_ms:
            free = sum(1 << row for row in range(_ROWS) if self.held[row] <= at_ms)
            judged, asked = judged & free, asked & free
        self.counts[0, step % STEPS] += calls * _rows(judged)
        if asked:
            self.counts[1, step % STEPS] += calls * _rows(asked)
            self.hot = True

    def totals(self) -> list[tuple[int, int, int]]:
        """(row, calls, blocks asked for) of each row that asked for any within the hour."""
        calls, asked = self.counts.sum(axis=1).tolist()
        found = [(row, calls[row], asked[row]) for row in range(_ROWS) if asked[row]]
        self.hot = bool(found)
        return found

    def restart(self, row: int, held_to: int = 0) -> None:
        """Forget what a row counted, and count nothing before `held_to`."""
        self.counts[:, :, row] = 0
        self.held[row] = held_to
        self.held_to = int(self.held.max())


def share_for_sure(asked: int, calls: int) -> float:
    """The share that so many calls show for sure: the lower bound of Wilson's 95 % interval (Wilson, 1927).

    One block among 251 calls is 0.4 %, but says nothing: a single line could switch a detector off for all others.

    >>> share_for_sure(1, 251) < 0.001, round(share_for_sure(50, 1_000), 3)
    (True, 0.038)
    """
    share = asked / calls
    middle = share + _Z**2 / (2 * calls)
    off = _Z * math.sqrt(share * (1 - share) / calls + _Z**2 / (4 * calls**2))
    return max(0.0, (middle - off) / (1 + _Z**2 / calls))


class Governor:
    """See the module. A pure state machine: no clock but the calls' own, nothing published by itself."""

    def __init__(self) -> None:
        self._scopes: dict[tuple[str, str], _Scope] = {}
        self._policy: Policy | None = None
        self._step = 0

    def __len__(self) -> int:
        return len(self._scopes)

    def observe(self, calls: Iterable[tuple[str, str, int, int]], policy: Policy) -> list[Demotion | Alarm]:
        """Count judged calls (`streamer.outcomes.Outcomes.standing`); gives what is to be published or told."""
        if policy is not self._policy:
            self._scopes.clear()
            self._policy = policy
        if policy.kill_switch:
            return []
        groups: dict[tuple[str, str, int, int], list[int]] = {}
        for operator, trunk, at, bits in calls:
            key = (operator, trunk, at // HOUR_STEP_MS, bits)
            group = groups.get(key)
            if group is None:
                groups[key] = [1, at]
            else:
                group[0] += 1
                group[1] = max(group[1], at)
        touched: dict[tuple[str, str], _Scope] = {}
        for (operator, trunk, step, bits), (n, latest) in groups.items():
            scope = touched[operator, trunk] = self._scope(operator, trunk, step)
            scope.add(step, bits, n, latest)
        said: list[Demotion | Alarm] = []
        for (operator, trunk), scope in touched.items():
            if scope.hot:
                said += self._judge(operator, trunk, scope, policy)
        return said

    def heard(self, key: str, demotion: Demotion | None) -> None:
        """A demotion was read back, or lifted (None): the detector is judged afresh where that concerns it."""
        named = _named(key) if demotion is None else (demotion.detector, demotion.operator, demotion.trunk)
        if named is None or named[0] not in NAMES:
            return
        detector, operator, trunk = named
        for (held, held_trunk), scope in self._scopes.items():
            if held == operator and (trunk is None or held_trunk == trunk):
                scope.restart(NAMES.index(detector))

    def shares(self) -> dict[tuple[str, str], float]:
        """Blocks asked for over calls by (detector, operator): the highest of its trunks that have calls enough."""
        found: dict[tuple[str, str], float] = {}
        least = self._policy.governor.min_calls if self._policy is not None else 1
        for (operator, _), scope in self._scopes.items():
            if not scope.hot or scope.step <= self._step - STEPS:
                continue
            for row, calls, asked in scope.totals():
                if calls >= least:
                    of = (NAMES[row], operator)
                    found[of] = max(found.get(of, 0.0), asked / calls)
        return found

    def _scope(self, operator: str, trunk: str, step: int) -> _Scope:
        self._step = max(self._step, step)
        scope = self._scopes.get((operator, trunk))
        if scope is None:
            if len(self._scopes) >= MOST_SCOPES:
                self._keep_busiest()
            scope = self._scopes[operator, trunk] = _Scope(step)
        return scope

    def _keep_busiest(self) -> None:
        """Let half go: those silent for an hour first, then those with the fewest calls, which could not be judged soon."""

        def busy(entry: tuple[tuple[str, str], _Scope]) -> tuple[bool, int]:
            scope = entry[1]
            return scope.step > self._step - STEPS, int(scope.counts[0].max(axis=1).sum()) + int(scope.held_to > 0)

        self._scopes = dict(sorted(self._scopes.items(), key=busy, reverse=True)[: MOST_SCOPES // 2])

    @staticmethod
    def _judge(operator: str, trunk: str, scope: _Scope, policy: Policy) -> list[Demotion | Alarm]:
        band, said = policy.governor, list[Demotion | Alarm]()
        for row, calls, asked in scope.totals():
            share = asked / calls
            if calls < band.min_calls or share_for_sure(asked, calls) <= band.max_share:
                continue
            until = min(scope.at + 1_000 * band.demotion_s, LATEST_MS)
            scope.restart(row, until)
            why = (
                f"asked to block {asked} of {calls} calls from own lines in good standing within the hour, "
                f"{share:.3%}; the band of policy {policy.version} is {band.max_share:.3%} from {band.min_calls} calls on"
            )
            if row in _ORIGIN:
                said.append(Alarm(NAMES[row], operator, trunk, scope.at, why))
            else:
                said.append(
                    Demotion(detector=NAMES[row], operator=operator, trunk=trunk, at=scope.at, until=until, why=why)
                )
        return said
