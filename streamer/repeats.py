"""A call that comes again under its id and numbers is answered as it was, and counts no second time."""

from __future__ import annotations

from typing import Any

from streamer import columns
from streamer.columns import Verdicts
from streamer.compiled import loop
from streamer.reasons import THROTTLED
from streamer.windows import calls as recent


@loop
def repeat(calls: Any, cell: int, row: int, out: Verdicts) -> None:
    """Say again what was said of a call."""
    entry = calls.rows[cell]
    verdict = out.columns[row]
    verdict[columns.ACTION] = entry[recent.SAID] & 0xFF
    verdict[columns.SHADOW] = (entry[recent.SAID] >> 8) & 0xFF
    verdict[columns.CACHE_S] = entry[recent.SAID] >> 16
    verdict[columns.VERSIONS] = entry[recent.VERSIONS]
    verdict[columns.FLAGS] |= columns.REPEATED
    verdict[columns.SAID_AT] = entry[recent.SETUP_MS]
    out.reasons[row] = entry[recent.REASONS]
    out.millionths[row] = entry[recent.SCORE]
    if entry[recent.REASONS] & THROTTLED:
        verdict[columns.FLAGS] |= columns.THROTTLED
