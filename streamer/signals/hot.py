"""Signals as the subjects of cases: what a signal says of a called number, a trunk, a block, a range, or a line and its devices.

Figures are named without their windows: ``calls``, ``callers``, ``own`` (callers that are own lines), ``fresh``, ``neighbours``, ``suspect`` (something was found of them), ``blocked``, ``answered``,
``brief``, ``burst`` (`streamer.windows.tallies`, `streamer.signals.subjects`), ``bursts`` (called numbers that a burst came
to), ``usual``, ``watched_h``, ``short_number`` (1 of a called number that is one, else 0); of own lines ``calls``, ``victims`` (distinct called numbers) and ``answered`` of 24 h,
``sims`` (busy lines that share the device), ``incoming`` (calls to them in 24 h, at the pace of the time that they were
watched; not given before that was long enough). A range of new lines is a campaign: ``lines``, ``replaced``, ``calls``, ``answered``,
``short`` (answered calls of less than six seconds) and ``long`` ones, ``talk`` (s), ``incoming`` of an hour, and ``over_trunk`` (1 of
lines that come in over a trunk, 0 of own ones).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from streamer.calls.cases import SubjectKind
from streamer.calls.signals import Signal, SwappedSim
from streamer.signals.lines import Lines
from streamer.signals.names import table_of
from streamer.signals.together import DAY_MS, MICRO, Together, Watched, together

WINDOW_MS: Final = {"callee": 60_000, "trunk": 600_000, "block": 600_000, "campaign": 3_600_000}
"""What signals count over."""
MOST_LINES: Final = 64
"""Lines named of those that share something."""
_DEVICES: Final[tuple[SubjectKind, ...]] = ("imei", "cell", "holder")
_NAMES: Final = {"attempts": "calls", "victims": "bursts"}


class Hot(NamedTuple):
    """A subject that stands out: what a case may be made of.

    `values` are figures by their names; ``first_at`` among them is from when on calls were counted, ms. `calls` are ids of
    some of its calls, `operators` those who saw it, `called` the protected numbers that it called, `lines` some of the lines that
    share it.
    """

    kind: SubjectKind
    subject: str
    at_ms: int
    values: dict[str, float]
    calls: Sequence[str] = ()
    operators: Sequence[str] = ()
    called: Sequence[str] = ()
    lines: Sequence[str] = ()


def hot(signal: Signal, lines: Lines) -> Iterator[Hot]:
    """The subjects that a signal speaks of, none for a route, prefix or lure; `lines` are the busy lines of now."""
    if signal.kind == "prefix" or signal.kind == "lure" or table_of(signal) == "route":
        return
    if signal.kind == "range":
        yield _campaign(signal)
        return
    if signal.kind != "line":
        operators = [signal.subject.partition("/")[0]] if signal.kind == "trunk" else []
        figures = _figures(signal) | {"first_at": float(signal.at - WINDOW_MS[signal.kind])}
        if signal.kind == "callee":
            figures["short_number"] = 0.0 if signal.subject.startswith("+") else 1.0
        yield Hot(signal.kind, signal.subject, signal.at, figures, (), operators)
        return
    about = signal.about
    calls = [about["call_id"]] if "call_id" in about else []
    operators = [about["operator"]] if "operator" in about else []
    since, enough_ms = {"first_at": float(signal.at - DAY_MS)}, lines.long_enough_ms
    alone = of_lines(lines.alone(signal.subject), enough_ms)
    yield Hot("sim", signal.subject, signal.at, alone | since, calls, operators)
    for kind in _DEVICES:
        shared = lines.together(kind, about[kind]) if kind in about else None
        if shared is not None:
            named = lines.named(kind, about[kind], MOST_LINES)
            yield Hot(kind, about[kind], signal.at, _figures_of(shared) | since, calls, operators, (), named)


def swapped(told: SwappedSim) -> Hot:
    """A line that calls a protected number with a new SIM; ``age_h`` is how long it has that."""
    figures = {"calls": 1.0, "age_h": told.age_h}
    return Hot("sim", told.line, told.at, figures, [told.call_id], [told.operator], [told.callee])


def _campaign(signal: Signal) -> Hot:
    """The new lines of a range, which is all that is known of whoever gives up his numbers."""
    operator, over, _ = signal.subject.partition("/")
    figures = _figures(signal) | {"first_at": float(signal.at - WINDOW_MS["campaign"]), "over_trunk": float(bool(over))}
    figures["long"] = figures.get("answered", 0.0) - figures.get("short", 0.0)
    return Hot("campaign", signal.subject, signal.at, figures, (), [operator] if over else [])


def _figures(signal: Signal) -> dict[str, float]:
    bare = {
        name.removesuffix("_1m").removesuffix("_10m").removesuffix("_1h"): value
        for name, value in signal.values.items()
    }
    return {_NAMES.get(name, name): value for name, value in bare.items()}


def of_lines(lines: Sequence[Watched], long_enough_ms: int) -> dict[str, float]:
    """Figures of busy lines, all together; calls to those that were watched for long enough stand for all.

    >>> of_lines([Watched(30, 29, 12, 2, 7_200_000), Watched(20, 20, 8, 0, 60_000)], 3_600_000)
    {'sims': 2.0, 'calls': 50.0, 'victims': 49.0, 'answered': 20.0, 'incoming': 40.0}
    """
    return _figures_of(together(lines, long_enough_ms))


def _figures_of(lines: Together) -> dict[str, float]:
    found = {
        "sims": float(lines.lines),
        "calls": float(lines.attempts),
        "victims": float(lines.distinct),
        "answered": float(lines.answered),
    }
    if lines.watched:
        found["incoming"] = lines.pace * lines.attempts / (lines.watched * MICRO)
    return found
