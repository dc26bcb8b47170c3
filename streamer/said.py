"""What was said of records that are judged again after a restart: the first decision in the log stands, whatever has changed since."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np

from streamer import columns
from streamer.calls.codec import rescue
from streamer.calls.compiled_decisions import MILLIONTHS
from streamer.calls.decisions import ACTIONS, Decision, Policy
from streamer.in_force import InForce, Versions
from streamer.reasons import CODING
from streamer.records import Read

_NOTHING: Final = np.zeros((0, columns.SAID_COLUMNS), np.int64)
_SIP_CODES: Final[dict[int | None, Literal[603, 607, 608]]] = {603: 603, 607: 607}
"""A decision's code as that of a policy, which can be one of three alone; any other was 608 or none."""
_LONGEST: Final = 128
"""Characters that are kept of the name of a policy or model that this worker does not know, and of a reason phrase."""


class Said:
    """Decisions by the partition and offset of the record that they answer, until that record comes.

    One that speaks of another call than the record stands for nothing: others may write to that topic too.
    """

    def __init__(self) -> None:
        self._held: dict[int, dict[int, Decision]] = {}
        self._revised: dict[int, dict[int, Decision]] = {}

    def add(self, partition: int, offset: int, decision: Decision) -> None:
        """Remember a decision; the first for a record stands, and that it was revised."""
        if decision.revises:
            self._revised.setdefault(partition, {}).setdefault(offset, decision)
        else:
            self._held.setdefault(partition, {}).setdefault(offset, decision)

    def of(self, given: Read, known: InForce) -> Any:
        """`streamer.columns`' int64[n, SAID_COLUMNS] of records, or without rows when nothing was said of any; what was asked
        for is forgotten.
        """
        if not any(self._held.values()):
            return _NOTHING
        batch = given.batch
        found = np.zeros((len(given.rows), columns.SAID_COLUMNS), np.int64)
        for at, row in enumerate(given.rows):
            held = self._held.get(batch.partitions[row])
            if held:
                offset = batch.offsets[row]
                decision = held.pop(offset, None)
                revision = self._revised.get(batch.partitions[row], {}).pop(offset, None)
                if decision is not None and _is_about(decision, given, at):
                    found[at] = _columns(decision, known.versions)
                    found[at, columns.SAID_REVISED] = revision is not None and _is_about(revision, given, at)
        return found if found[:, columns.STANDS].any() else _NOTHING

    def stands(self, partition: int, offset: int, value: bytes | None) -> bool:
        """Whether anything was said of a broken record; it is forgotten."""
        decision = self._held.get(partition, {}).pop(offset, None)
        broken = rescue(value) if decision is not None else None
        return decision is not None and broken is not None and broken["call_id"] == decision.call_id

    def forget(self, partition: int) -> None:
        """Nothing was said in this partition."""
        self._held.pop(partition, None)
        self._revised.pop(partition, None)


def _is_about(decision: Decision, given: Read, at: int) -> bool:
    return (decision.call_id, decision.operator) == (given.call_id(at), given.way_of(at).operator)


def _columns(decision: Decision, versions: Versions) -> tuple[int, ...]:
    policy = versions.policy_named(decision.policy) or Policy(
        version=decision.policy[:_LONGEST] or "unknown",
        block_sip_code=_SIP_CODES.get(decision.sip_code, 608),
        block_sip_reason=(decision.sip_reason or "")[:_LONGEST],
    )
    return (
        1,
        ACTIONS.index(decision.action),
        ACTIONS.index(decision.shadow_action),
        CODING.word_of(decision.reasons),
        -1 if decision.score is None else round(decision.score * MILLIONTHS),
        _cache_s(decision),
        versions.word_of(policy, (decision.model or "")[:_LONGEST] or None),
        0,
    )


def _cache_s(decision: Decision) -> int:
    """Seconds; -1 where a late decision does not tell."""
    if decision.cache_until is not None:
        return min(max(decision.cache_until - decision.at, 0) // 1000, 86_400)
    return -1 if decision.late else 0
