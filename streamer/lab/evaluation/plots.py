"""Pictures of figures as SVG: text alone, the same for the same figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import floor, log10
from typing import Final, NamedTuple

BLUE: Final = "#0072b2"
RED: Final = "#d55e00"
GREEN: Final = "#009e73"
GREY: Final = "#999999"
"""Colours that people who see no red or no green can tell apart (Okabe and Ito, 2008)."""
_MORE: Final = (BLUE, RED, GREEN, "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31")
_WIDE: Final = 860
_SIGN: Final = 6.6
"""Width of a letter in pixels, about."""


class Bar(NamedTuple):
    """One row of `bars`: what it is, its value (None: there is none), a mark to be compared with, words behind the bar."""

    label: str
    value: float | None
    mark: float | None
    said: str
    good: bool = True


class Series(NamedTuple):
    """One line of `lines`."""

    label: str
    points: Sequence[tuple[float, float]]


class Panel(NamedTuple):
    """One of `panels`: a title, what the places along the bottom are called, and up to two lines over them, each with its own scale
    from 0 to `most`; `here` is the place that is in force.
    """

    title: str
    places: Sequence[str]
    here: int
    left: Sequence[float | None]
    right: Sequence[float | None]
    most_left: float
    most_right: float


def bars(rows: Sequence[Bar], most: float, unit: str) -> str:
    """One bar a row from 0 to `most` or a rounder number above it, with its mark as a line across."""
    most = _round_above(most)
    left = 30 + _SIGN * max((len(row.label) for row in rows), default=1)
    right = 20 + _SIGN * max((len(row.said) for row in rows), default=1)
    width, tall = max(120.0, _WIDE - left - right), 24
    drawn = []
    for number, row in enumerate(rows):
        top = 8 + tall * number
        drawn.append(_text(left - 8, top + 13, row.label, anchor="end"))
        if row.value is not None:
            length = width * min(1.0, row.value / most)
            drawn.append(_box(left, top + 3, length, tall - 10, GREEN if row.good else RED))
        drawn.append(_text(left + width + 8, top + 13, row.said, fill="#333"))
        if row.mark is not None:
            at = left + width * min(1.0, row.mark / most)
            drawn.append(_line(at, top, at, top + tall - 4, "#000", 2))
    bottom = 8 + tall * len(rows)
    drawn.append(_line(left, bottom, left + width, bottom, GREY))
    for part in range(5):
        at = left + width * part / 4
        drawn += [
            _line(at, bottom, at, bottom + 4, GREY),
            _text(at, bottom + 17, _short(most * part / 4), anchor="middle"),
        ]
    drawn.append(_text(left + width / 2, bottom + 34, unit, anchor="middle", fill="#333"))
    return _picture(_WIDE, bottom + 44, drawn)


def lines(series: Sequence[Series], across: str, up: str, *, decades: bool = False) -> str:
    """Lines over one another, up from 0 to 1; `decades` spaces the values across by their logarithms."""
    left, top, width, height = 60.0, 12.0, _WIDE - 270.0, 300.0
    values = [x for one in series for x, _ in one.points]
    first, last = min(values, default=1.0), max(values, default=2.0)
    low, span = (log10(first), log10(last) - log10(first)) if decades else (0.0, last)

    def at(x: float) -> float:
        return left + width * ((log10(x) if decades else x) - low) / (span or 1.0)

    drawn = []
    for part in range(5):
        y = top + height * (1 - part / 4)
        drawn += [_line(left, y, left + width, y, "#ddd"), _text(left - 6, y + 4, _short(part / 4), anchor="end")]
    for x in _decades(first, last) if decades else (last * part / 4 for part in range(5)):
        drawn += [
            _line(at(x), top, at(x), top + height, "#ddd"),
            _text(at(x), top + height + 16, _short(x), anchor="middle"),
        ]
    for number, one in enumerate(series):
        colour = _MORE[number % len(_MORE)]
        dashes = "" if number < len(_MORE) else ' stroke-dasharray="5 3"'
        drawn.append(_polyline([(at(x), top + height * (1 - y)) for x, y in one.points], colour, dashes))
        row = top + 6 + 17 * number
        drawn += [
            _line(left + width + 14, row, left + width + 34, row, colour, 2, dashes),
            _text(left + width + 40, row + 4, one.label),
        ]
    drawn.append(_text(left + width / 2, top + height + 34, across, anchor="middle", fill="#333"))
    drawn.append(_upright(14, top + height / 2, up))
    return _picture(_WIDE, max(top + height + 44, top + 17 * len(series) + 10), drawn)


def panels(found: Sequence[Panel], left_said: str, right_said: str) -> str:
    """Small pictures, three a row, with what both lines are said once at the top."""
    across, wide, tall, head = 3, _WIDE / 3, 190.0, 30.0
    drawn = [
        _line(10, 14, 34, 14, BLUE, 2), _text(40, 18, left_said),
        _line(_WIDE / 2, 14, _WIDE / 2 + 24, 14, RED, 2), _text(_WIDE / 2 + 30, 18, right_said),
    ]  # fmt: skip
    for number, panel in enumerate(found):
        row, column = divmod(number, across)
        drawn += _panel(panel, column * wide + 44, head + row * tall + 27, wide - 92, tall - 75)
    rows = -(-len(found) // across)
    return _picture(_WIDE, head + rows * tall, drawn)


def _panel(panel: Panel, left: float, top: float, width: float, height: float) -> Iterable[str]:
    step = width / max(1, len(panel.places) - 1)
    yield _text(left, top - 13, panel.title, weight="bold")
    yield _line(left, top + height, left + width, top + height, GREY)
    here = left + step * panel.here
    yield _line(here, top, here, top + height, "#bbb", 1, ' stroke-dasharray="3 3"')
    for y, share in ((top + height, 0.0), (top, 1.0)):
        yield _text(left - 6, y + 4, _short(panel.most_left * share), anchor="end", fill=BLUE)
        yield _text(left + width + 6, y + 4, _short(panel.most_right * share), fill=RED)
    for place, said in enumerate(panel.places):
        if place in {0, panel.here, len(panel.places) - 1}:
            yield _text(left + step * place, top + height + 15, said, anchor="middle")
    scales = ((panel.right, panel.most_right, RED), (panel.left, panel.most_left, BLUE))
    for values, most, colour in scales:
        points = [
            (left + step * place, top + height * (1 - min(1.0, value / (most or 1.0))))
            for place, value in enumerate(values)
            if value is not None
        ]
        yield _polyline(points, colour, "")
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{colour}"/>' for x, y in points)


def _decades(first: float, last: float) -> list[float]:
    found = [base * 10.0**power for power in range(-9, 10) for base in (1, 2, 5)]
    inside = [value for value in found if first * 0.999 <= value <= last * 1.001]
    whole = [value for value in inside if abs(log10(value) - round(log10(value))) < 1e-9]
    return whole if len(whole) > 3 else inside


def _round_above(value: float) -> float:
    """The least of 1, 2, 4 and 8 times a power of ten that is not below it: quarters of it are read easily.

    >>> _round_above(96.4), _round_above(1.0), _round_above(0.3)
    (100.0, 1.0, 0.4)
    """
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value * (1 - 1e-9))


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _text(x: float, y: float, said: str, *, anchor: str = "start", fill: str = "#000", weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-weight="{weight}">{escape(said)}</text>'


def _upright(x: float, y: float, said: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="#333" transform="rotate(-90 {x:.1f} {y:.1f})">{escape(said)}</text>'


def _box(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>'


def _line(x: float, y: float, to_x: float, to_y: float, stroke: str, width: float = 1, more: str = "") -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{stroke}" stroke-width="{width}"{more}/>'


def _polyline(points: Iterable[tuple[float, float]], stroke: str, more: str) -> str:
    said = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{said}" fill="none" stroke="{stroke}" stroke-width="2"{more}/>'


def _picture(width: float, height: float, drawn: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
        ' font-family="sans-serif" font-size="12">'
    )
    return "\n".join((head, '<rect width="100%" height="100%" fill="white"/>', *drawn, "</svg>\n"))
