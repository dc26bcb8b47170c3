"""Partial sums and calling numbers that are told of in, signals out: the state of whoever merges, pure.

Everything but a busy line's calls back, the new lines of an hour and what is usual is of the last ten minutes, so that whoever takes
over counts the log of so long again; what a line got before is in its last signal, with the place in the log up to which that was counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from streamer import counting
from streamer.calls.signals import (
    AGAIN_MS,
    COUNTS,
    LASTS_MS,
    BusyLine,
    Counted,
    Lure,
    Newcomer,
    PartialSums,
    Rows,
    Signal,
    SwappedSim,
    unpacked,
)
from streamer.errors import MessageError
from streamer.signals import lines, lures, merging, newcomers, subjects
from streamer.signals.hot import Hot, swapped
from streamer.signals.names import Names, Table, table_of
from streamer.signals.subjects import Subjects
from streamer.windows.hashing import Secret

LOOKED_BACK_MS: Final = 720_000
"""So much of the log is read again by whoever takes over: the longest window, its step, and what partitions lag."""
AHEAD_MS: Final = 10_000
"""How far the clock of a broker that leads a partition of calls may be ahead of that of the one that leads the counts."""
_SOONER_MS: Final = 500
_GROWN: Final = 1.25
"""What grew by so much is said again sooner."""
_HOUR_MS: Final = 3_600_000
_TABLES: Final[tuple[Table, ...]] = ("callee", "trunk", "block", "prefix", "route")
_COLUMN: Final = {name: place for place, name in enumerate(COUNTS)} | {
    "victims": subjects.VICTIMS,
    "burst": subjects.BURST,
    "own": subjects.OWN,
}
_VALUES: Final = {
    "callee": ("1m", ("callers", "own", "attempts", "fresh", "suspect", "answered", "brief")),
    "trunk": ("10m", ("attempts", "fresh", "neighbours", "suspect", "blocked", "rang", "victims", "burst")),
    "block": ("10m", ("attempts", "callers", "fresh", "suspect", "blocked", "answered", "brief", "rang", "burst", "victims")),
    "prefix": ("10m", ("fresh", "rang")),
    "route": ("10m", ("burst",)),
}  # fmt: skip


class Change(NamedTuple):
    """What to put under a key of `signals.v1`; None ends it."""

    key: str
    signal: Signal | None


class Merger:
    """All that is counted, and what was said of it last; `rooms` as of `streamer.signals.merging.merged`.

    It goes by the limits of `streamer.counting` as they are where the policy says nothing, until `follow` is told of others.
    """

    def __init__(self, secret: Secret, **rooms: int) -> None:
        self._merged = merging.merged(secret, **rooms)
        self._tables: dict[Table, Subjects] = dict(zip(_TABLES, self._merged, strict=False))
        self._seen: dict[int, int] = {}
        self._names = Names(len(self._merged.trunks.key))
        self._touched = np.empty((0, 2), np.int64)
        self._out: dict[tuple[Table, int], None] = {}
        self._said: dict[str, Signal] = {}
        self._began = 0
        self._position = 0
        self._appended_ms = 0
        self._looked = 0
        self.lines = lines.Lines()
        self._lures = lures.Lures()
        self.newcomers = newcomers.Newcomers()
        self.repeated = 0
        self._swapped: list[Hot] = []
        self._burst: Any = np.zeros(0)
        self.follow({})

    # -- what is asked of it ---------------------------------------------------------------------------

    @property
    def clock_ms(self) -> int:
        """The log's time: that of the newest sums; 0 before the first."""
        return int(self._merged.clock[0])

    @property
    def held(self) -> Mapping[Table, int]:
        """Subjects held, by kind."""
        counted = {kind: subjects.held(table) for kind, table in self._tables.items()}
        return counted | {"line": len(self.lines), "lure": len(self._lures), "range": len(self.newcomers)}

    @property
    def refused(self) -> int:
        """Times that a subject was not counted, since there was no room."""
        return sum(int(table.meta[subjects.REFUSED]) for table in self._tables.values())

    def total(self, kind: Table, subject: str, count: str) -> int:
        """A count of a subject over its window; 0 where nothing is known."""
        sums = self._sums(kind, self._names.key(kind, subject), self.clock_ms)
        return 0 if sums is None else int(sums[_COLUMN[count]])

    # -- in --------------------------------------------------------------------------------------------

    def follow(self, given: Mapping[str, float]) -> None:
        """Go by other limits from now on: those that a policy gives (`Policy.counting`), which was checked."""
        limits = counting.limits(given)
        burst = np.array([limits[name] for name in merging.LIMITS])
        if not np.array_equal(burst, self._burst):  # callers counted in spans of another length tell nothing
            self._merged = self._merged._replace(bursts=np.zeros_like(self._merged.bursts))
        self._burst = burst
        self._least = counting.stands_out(limits)
        self.lines.follow(limits)
        self.newcomers.follow(limits)

    def restore(self, signal: Signal) -> None:
        """What was said last under a key, before anything is counted."""
        began = signal.at - int(signal.values.get("watched_h", 0.0) * _HOUR_MS)
        if signal.kind == "line":
            self._said[signal.key] = signal
            self.lines.restore(signal)
            return
        if signal.kind == "lure":
            self._lures.restore(signal)
            return
        if signal.kind == "range":
            self._begin(began)
            self.newcomers.restore(signal)
            return
        key = self._names.key(table_of(signal), signal.subject)
        if not key:
            return
        self._said[signal.key] = signal
        if signal.kind == "callee":
            self._begin(began)
            subjects.know(self._merged.callees, key, signal.at, signal.values.get("usual", 0.0))

    def _begin(self, began_ms: int) -> None:
        """It has been counted since then."""
        self._began = min(self._began, began_ms) if self._began else began_ms

    def begin(self, offset: int, at_ms: int, end: int) -> None:
        """What is taken from now on lies at this place of the log or after it, where brokers put it at `at_ms`; the log ends at `end`.

        Asked again where a part of the log is left out.
        """
        self.lines.skip(offset, at_ms, end, self._appended_ms)

    def take(self, offset: int, message: Counted, appended_ms: int | None = None, *, whole: bool = True) -> bool:
        """Count a message that lies at this place of the log, where brokers put it at `appended_ms`, if that is known.

        False for one that came before. Of sums that are too old for any window, not `whole`, calls to lines are counted. Raises
        `MessageError`, too for a time that is yet to come: nothing would be counted until then.
        """
        self._position = offset + 1
        at = message.number if isinstance(message, PartialSums) else message.at
        if appended_ms is not None and at > appended_ms + AHEAD_MS:
            raise MessageError("out_of_range", f"{at} lies {at - appended_ms} ms ahead of the brokers' clock")
        self._appended_ms = appended_ms or at
        if isinstance(message, BusyLine):
            self.lines.tell(message, again=whole)
            return True
        if isinstance(message, SwappedSim):
            self._swapped.append(swapped(message))
            return True
        if isinstance(message, Lure):
            self._lures.tell(message, self._position)
            return True
        if isinstance(message, Newcomer):
            self.newcomers.tell(message)
            return True
        if message.number <= self._seen.get(message.partition, -1):
            self.repeated += 1
            return False
        rows = unpacked(message)
        self._seen[message.partition] = message.number
        self.lines.called(offset, rows.places[:, 0], rows.counts[:, 0])
        self.newcomers.called(rows.places[:, 0], rows.counts[:, 0])
        if whole:
            self._count(message, rows)
        return True

    def _count(self, message: PartialSums, rows: Rows) -> None:
        """Count sums in their windows."""
        self._began = self._merged.clock[1] = self._began or message.number
        if not self.clock_ms:
            subjects.begin(self._merged.callees, message.number)
        trunks = np.array([0, *(self._names.trunk(name) for name in message.trunks)], np.int64)[rows.trunk]
        if len(self._touched) < 5 * len(trunks):
            self._touched = np.empty((10 * len(trunks), 2), np.int64)
        count = merging.merge(
            self._merged, self._burst, message.number, rows.places, trunks, rows.counts, self._touched
        )
        self._look_at(self._touched[:count])

    # -- out -------------------------------------------------------------------------------------------

    def changes(self) -> Iterator[Change]:
        """What is to be said by now, and was not."""
        now = self.clock_ms
        for kind, key in self._out:
            yield from self._say(kind, key, now)
        self._out = {}
        for line in self.lines.told(self._position):
            self._said[line.key] = line
            yield Change(line.key, line)
        yield from (Change(*change) for change in self._lures.changes(now))
        told = now, self._watched_h(now), self._position
        if now:
            yield from map(Change._make, self.newcomers.told(*told))
        if now - self._looked >= 1_000:
            self._looked = now
            yield from self._again(now)
            yield from map(Change._make, self.newcomers.again(*told))

    def _watched_h(self, now: int) -> float:
        return round(max(now - self._began, 0) / _HOUR_MS, 4)

    def subjects(self) -> list[Hot]:
        """What may be a case though no signal tells of it, since this was last asked."""
        told, self._swapped = self._swapped, []
        return told

    def _again(self, now: int) -> Iterator[Change]:
        for key, said in [*self._said.items()]:
            if said.kind == "line":
                if said.until < now:
                    del self._said[key]
                    self.lines.forget(said.subject)
                    yield Change(key, None)
            elif now - said.at >= AGAIN_MS:
                kind = table_of(said)
                subject = self._names.key(kind, said.subject)
                yield from self._say(kind, subject, now)
                if self._said[key] is said and not self._stands_out(kind, subject, now):
                    del self._said[key]
                    yield Change(key, None)

    def _say(self, kind: Table, key: int, now: int) -> Iterator[Change]:
        if not self._stands_out(kind, key, now):
            return
        signal = self._signal(kind, key, now)
        last = self._said.get(signal.key)
        if last is not None and now - last.at < AGAIN_MS:
            grown = any(value > _GROWN * last.values.get(name, 0.0) for name, value in signal.values.items())
            if now - last.at < _SOONER_MS or not grown:
                return
        self._said[signal.key] = signal
        yield Change(signal.key, signal)

    def _sums(self, kind: Table, key: int, now: int) -> Any:
        """int64[COLUMNS] over the window that ends now; None where nothing is known."""
        table = self._tables[kind]
        row = int(subjects.find(table, key)) if key else -1
        if row < 0:
            return None
        subjects.advance(table, row, now // int(table.step_ms[0]))
        return table.sums[row].sum(axis=0, dtype=np.int64)

    def _stands_out(self, kind: Table, key: int, now: int) -> bool:
        sums = self._sums(kind, key, now)
        return sums is not None and bool(self._stand_out(kind, sums[None])[0])

    def _stand_out(self, kind: Table, sums: Any) -> Any:
        """bool[n]: which of the subjects whose counts are int64[n, COLUMNS] stand out."""
        return np.logical_or.reduce([sums[:, _COLUMN[name]] >= least for name, least in self._least[kind]])

    def _signal(self, kind: Table, key: int, now: int) -> Signal:
        sums = self._sums(kind, key, now)
        window, names = _VALUES[kind]
        values = {f"{name}_{window}": float(sums[_COLUMN[name]]) for name in names}
        if kind == "callee":
            usual = subjects.usual_of(self._merged.callees, subjects.find(self._merged.callees, key), now)
            values |= {"usual": round(usual, 3), "watched_h": self._watched_h(now)}
        return Signal(
            kind="block" if kind == "route" else kind, subject=self._names.subject(kind, key), at=now, until=now + LASTS_MS,
            values=values, position=self._position,
        )  # fmt: skip

    def _look_at(self, touched: Any) -> None:
        """Note which of the rows that were counted in stand out."""
        for which, kind in enumerate(_TABLES):
            rows = np.unique(touched[touched[:, 0] == which, 1])
            if rows.size:
                table = self._tables[kind]
                out = self._stand_out(kind, table.sums[rows].sum(axis=1, dtype=np.int64))
                self._out |= dict.fromkeys((kind, key) for key in table.key[rows[out]].tolist())
