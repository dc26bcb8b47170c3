"""From when on things that no partition sees whole count and are told of: limits of the policy, their defaults and bounds.

Scorers judge by the policy in force at a record, as detectors do, so that a replay counts the same; whoever merges their counts
by the one in force when they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from streamer.errors import MessageError, near
from streamer.windows import tallies


class Limit(NamedTuple):
    """A limit: its value where the policy says nothing, the least and the most that it may be, and what it means."""

    default: float
    least: float
    most: float
    meaning: str


_MOST: Final = 1_000_000.0
_SUBJECTS: Final = {
    "callee": "called number",
    "trunk": "trunk",
    "block": "block of numbers",
    "prefix": "prefix of numbers",
}

STANDS_OUT: Final = {
    "callee": (("callers", 20), ("suspect", 5), ("attempts", 40)),
    "trunk": (("victims", 1), ("neighbours", 20), ("suspect", 100), ("rang", 20)),
    "block": (("fresh", 10), ("burst", 3)),
    "prefix": (("rang", 8),),
}
"""What is told of in signals, unless the policy says otherwise: a subject of which any of these counts, over its window, has come so far."""

LIMITS: Final[dict[str, Limit]] = {
    "busy_calls": Limit(20, 1, _MOST, "an own line is told of from so many calls in 24 h on"),
    "busy_every": Limit(5, 1, _MOST, "it is told of again after so many more calls"),
    "busy_distinct_share": Limit(0.7, 0, 1, "part of its calls that its different called numbers have to be"),
    "neighbour_digits": Limit(6, 1, 15, "leading national digits that a calling number shares with the called one to be like a neighbour's"),
    "burst_callers": Limit(5, 2, _MOST, "so many different callers on one called number, most over one trunk, are a burst"),
    "burst_s": Limit(5, 1, 60, "seconds within which they come, or twice that at most"),
    "burst_lasts_s": Limit(10, 1, 600, "seconds for which a called number is in a burst after one came"),
    "burst_times_usual": Limit(5, 0, _MOST, "fewer callers than so many times the usual ones of the called number are no burst"),
    "crowd_own_lines": Limit(10, 1, _MOST, "calls on a number that so many own lines call within a minute are no burst, but a quiz"),
    "crowd_share": Limit(0.2, 0, 1, "if these lines are such a part of its callers, as they are among people"),
    "crowd_talks": Limit(3, 1, _MOST, "nor are calls on a number at which so many of a minute were answered and not ended at once"),
    "crowd_talks_share": Limit(0.25, 0, 1, "if these are such a part of its calls: one person talks to one caller"),
    "bursts_count_s": Limit(60, 1, 600, "seconds for which bursts on a number count, from the first on of those less than ten minutes apart"),
    "burst_watched_h": Limit(0.25, 0, 24, "hours of counting before which nothing is a burst, since nothing is known to be usual"),
    "block_called": Limit(2, 1, _MOST, "the bursts of a block over a trunk are told of from so many called numbers on"),
    "device_lines_most": Limit(64, 2, _MOST, "an IMEI that more busy lines share stands for something else, as a row of zeros does"),
    "cell_lines_most": Limit(5_000, 2, _MOST, "so does a cell that more share, as one of a whole region"),
    "holder_lines_most": Limit(5_000, 2, _MOST, "so does a holder, as one of all who pay beforehand"),
    "watched_h": Limit(1, 0, 24, "hours for which a busy line is watched before it is known how much it is called"),
    "lure_every": Limit(5, 1, _MOST, "a number that is found to lure is told of at each of its calls in 10 min that is a multiple of this"),
    "new_line_calls": Limit(4, 1, _MOST, "a line that is new is told of from so many calls in the hour on"),
    "new_line_s": Limit(3_600, 60, 3_600, "seconds after its first call for which it is new; its calls of an hour are told"),
    "range_line_calls": Limit(6, 1, _MOST, "calls of a new line from which on it counts among the `lines` of its range"),
    "range_distinct_share": Limit(0.7, 0, 1, "part of its calls that its different called numbers have to be, or it does not count at all"),
    "range_lines": Limit(4, 1, _MOST, "a range of ten thousand numbers is told of from so many `lines` on"),
    "given_up_calls": Limit(10, 2, _MOST, "calls of a new line from which on it is given up when it falls silent; who tries a telephone makes fewer"),
    "given_up_min": Limit(45, 1, 60, "minutes: one that works for longer is not given up; less than `new_line_s`, when no more is told of it"),
    "silent_s": Limit(120, 1, 3_600, "seconds without a call after which a line is silent"),
    "silent_gaps": Limit(4, 0, _MOST, "or so many times the mean time between its calls, whichever is longer"),
    **{
        f"{kind}_{count}": Limit(least, 1, _MOST, f"a {_SUBJECTS[kind]} is told of from so many `{count}` on")
        for kind, counts in STANDS_OUT.items()
        for count, least in counts
    },
}  # fmt: skip
"""Every limit by the name that it has in a policy."""


def check(given: Mapping[str, float]) -> None:
    """Raises `MessageError` for a limit that there is not, with the nearest one that there is, and for a value out of bounds.

    >>> check({"busy_cals": 20})
    Traceback (most recent call last):
    streamer.errors.MessageError: no limit of counting is called 'busy_cals'; did you mean 'busy_calls'?
    """
    for name, value in given.items():
        limit = LIMITS.get(name)
        if limit is None:
            raise MessageError("unknown_value", f"no limit of counting is called {name!r}{near(name, LIMITS)}")
        if not limit.least <= value <= limit.most:
            raise MessageError("out_of_range", f"counting.{name} is {value:g}, not {limit.least:g} to {limit.most:g}")


def limits(given: Mapping[str, float]) -> dict[str, float]:
    """Every limit in force by its name, where a policy gives these."""
    return {name: limit.default for name, limit in LIMITS.items()} | dict(given)


def stands_out(limits: Mapping[str, float]) -> dict[str, list[tuple[str, float]]]:
    """By kind of subject, the counts of which any has to come so far for one to be told of; a route by the called numbers that
    its bursts came to.
    """
    found = {kind: [(count, limits[f"{kind}_{count}"]) for count, _ in counts] for kind, counts in STANDS_OUT.items()}
    return found | {"route": [("victims", limits["block_called"])]}


def of_scorers(given: Mapping[str, float]) -> Any:
    """Those that scorers judge by, float64 in the order of `streamer.windows.tallies.LIMITS`."""
    held = limits(given)
    return np.array([held[name] for name in tallies.LIMITS])
