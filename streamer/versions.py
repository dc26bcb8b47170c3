"""What a release says of itself: its own version, the messages it speaks, the state it exports.

The three are numbered apart (docs/upgrades.md). Workers tell them in their log, as the metric `streamer_build_info` and by
``streamer --version``, so that a rolling replacement can be watched.
"""

from __future__ import annotations

from typing import Final

from streamer import __version__

VOCABULARY: Final = "1.3"
"""Of the messages: the major number is that of the topics' names (`.v1`); the minor one rises with each field, value, detector, cause, threshold,
limit, feature or header that is added (`tests/samples/words.json` holds all of them beside it)."""
STATE_LAYOUT: Final = 9
"""Of a partition's exported state."""
LAYOUTS_READ: Final = (8, STATE_LAYOUT)
"""Layouts of state that are taken in; any other is refused."""


def told() -> dict[str, str]:
    """All of it by name, as labels of the metric have it.

    >>> sorted(told())
    ['state_layout', 'version', 'vocabulary']
    """
    return {"version": __version__, "vocabulary": VOCABULARY, "state_layout": str(STATE_LAYOUT)}


def line() -> str:
    """All of it in one line, for people."""
    return f"streamer {__version__}, messages {VOCABULARY}, state layout {STATE_LAYOUT}"
