"""Rows of features judged again, under other thresholds than those in force: detectors hold no state, so that rows are enough."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamer.compiled import loop
from streamer.detectors import judge_all


@loop
def judge_again(rows: Any, limits: Any, found: Any, causes: Any) -> None:
    """The cause that each detector finds in each row under each set of thresholds, 0 for none.

    `rows` float64[n, features], `limits` float64[sets, detectors, MAX_THRESHOLDS]; to write to: `found` float64[detectors, 4],
    `causes` uint8[n, sets, detectors].
    """
    for row in range(rows.shape[0]):
        for limit in range(limits.shape[0]):
            judge_all(rows[row], limits[limit], found, 0)
            for detector in range(found.shape[0]):
                causes[row, limit, detector] = np.uint8(found[detector, 0])
