"""What was said of records that are judged again after a restart: the first decision in the log stands, whatever has changed since."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer import columns
from streamer.calls.compiled_decisions import MILLIONTHS
from streamer.calls.decisions import ACTIONS, Decision, Policy
from streamer.in_force import InForce
from streamer.policy import REASONS
from streamer.records import Batch

_NOTHING: Final = np.zeros((0, columns.SAID_COLUMNS), np.int64)


class Said:
    """Decisions by the partition and offset of the record that they answer, until that record comes."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[int, tuple[int, ...]]] = {}

    def add(self, partition: int, offset: int, decision: Decision, known: InForce) -> None:
        """Remember a decision; the first for a record stands."""
        policy = known.policy_named(decision.policy) or Policy(
            version=decision.policy or "unknown",
            block_sip_code=decision.sip_code if decision.sip_code in {603, 607, 608} else 608,  # type: ignore[arg-type]
            block_sip_reason=decision.sip_reason or "",
        )
        self._rows.setdefault(partition, {}).setdefault(
            offset,
            (
                1,
                ACTIONS.index(decision.action),
                ACTIONS.index(decision.shadow_action),
                sum(1 << REASONS.index(reason) for reason in set(decision.reasons) if reason in REASONS),
                -1 if decision.score is None else round(decision.score * MILLIONTHS),
                _cache_s(decision),
                known.versions.word_of(policy, decision.model),
            ),
        )

    def of(self, batch: Batch, rows: list[int]) -> Any:
        """`streamer.columns`' int64[n, SAID_COLUMNS] of the batch's rows, or without rows when nothing was said of any; what was asked for is forgotten."""
        if not self._rows:
            return _NOTHING
        found = np.zeros((len(rows), columns.SAID_COLUMNS), np.int64)
        for at, row in enumerate(rows):
            held = self._rows.get(batch.partitions[row])
            if held:
                said = held.pop(batch.offsets[row], None)
                if said is not None:
                    found[at] = said
        return found if found[:, columns.STANDS].any() else _NOTHING

    def stands(self, partition: int, offset: int) -> bool:
        """Whether anything was said of a record; it is forgotten."""
        return self._rows.get(partition, {}).pop(offset, None) is not None

    def forget(self, partition: int) -> None:
        """Nothing was said in this partition."""
        self._rows.pop(partition, None)


def _cache_s(decision: Decision) -> int:
    """Seconds; -1 where a late decision does not tell."""
    if decision.cache_until is not None:
        return min(max(decision.cache_until - decision.at, 0) // 1000, 86_400)
    return -1 if decision.late else 0
