"""How many different numbers a caller called, in every window at once, from one small sketch.

Linear counting (Whang, Vander-Zanden, Taylor: A linear-time probabilistic counting algorithm, 1990) over m registers;
instead of a bit, a register keeps *when* it was last hit, in units of 10 s, so that one sketch answers for all four
windows: a register counts in a window when its last hit lies in it. A register is uint16: 0 never hit, else
1 + (10-second unit mod 65,535); hits older than the longest window are wiped before they could come round again.

Standard error of linear counting with n distinct values: sqrt(m (e^t - t - 1)) / n, t = n/m. `NARROW` = 32 registers:
14 % at 20, 17 % at 40. A caller who fills `PROMOTE` of them in the longest window gets a `WIDE` sketch of 256: 5 % at
250, 11 % at 1,000, none above 1,420. The wide one starts empty, and the larger of the two estimates is taken: until
the lines called before the promotion have left the window, the estimate can be short by about 45 of them.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from streamer.compiled import inlined, loop
from streamer.windows.sliding import RINGS, SPAN_MS, STEPS, step_ms

NARROW: Final = 32
WIDE: Final = 256
PROMOTE: Final = 24
UNIT_MS: Final = 10_000
_CYCLE: Final = 65_535
_SPAN: Final = SPAN_MS // UNIT_MS


@inlined
def age_of(register: int, unit: int) -> int:
    """Units between a register's hit and `unit` (the present); the register is not empty."""
    return (unit - (np.int64(register) - 1)) % _CYCLE


@inlined
def mark_of(unit: int) -> int:
    """What a register holds that was hit in `unit`."""
    return 1 + unit % _CYCLE


@loop
def hit(registers: Any, which: int, at_ms: int, now_ms: int) -> None:
    """Note a call at `at_ms` in one register of a sketch, unless a later one is there or it is too old to count."""
    now = now_ms // UNIT_MS
    age = now - at_ms // UNIT_MS
    if age >= _SPAN:
        return
    held = registers[which]
    if held == 0 or age_of(held, now) > age:
        registers[which] = mark_of(at_ms // UNIT_MS)


@loop
def wipe(registers: Any, now_ms: int) -> None:
    """Empty the registers that no window holds any more."""
    now = now_ms // UNIT_MS
    for which in range(registers.shape[0]):
        if registers[which] != 0 and age_of(registers[which], now) >= _SPAN:
            registers[which] = 0


@loop
def filled(registers: Any, now_ms: int, out: Any) -> None:
    """How many registers each window holds: out is int64[RINGS]."""
    now = now_ms // UNIT_MS
    for ring in range(RINGS):
        out[ring] = 0
    floor0 = now - (now_ms // step_ms(0) - STEPS + 1) * (step_ms(0) // UNIT_MS)
    floor1 = now - (now_ms // step_ms(1) - STEPS + 1) * (step_ms(1) // UNIT_MS)
    floor2 = now - (now_ms // step_ms(2) - STEPS + 1) * (step_ms(2) // UNIT_MS)
    floor3 = now - (now_ms // step_ms(3) - STEPS + 1) * (step_ms(3) // UNIT_MS)
    for which in range(registers.shape[0]):
        if registers[which] == 0:
            continue
        age = age_of(registers[which], now)
        if age <= floor3:
            out[3] += 1
            if age <= floor2:
                out[2] += 1
                if age <= floor1:
                    out[1] += 1
                    if age <= floor0:
                        out[0] += 1


def _estimates(registers: int) -> Any:
    """float64[m + 1]: the estimate for each number of filled registers; a full sketch is taken as all but half a register."""
    empty = [max(registers - count, 0.5) for count in range(registers + 1)]
    return np.array([registers * math.log(registers / left) for left in empty])


NARROW_ESTIMATE: Final = _estimates(NARROW)
WIDE_ESTIMATE: Final = _estimates(WIDE)
