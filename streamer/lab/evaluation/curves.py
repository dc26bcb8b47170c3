"""Recall against wrong blocks while one threshold of one detector moves: recorded features judged again, and nothing run anew.

Detectors hold no state, so that the features of a call can be judged by any thresholds. What is left out is what another
verdict would have done to later calls (a blocked attempt has counters of its own), so that a curve is exact at the thresholds
in force and an estimate elsewhere, the better the nearer.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from streamer.calls.decisions import ACTIONS, Policy
from streamer.detectors import DETECTORS
from streamer.detectors.again import judge_again
from streamer.features import COUNT
from streamer.lab.evaluation.bars import BARS
from streamer.lab.evaluation.verdicts import Verdict
from streamer.lab.truth import Truth
from streamer.policy import ALLOW, BLOCK, compile_rules

FACTORS: Final = (0.25, 0.4, 0.6, 0.8, 1.0, 1.25, 1.6, 2.5, 4.0)
"""What a threshold is multiplied by, one after another."""
_ROWS: Final = 2_048


class Point(NamedTuple):
    """A detector by itself with one threshold at `value`: part of its own fraud's counted calls that it meets (None: there were
    none), and how many honest calls it asks to block.
    """

    value: float
    recall: float | None
    wrong: int


class Curve(NamedTuple):
    """What one threshold of one detector does; `present` is its value in force, which is one of the points."""

    detector: str
    threshold: str
    present: float
    points: tuple[Point, ...]

    @property
    def moves(self) -> bool:
        """Whether the threshold changes anything here."""
        return len({point[1:] for point in self.points}) > 1


class Curves:
    """Judges calls again, a few thousand at a time, and keeps nothing but counts.

    Each set of thresholds moves the first one of every detector by the same factor, or the second one, and so on: detectors do
    not know each other, so that one pass tells of all.
    """

    def __init__(self, policy: Policy) -> None:
        rules = compile_rules(policy, np.zeros((0, 0), np.int64))
        self._present = rules.thresholds
        self._codes = rules.action[:-1]
        self._behaviour = rules.behaviour[:-1]
        moved = max((len(detector.thresholds) for detector in DETECTORS), default=0)
        self._limits = np.tile(self._present, (moved * len(FACTORS), 1, 1))
        for place in range(moved):
            for which, factor in enumerate(FACTORS):
                self._limits[place * len(FACTORS) + which, :, place] *= factor
        sets, detectors = self._limits.shape[:2]
        self._wrong = np.zeros((sets, detectors), np.int64)
        self._met = np.zeros((sets, detectors), np.int64)
        self._counted = np.zeros(detectors, np.int64)
        self._rows = np.zeros((_ROWS, COUNT))
        self._exempt = np.zeros(_ROWS, np.bool_)
        self._own = np.zeros(_ROWS, np.int64)
        self._held = 0
        self._place = {detector.id: place for place, detector in enumerate(DETECTORS)}
        self._least = np.array(
            [ACTIONS.index(BARS[detector.id].action) if detector.id in BARS else BLOCK for detector in DETECTORS]
        )
        self.honest = 0
        """Honest calls that were judged again."""

    def add(self, truth: Truth, verdict: Verdict, *, counts: bool) -> None:
        """Take in an honest call, or a fraudulent one that `counts` for its bar."""
        if truth.fraud is not None and (not counts or truth.fraud not in self._place):
            return
        self._rows[self._held] = verdict.row()
        self._exempt[self._held] = bool({"caller.allow", "called.allow"} & set(verdict.told.lists))
        self._own[self._held] = -1 if truth.fraud is None else self._place[truth.fraud]
        self._held += 1
        if self._held == _ROWS:
            self._count()

    def _count(self) -> None:
        rows, own = self._rows[: self._held], self._own[: self._held]
        causes = np.empty((self._held, *self._limits.shape[:2]), np.uint8)
        judge_again(rows, self._limits, np.empty((len(DETECTORS), 4)), causes)
        exempt = self._exempt[: self._held, None, None] & self._behaviour
        codes = np.where(exempt, ALLOW, self._codes[np.arange(len(DETECTORS)), causes])
        self._wrong += (codes[own < 0] == BLOCK).sum(axis=0)
        self.honest += int((own < 0).sum())
        for place in np.unique(own[own >= 0]):
            mine = codes[own == place, :, place]
            self._met[:, place] += (mine >= self._least[place]).sum(axis=0)
            self._counted[place] += len(mine)
        self._held = 0

    def curves(self) -> list[Curve]:
        """One for each threshold of each detector that does not wait for what comes later."""
        self._count()
        found = []
        for place, detector in enumerate(DETECTORS):
            if detector.deferred:
                continue
            counted = int(self._counted[place])
            for which, name in enumerate(detector.thresholds):
                sets = range(which * len(FACTORS), (which + 1) * len(FACTORS))
                points = tuple(
                    Point(
                        float(self._limits[at, place, which]),
                        int(self._met[at, place]) / counted if counted else None,
                        int(self._wrong[at, place]),
                    )
                    for at in sets
                )
                found.append(Curve(detector.id, name, float(self._present[place, which]), points))
        return found
