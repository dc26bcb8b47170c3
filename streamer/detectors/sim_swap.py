"""A line whose SIM was changed lately calls a bank: the new holder of the SIM may not be the owner of the line.

Sources: the domain page's row of the same name; the look-back of the GSMA Open Gateway (CAMARA) SIM Swap API, 1 to 2,400
hours, 240 by default. Honest people change their SIMs and call their banks too, so that it labels
and never blocks: the bank decides, which sees the call come with the label on its own switch or in the evidence, and is named
in a case with the measure `alert_bank`. The bank's numbers are those of the list `protected` on the called side.
Fails where the operator publishes no `sim` facts, and on swindlers who wait.
"""

from __future__ import annotations

from typing import Any

from streamer.compiled import loop
from streamer.detectors.base import NONE, Cause, Detector
from streamer.features import INDEX

_AGE_H = INDEX["sim_age"]
_PROTECTED = INDEX["callee_protected"]


@loop
def judge(x: Any, p: Any) -> tuple[int, float, float, int]:
    """See the module; p in the order of `DETECTOR.thresholds`."""
    if x[_PROTECTED] == 1.0 and x[_AGE_H] <= p[0]:
        return 1, x[_AGE_H], p[0], int(3600 * p[0])
    return NONE


DETECTOR = Detector(
    id="sim_swap",
    kind="behaviour",
    causes=(Cause("new_sim_calls_bank", "label", "hours since the SIM of the line that calls a bank was changed"),),
    thresholds={"look_back_h": 240},
    judge=judge,
    cache_s=0,
    doc=__doc__,
)
