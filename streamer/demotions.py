"""Demotions in force: those on the policy topic by their keys, and those that the policy in force brings itself.

`Demotions.until` is a table of until when each detector is demoted in each scope, changed in place as records come: a
demotion costs the same however many there are. An operator as a whole has its row of `streamer.registers.operators`,
each trunk that a demotion names a row past those.

At most `MOST_HELD` records of the topic are held, whoever wrote them; one more is refused. One that ended long before
another began is let go, so that a topic full of old ones fills nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final

import numpy as np

from streamer.calls.decisions import Demotion, Policy
from streamer.detectors import DETECTORS
from streamer.errors import MessageError
from streamer.policy import MODEL_ROW
from streamer.registers import operators

MOST_HELD: Final = 4_096
"""Demotions on the topic that are heeded at once."""
PREFIX: Final = "demotion/"
"""Keys of the policy topic that begin so are of demotions."""
_OVER_MS: Final = 24 * 3_600_000
"""A demotion that ended so long before a new one began concerns no call any more."""
_LOOK_MS: Final = 600_000
_FOR_EVER: Final = 2**62
_SHARED: Final = operators.CAPACITY - 1
"""The row of all operators that came when there was no other left."""
_ROWS: Final = {detector.id: row for row, detector in enumerate(DETECTORS) if detector.kind == "behaviour"} | {
    "model": MODEL_ROW
}
"""What can be demoted."""


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
    return PREFIX + "/".join(name.replace("%", "%25").replace("/", "%2F") for name in names)


def named_by(key: str) -> tuple[str, str, str | None] | None:
    """Detector, operator and trunk (None: every one) that a key names; None for a key that names none.

    >>> named_by("demotion/robocall/op-a/igw%2F7")
    ('robocall', 'op-a', 'igw/7')
    """
    parts = [part.replace("%2F", "/").replace("%25", "%") for part in key.removeprefix(PREFIX).split("/")]
    if not key.startswith(PREFIX) or len(parts) not in {2, 3}:
        return None
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


def brought(policy: Policy, at_ms: int) -> dict[str, Demotion]:
    """By their keys the demotions that a policy brings itself, of what can be demoted, and that hold at `at_ms` or later."""
    own = (one for one in policy.demotions if one.detector in _ROWS and _end(one) > at_ms)
    return {demotion_key(one): one for one in sorted(own, key=_end)}


class Demotions:
    """See the module.

    Attributes
    ----------
    by_key : dict[str, Demotion]
        Those of the topic.
    scopes : dict[tuple[str, str], int]
        Rows of the (operator, trunk) pairs that a demotion names; an empty trunk stands for calls without one.
    until : int64[rows, D + 1]
        Until when each detector (the model last) is demoted in each row, ms; 0: it is not. Another array once more
        trunks are named than it has rows for.
    """

    def __init__(self, known: operators.Register) -> None:
        self._operators = known
        self._looked_ms = 0
        self._own: dict[str, Demotion] = {}
        self.by_key: dict[str, Demotion] = {}
        self._fill()

    def put(self, key: str, demotion: Demotion) -> bool:
        """Enter or replace a record. False: one of a detector that cannot be demoted, or that there is not; it changes nothing.

        Raises `MessageError` when the key is not the record's, or there are too many.
        """
        if key != demotion_key(demotion):
            raise MessageError("out_of_range", f"a demotion under {key!r}; its key is {demotion_key(demotion)!r}")
        if demotion.detector not in _ROWS:
            return False
        if demotion.at - self._looked_ms >= _LOOK_MS:
            self._looked_ms = demotion.at
            for over in [k for k, d in self.by_key.items() if _end(d) < demotion.at - _OVER_MS]:
                self.remove(over)
        if key not in self.by_key and len(self.by_key) >= MOST_HELD:
            raise MessageError("out_of_range", f"{key!r}: {MOST_HELD} demotions are held already; lift some of them")
        self.remove(key)
        self.by_key[key] = demotion
        self._enter(demotion)
        return True

    def remove(self, key: str) -> None:
        """Lift a demotion; without one under that key nothing happens."""
        demotion = self.by_key.pop(key, None)
        if demotion is None:
            return
        row, column = self._row(demotion), _ROWS[demotion.detector]
        left = [self._own[key]] if key in self._own else []
        if row == _SHARED:
            left = [
                d for d in self._all() if d.trunk is None and d.detector == demotion.detector and self._row(d) == row
            ]
        self.until[row, column] = max(map(_end, left), default=0)
        if demotion.trunk is not None:
            self._named[row] -= 1
            if not self._named[row]:
                del self.scopes[demotion.operator, demotion.trunk], self._named[row]
                self._free.append(row)

    def bring(self, own: Iterable[Demotion]) -> None:
        """Another policy is in force: its own demotions take the place of the last one's."""
        self._own = {}
        for demotion in own:
            key = demotion_key(demotion)
            if demotion.detector in _ROWS and (key not in self._own or _end(demotion) > _end(self._own[key])):
                self._own[key] = demotion
        self._fill()

    def seat(self) -> None:
        """Operators were registered: one that shared its row with others may have its own now."""
        if self.until[_SHARED].any():
            self._fill()

    def _all(self) -> Iterator[Demotion]:
        return chain(self.by_key.values(), self._own.values())

    def _fill(self) -> None:
        self.scopes: dict[tuple[str, str], int] = {}
        self._free: list[int] = []
        self._named: dict[int, int] = {}
        self.until: Any = np.zeros((operators.CAPACITY + 64, len(DETECTORS) + 1), np.int64)
        for demotion in self._all():
            self._enter(demotion)

    def _row(self, demotion: Demotion) -> int:
        if demotion.trunk is None:
            return self._operators.row(demotion.operator)
        return self.scopes[demotion.operator, demotion.trunk]

    def _enter(self, demotion: Demotion) -> None:
        if demotion.trunk is not None:
            place = demotion.operator, demotion.trunk
            if place not in self.scopes:
                row = self._free.pop() if self._free else operators.CAPACITY + len(self.scopes)
                if row == len(self.until):
                    self.until = np.concatenate((self.until, np.zeros_like(self.until)))
                self.scopes[place] = row
            self._named[self.scopes[place]] = self._named.get(self.scopes[place], 0) + 1
        row, column = self._row(demotion), _ROWS[demotion.detector]
        self.until[row, column] = max(self.until[row, column], _end(demotion))


def _end(demotion: Demotion) -> int:
    return _FOR_EVER if demotion.until is None else demotion.until
