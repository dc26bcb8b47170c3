"""What a signal tells of its subject, and of the devices and the holder of a line, as figures of `streamer.signals.grounds`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from streamer.calls.cases import SubjectKind
from streamer.calls.signals import Signal
from streamer.signals.lines import DEVICES, Lines

_OF: Final[Mapping[str, Mapping[str, str]]] = {
    "callee": {
        "calls": "attempts_1m",
        "callers": "callers_1m",
        "suspect": "suspect_1m",
        "answered": "answered_1m",
    },
    "trunk": {"calls": "attempts_10m", "callers": "fresh_10m", "suspect": "suspect_10m"},
    "block": {"calls": "attempts_10m", "callers": "fresh_10m", "victims": "callers_10m", "suspect": "suspect_10m"},
}


class Figures(NamedTuple):
    """A subject and its figures, ids of some of its calls, and the operators that saw it."""

    kind: SubjectKind
    subject: str
    values: Mapping[str, float]
    calls: list[str]
    operators: list[str]


def figures(signal: Signal, lines: Lines) -> Iterator[Figures]:
    """Of what a signal is about, and for a line of its SIM, device, cell and holder, over all busy lines that share them."""
    if signal.kind == "line":
        yield from _of_line(signal, lines)
        return
    values = {name: signal.values[value] for name, value in _OF[signal.kind].items() if value in signal.values}
    operators = [signal.subject.partition("/")[0]] if signal.kind == "trunk" else []
    yield Figures(signal.kind, signal.subject, values, [], operators)


def _of_line(signal: Signal, lines: Lines) -> Iterator[Figures]:
    about = signal.about
    shared = lines.together([signal.subject])
    yield Figures("sim", about.get("imsi", signal.subject), shared.values, shared.calls, shared.operators)
    for name in DEVICES:
        value = about.get(name)
        if value:
            shared = lines.together(lines.on(name, value))
            yield Figures(name, value, shared.values, shared.calls, shared.operators)
