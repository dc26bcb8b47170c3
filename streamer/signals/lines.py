"""Own lines that call many numbers: what their set-ups said last, the devices they share, and who calls them back.

Figures of the lines that share a device, a cell or a holder are kept running, so that a line costs the same however many
share what it shares: a value that stands for something else, as a row of zeros does, may be that of every line there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from msgspec import Struct, field

from streamer import counting
from streamer.calls.signals import BusyLine, Signal
from streamer.signals.together import DAY_MS, Together, Watched, weight_of

MOST: Final = 500_000
"""Lines held at a time; those beyond are not told of until others are silent for a day."""
_HOUR_MS: Final = 3_600_000
_SHARED_MOST: Final = {
    "imei": "device_lines_most", "cell": "cell_lines_most", "holder": "holder_lines_most",
}  # fmt: skip
"""What lines may share, and the limit from which on it stands for something else."""
_DEVICE: Final = tuple(_SHARED_MOST)
_ABOUT: Final = ("operator", "imsi", "imei", "cell", "holder", "call_id")


class _Device(Struct):
    """Lines that share something, those that were told of last at the end."""

    lines: dict[str, None] = {}
    figures: Together = field(default_factory=Together)


class _Line(Struct):
    """A line: what was told of it last, since when calls to it are counted and up to which place of the log, and how many came;
    what each stands for in 24 h (`weight_of`), and what it shares with others, in whose figures it is.
    """

    told: BusyLine
    since_ms: int
    counted_to: int
    incoming: int = 0
    weight: int = 0
    shared: list[_Device] = []


class Lines:
    """The busy lines of the last 24 hours, by number."""

    def __init__(self) -> None:
        self._held: dict[str, _Line] = {}
        self._by_digits: dict[int, _Line] = {}
        self._by_device: dict[str, dict[str, _Device]] = {name: {} for name in _DEVICE}
        self._new: dict[str, None] = {}
        self.long_enough_ms = 0
        self.follow(counting.limits({}))

    def __len__(self) -> int:
        return len(self._held)

    def follow(self, limits: Mapping[str, float]) -> None:
        """Go by these limits from now on, by their names (`streamer.counting`)."""
        self._shared_most = {name: limits[limit] for name, limit in _SHARED_MOST.items()}
        before, self.long_enough_ms = self.long_enough_ms, int(limits["watched_h"] * _HOUR_MS)
        """A line has to be watched for so long before it is known how much it is called."""
        if self.long_enough_ms != before:
            for held in self._held.values():
                self._take_away(held)
                self._add(held)

    def tell(self, line: BusyLine, *, again: bool = True) -> None:
        """A busy line calls; what is older than what is known changes nothing, nor does the same where that is not told `again`."""
        held = self._held.get(line.line)
        if held is None:
            if len(self._held) >= MOST:
                return
            held = self._held[line.line] = self._by_digits[_digits(line.line)] = _Line(line, line.at, 0)
        elif line.at < held.told.at or (line.at == held.told.at and not again):
            return
        else:
            self._leave(held)
        if line.at - held.since_ms >= DAY_MS:  # older calls count for less: the pace stays as it is
            held.incoming //= 2
            held.since_ms += (line.at - held.since_ms) // 2
        held.told = line
        self._join(held)
        self._new[line.line] = None

    def called(self, offset: int, callees: Any, attempts: Any) -> None:
        """Set-ups to these numbers, int64[n], so many each: those to busy lines are counted."""
        if not self._held:
            return
        known = self._by_digits.get
        for number, count in zip(callees.tolist(), attempts.tolist(), strict=True):
            held = known(number)
            if held is not None and offset >= held.counted_to:
                held.incoming += count
                for device in held.shared:
                    device.figures.pace += held.weight * count

    def skip(self, place: int, at_ms: int, end: int, since_ms: int = 0) -> None:
        """Counts are read from `place` on, where the log was at `at_ms`; those between what was counted of a line and that place are not.

        For so long a line was not watched: from what was told of it last on, or from `since_ms` where that is later. A line that was
        counted beyond `end`, the end of the log, is one of another log.
        """
        for held in self._held.values():
            if held.counted_to < place or held.counted_to > end:
                self._take_away(held)
                held.since_ms += max(0, at_ms - max(held.told.at, since_ms))
                held.counted_to = place
                self._add(held)

    def restore(self, signal: Signal) -> None:
        """A line as it was said last."""
        values, about = signal.values, signal.about
        told = BusyLine(
            at=signal.at, operator=about.get("operator", ""), line=signal.subject, call_id=about.get("call_id", "-"),
            attempts=int(values.get("attempts_24h", 0)), distinct=int(values.get("distinct_24h", 0)),
            answered=int(values.get("answered_24h", 0)),
            **{name: about.get(name) for name in ("imsi", *_DEVICE)},
        )  # fmt: skip
        self.tell(told)
        held = self._held.get(told.line)
        if held is None:
            return  # there are as many as can be held
        self._new.pop(told.line, None)
        self._take_away(held)
        held.since_ms = signal.at - int(values.get("watched_h", 0.0) * _HOUR_MS)
        held.counted_to, held.incoming = signal.position, int(values.get("incoming", 0))
        self._add(held)

    def told(self, position: int) -> Iterator[Signal]:
        """What is to be said of lines that called since this was last asked."""
        for number in self._new:
            held = self._held[number]
            line = held.told
            yield Signal(
                kind="line",
                subject=number,
                at=line.at,
                until=line.at + DAY_MS,
                values={
                    "attempts_24h": float(line.attempts),
                    "distinct_24h": float(line.distinct),
                    "answered_24h": float(line.answered),
                    "incoming": float(held.incoming),
                    "watched_h": max(line.at - held.since_ms, 0) / _HOUR_MS,
                    **self._pace(held),
                    **{f"{name}_lines": float(self.sharing(name, getattr(line, name))) for name in _DEVICE},
                },
                about={name: value for name in _ABOUT if (value := getattr(line, name))},
                position=position,
            )
        self._new = {}

    def sharing(self, device: str, value: str | None) -> int:
        """How many busy lines share an IMEI, a cell or a holder; 0 where so many do that it stands for something else."""
        shared = self._shared(device, value)
        return 0 if shared is None else len(shared.lines)

    def sharers(self, device: str, value: str) -> list[str]:
        """The busy lines that share an IMEI, a cell or a holder; none of anything else."""
        held = self._by_device.get(device, {}).get(value)
        return [] if held is None else sorted(held.lines)

    def alone(self, number: str) -> list[Watched]:
        """What is known of a line; nothing of one that is not busy."""
        held = self._held.get(number)
        return [] if held is None else [_watched(held)]

    def together(self, device: str, value: str) -> Together | None:
        """What is known of the busy lines that share an IMEI, a cell or a holder; None where there are none, or so many that it
        stands for something else.
        """
        shared = self._shared(device, value)
        return None if shared is None else shared.figures

    def named(self, device: str, value: str, most: int) -> list[str]:
        """So many at most of the busy lines that share an IMEI, a cell or a holder, those first that were told of last."""
        held = self._by_device[device].get(value)
        lines = reversed(held.lines) if held is not None else ()
        return [line for line in islice(lines, most) if _digits(line) > 0]

    def forget(self, number: str) -> None:
        """A line has been silent for a day."""
        held = self._held.pop(number, None)
        if held is not None:
            self._by_digits.pop(_digits(number), None)
            self._leave(held)
            self._new.pop(number, None)

    def _pace(self, held: _Line) -> dict[str, float]:
        """Calls to a line in 24 h at the pace of the time that it was watched; nothing before that was long enough."""
        watched_ms = held.told.at - held.since_ms
        known = watched_ms >= max(self.long_enough_ms, 1)
        return {"incoming_24h": held.incoming * DAY_MS / watched_ms} if known else {}

    def _shared(self, device: str, value: str | None) -> _Device | None:
        held = self._by_device[device].get(value) if value else None
        return None if held is None or len(held.lines) > self._shared_most[device] else held

    def _devices(self, line: BusyLine) -> Iterator[tuple[dict[str, _Device], str]]:
        for name in _DEVICE:
            value = getattr(line, name)
            if value:
                yield self._by_device[name], value

    def _join(self, held: _Line) -> None:
        held.shared = [devices.setdefault(value, _Device()) for devices, value in self._devices(held.told)]
        for device in held.shared:
            device.lines[held.told.line] = None
        self._add(held)

    def _leave(self, held: _Line) -> None:
        self._take_away(held)
        for devices, value in self._devices(held.told):
            lines = devices[value].lines
            del lines[held.told.line]
            if not lines:
                del devices[value]
        held.shared = []

    def _add(self, held: _Line) -> None:
        watched = _watched(held)
        held.weight = weight_of(watched.watched_ms, self.long_enough_ms)
        for device in held.shared:
            device.figures.add(watched, held.weight)

    def _take_away(self, held: _Line) -> None:
        """What was added, before anything of it changes."""
        watched = _watched(held)
        for device in held.shared:
            device.figures.add(watched, held.weight, -1)


def _digits(line: str) -> int:
    """A line as called numbers are counted by; -1 for one that none is.

    >>> _digits("+77011234567"), _digits("+0"), _digits("x")
    (77011234567, -1, -1)
    """
    digits = line[1:]
    plain = digits.isascii() and digits.isdigit() and len(digits) <= 15 and digits[0] != "0"
    return int(digits) if plain and line[0] == "+" else -1


def _watched(held: _Line) -> Watched:
    told = held.told
    return Watched(told.attempts, told.distinct, told.answered, held.incoming, max(told.at - held.since_ms, 0))
