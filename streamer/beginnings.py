"""Where the call of a set-up began, as far as it shows: one rule for set-ups that are judged and for those let through unjudged."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer import columns
from streamer.columns import Columns, State, World
from streamer.compiled import loop
from streamer.detectors import DETECTORS, cli_spoofing, number_invalid, trunk_mismatch
from streamer.policy import BLOCK, LABEL, decide
from streamer.reach import pair_hash
from streamer.registers import lists as number_lists
from streamer.registers import trunks
from streamer.windows import calls as recent
from streamer.windows.tallies import E164

_MSRN: Final = number_lists.BIT["roaming_numbers"]
CLI_SPOOFING, _NUMBER_INVALID, _TRUNK_MISMATCH = (
    next(row for row, detector in enumerate(DETECTORS) if detector.id == name)
    for name in ("cli_spoofing", "number_invalid", "trunk_mismatch")
)


@loop
def append_ms(world: World, record: Any, at: int) -> int:
    """When a set-up was appended, ms; of history, where that tells nothing, its `at`."""
    return record[columns.APPENDED] if world.constants[2] != 0 else at


@loop
def is_reported_by_owner(record: Any, owner: int) -> bool:
    """Whether the operator of the calling number says that a line of its own called. `owner`, its row, is -1 where that is not known;
    whoever reports another operator's number on a line of its own says nothing of that number's line.
    """
    return bool(record[columns.INGRESS] == 0 and (owner < 0 or owner == record[columns.OPERATOR]))


@loop
def is_own(world: World, record: Any, owner: int, key: int) -> bool:
    """Whether a set-up is of the very line whose number, `key`, it shows: its operator says so, and asserts no other number. An enterprise
    may show all that its registered trunk carries.
    """
    if not is_reported_by_owner(record, owner):
        return False
    asserted = record[columns.ASSERTED]
    if not 0 < asserted < E164 or asserted == key:
        return True
    trunk = record[columns.REGISTERED]
    return bool(world.trunks.kind[trunk] == trunks.ENTERPRISE and trunks.has(world.trunks, trunk, key) == 1.0)


@loop
def leg_of(state: State, world: World, batch: Columns, row: int, at: int) -> tuple[Any, float]:
    """The bits of the hash of the caller and the diverting number, 0 where a call is not diverted, and 1.0 where that leg was seen."""
    record = batch.records[row]
    if record[columns.DIVERTED] == 0 or record[columns.DIVERTED] == batch.callee[row]:
        return np.int64(0), 0.0
    partition = record[columns.PARTITION]
    leg = np.int64(pair_hash(world, batch.key[row], record[columns.DIVERTED], partition))
    if number_lists.lookup(world.lists, record[columns.DIVERTED], 1, record[columns.TRUNK], at) & _MSRN != 0:
        return leg, 0.0
    watermark = state.watermark[partition]
    seen = recent.leg_seen(state.pairs, leg, at, watermark, recent.DIVERSION_MS)
    logged = recent.logged_ms(at, append_ms(world, record, at), watermark)
    seen = seen or (logged != at and recent.leg_seen(state.pairs, leg, logged, watermark, recent.DIVERSION_MS))
    return leg, 1.0 if seen else 0.0


@loop
def shown(world: World, record: Any, owner: int, diversion_seen: float, place: float, action: int) -> int:
    """Where a set-up that got this action shows that its call began: `ORIGINATED`, `FROM_ABROAD` or, where it shows nothing, 0.

    `place` is the cause that `cli_spoofing` found. Another operator's number shows that its line called only where the call was
    diverted after a leg that was seen. On a registered enterprise's trunk it may be shown by right, as a number from abroad may whose
    owner's place is not known: the call is not blocked at its other end.
    """
    if record[columns.INGRESS] == 0 and action != BLOCK:
        if is_reported_by_owner(record, owner) or diversion_seen == 1.0:
            return recent.ORIGINATED
        return recent.FROM_ABROAD if world.trunks.kind[record[columns.REGISTERED]] == trunks.ENTERPRISE else 0
    passes = record[columns.INGRESS] == 2 and action <= LABEL
    return recent.FROM_ABROAD if passes and place in (cli_spoofing.PLACE_UNKNOWN, cli_spoofing.AMBIGUOUS) else 0


@loop
def without_windows(
    world: World, batch: Columns, row: int, at: int, caller_lists: int, callee_lists: int, x: Any, found: Any, modes: Any
) -> int:  # fmt: skip
    """The action that a set-up would get for all that can be held against it without its caller's windows; `found` and `modes`, see
    `streamer.policy.decide`, are written to.
    """
    record, limits = batch.records[row], world.rules.thresholds
    for detector in range(found.shape[0]):
        found[detector, 0] = 0.0
    found[CLI_SPOOFING, 0] = cli_spoofing.judge(x, limits[CLI_SPOOFING])[0]
    found[_NUMBER_INVALID, 0] = number_invalid.judge(x, limits[_NUMBER_INVALID])[0]
    found[_TRUNK_MISMATCH, 0] = trunk_mismatch.judge(x, limits[_TRUNK_MISMATCH])[0]
    operator, urgent = record[columns.OPERATOR], record[columns.URGENT] != 0
    mode = np.int64(world.operators.mode[operator])
    scope = record[columns.SCOPE]
    action, _, _, _, _ = decide(
        world.rules, mode, operator, scope, at, caller_lists, callee_lists, urgent, np.nan, found, 1.0, modes
    )
    return int(action)
