"""Partial sums of what no partition sees whole, as messages for whoever merges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from streamer.calls import signals
from streamer.calls.codec import encode
from streamer.windows import tallies
from streamer.windows.tallies import Tallies


def messages(held: Tallies, names: Mapping[int, tuple[str, str]]) -> list[tuple[str, bytes]]:
    """The sums that are complete, as (key, value) for `counts.v1`; `names` of registered trunks by row. They are forgotten."""
    return [
        (str(partition), encode(_message(partition, sums, names)))
        for partition in tallies.complete(held)
        for sums in tallies.take(held, partition)
    ]


def _message(partition: int, sums: tallies.Sums, names: Mapping[int, tuple[str, str]]) -> signals.PartialSums:
    used, places = np.unique(sums.trunk, return_inverse=True)
    named = [(row, names[row]) for row in used.tolist() if row in names]
    numbers = {row: number for number, (row, _) in enumerate(named, 1)}
    trunk: Any = np.array([numbers.get(row, 0) for row in used.tolist()], np.int64)[places]
    rows = signals.Rows(np.column_stack([sums.callee, sums.block]), trunk, sums.counts)
    return signals.packed(partition, sums.number, [name for _, name in named], rows)
