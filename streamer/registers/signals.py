"""Signals in force: what is known over all partitions of called numbers, trunks, blocks of calling numbers, own lines and lures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from streamer.calls.signals import KINDS, Signal
from streamer.compiled import loop
from streamer.registers.index import Index, get, grown, index, put, remove, widened
from streamer.windows.hashing import Secret
from streamer.windows.newcomers import range_of, route_of

VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "callee": ("callers_1m", "usual", "watched_h", "own_1m", "attempts_1m", "answered_1m"),
    "trunk": ("attempts_10m", "neighbours_10m", "victims_10m", "burst_10m", "fresh_10m", "rang_10m"),
    "block": ("attempts_10m", "fresh_10m", "blocked_10m", "answered_10m", "brief_10m", "burst_10m"),
    "line": ("incoming_24h", "watched_h", "imei_lines"),
    "range": (
        "lines_1h", "replaced_1h", "attempts_1h", "answered_1h", "short_1h", "talk_1h", "incoming_1h", "watched_h",
    ),
    "prefix": ("fresh_10m", "rang_10m"),
    "lure": ("rings_10m",),
}  # fmt: skip
"""What is kept of a signal of each kind, in its order."""
WIDTH: Final = max(map(len, VALUES.values()))
BURST: Final = VALUES["block"].index("burst_10m")
"""What a block over a trunk tells; a block alone tells the same of all trunks together."""
CALLEE, TRUNK, BLOCK, LINE, RANGE, PREFIX, LURE = range(len(KINDS))


class Signals(NamedTuple):
    """`at` finds the row of (subject, kind); `until_ms` int64[rows], `values` float64[rows, WIDTH] in the order of `VALUES`;
    `count` int64[kinds]: how many there are of each kind.
    """

    at: Index
    until_ms: Any
    values: Any
    count: Any


@loop
def find(signals: Signals, kind: int, subject: int, now_ms: int) -> int:
    """The row of what is known of a subject (`subject_of`) and holds at `now_ms`, else -1."""
    if signals.count[kind] == 0 or subject <= 0:
        return -1
    row = get(signals.at, subject, kind)
    if row >= 0 and signals.until_ms[row] >= now_ms:
        return row
    return -1


def subject_of(signal: Signal, trunks: Mapping[tuple[str, str], int]) -> int:
    """What a signal is found by: the row of a trunk, a number or block, a range or route as of `streamer.windows.newcomers`; 0 for
    what nothing can be found by. `trunks` are the rows of registered trunks.

    >>> subject_of(Signal(kind="block", subject="+77011234", at=1, until=2), {})
    77011234
    """
    if signal.kind == "trunk":
        operator, _, trunk = signal.subject.partition("/")
        return trunks.get((operator, trunk), 0)
    over, _, number = signal.subject.rpartition("/")
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15) or digits[0] == "0":
        return 0
    operator, _, trunk = over.partition("/")
    row = trunks.get((operator, trunk), 0)
    if signal.kind == "range":
        return range_of(int(digits) * 10_000, not over, row)
    if signal.kind == "block" and over:
        return route_of(int(digits), row)
    return 0 if over else int(digits)


class Register:
    """The signals by their keys, and their compiled form."""

    def __init__(self, secret: Secret) -> None:
        self.compiled = Signals(
            index(secret), np.zeros(64, np.int64), np.zeros((64, WIDTH)), np.zeros(len(KINDS), np.int64)
        )
        self._held: dict[str, tuple[int, int, int, int]] = {}  # row, kind, subject, at
        self._keys: dict[tuple[int, int], str] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._held)

    def put(self, key: str, signal: Signal, subject: int) -> None:
        """Take in a signal about a subject; one that is older than what is held changes nothing."""
        kind = KINDS.index(signal.kind)
        other = self._keys.get((kind, subject))
        if other is not None and other != key:
            self.remove(other)
        held = self._held.get(key)
        if held is not None and held[1:3] == (kind, subject):
            if signal.at < held[3]:
                return
            row = held[0]
        else:
            self.remove(key)
            row = self._row(kind, subject)
        self._held[key] = (row, kind, subject, signal.at)
        self._keys[kind, subject] = key
        self.compiled.until_ms[row] = signal.until
        for place, name in enumerate(VALUES[signal.kind]):
            self.compiled.values[row, place] = signal.values.get(name, np.nan)

    def remove(self, key: str) -> None:
        """Forget what is known under a key."""
        held = self._held.pop(key, None)
        if held is not None:
            row, kind, subject, _ = held
            del self._keys[kind, subject]
            remove(self.compiled.at, subject, kind)
            self.compiled.until_ms[row] = 0
            self.compiled.count[kind] -= 1
            self._free.append(row)

    def remove_over(self, trunk: str) -> None:
        """Forget what is known of a trunk (`operator/trunk`) and of the ranges and blocks over it."""
        self.remove(f"trunk/{trunk}")
        for key in [key for key in self._held if key.startswith((f"range/{trunk}/", f"block/{trunk}/"))]:
            self.remove(key)

    def _row(self, kind: int, subject: int) -> int:
        row = self._free.pop() if self._free else len(self._held)
        signals = self.compiled
        self.compiled = signals = signals._replace(
            at=grown(signals.at, len(self._held) + 1),
            until_ms=widened(signals.until_ms, row + 1),
            values=widened(signals.values, row + 1),
        )
        put(signals.at, subject, kind, row)
        signals.count[kind] += 1
        return row
