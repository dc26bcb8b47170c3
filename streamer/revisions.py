"""Verdicts that are revised: a call was let through, and what would have shown it to be sound has not come in time.

What a revision will say is kept beside the compiled state (`streamer.windows.originations`), by the offset of the set-up.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import orjson

from streamer.calls.decisions import Decision, Policy
from streamer.detectors import DETECTORS
from streamer.journal import Journal
from streamer.policy import refusal
from streamer.reasons import CODING
from streamer.settling import UNVERIFIED
from streamer.windows import originations

REASON: Final = f"{DETECTORS[UNVERIFIED].id}.{DETECTORS[UNVERIFIED].causes[0].name}"
REVISION_MS: Final = 3_000
"""So long after its set-up was appended a call may be revised; a switch ignores what comes later."""
MOST_EVIDENCE: Final = 256
"""Calls of a partition whose evidence is kept while they wait: two kilobytes each, which every checkpoint copies."""
Came = Literal["revised", "shadow", "answered", "verified"]
_CAME: Final[dict[int, Came]] = {
    originations.REVISED: "revised",
    originations.SHADOW: "shadow",
    originations.ANSWERED: "answered",
    originations.VERIFIED: "verified",
}


class Pended(NamedTuple):
    """What was said of a call that waits: its decision and evidence as bytes, under which keys, when it was appended, and over which
    trunk it is counted. The trunk is not saved; of a call that was restored it is read from its evidence, where there is any.
    """

    call_id: str
    key: str
    append_ms: int
    decision: bytes
    evidence: bytes
    trunk: str = ""


class Revision(NamedTuple):
    """What is to be said of what came of a call that waited: `decision` is None where it stays as it was, `evidence` where too
    many waited to keep it. `blocked`, of a decision, is what it counts as in `streamer.outcomes.Outcomes.blocked`.
    """

    partition: int
    offset: int
    call_id: str
    key: str
    decision: bytes | None
    evidence: bytes | None
    blocked: tuple[str, str, int] | None = None


class Collected(NamedTuple):
    """What came of each call of a partition that waits no more, and what is to be said of that."""

    came: list[Came]
    revisions: list[Revision]


class Revisions:
    """What was said of the calls that wait, by partition and offset."""

    def __init__(self) -> None:
        self._held: dict[int, dict[int, Pended]] = {}

    def add(self, partition: int, offset: int, pended: Pended) -> None:
        """A call begins to wait; the evidence of `MOST_EVIDENCE` of a partition is kept."""
        held = self._held.setdefault(partition, {})
        held[offset] = pended if len(held) < MOST_EVIDENCE else pended._replace(evidence=b"")

    def of(self, partition: int) -> dict[int, Pended]:
        """All of a partition, as it is now."""
        return dict(self._held.get(partition, {}))

    def is_about(self, partition: int, offset: int, decision: Decision) -> bool:
        """Whether a decision speaks of the call that waits there."""
        pended = self._held.get(partition, {}).get(offset)
        return pended is not None and pended.call_id == decision.call_id

    def put(self, partition: int, pended: dict[int, Pended]) -> None:
        """What `of` gave takes the place of what is held."""
        self._held[partition] = dict(pended)

    def forget(self, partition: int, offset: int | None = None) -> None:
        """A call, or a whole partition, waits no more."""
        if offset is None:
            self._held.pop(partition, None)
        else:
            self._held.get(partition, {}).pop(offset, None)

    def collect(
        self,
        waiting: originations.Waiting,
        journal: Journal,
        partition: int,
        now_ms: int,
        policy: Policy,
        *,
        saying: bool,
    ) -> Collected:
        """Take what calls of a partition came to; where `saying`, what is revised is kept until `delivered` is told.

        The journal is told of the calls whose state that changed.
        """
        if not waiting.settled[partition]:
            return Collected([], [])
        rows = originations.settled(waiting, partition)
        came, said = [], []
        for row in rows:
            what, revision = self._told(partition, row, now_ms, policy)
            came.append(what)
            if revision is not None:
                said.append(revision)
            if revision is None or revision.decision is None or not saying:
                self.forget(partition, int(row[originations.OFFSET]))
        kept = [revision.offset for revision in said if saying and revision.decision is not None]
        originations.take(waiting, partition, rows[:, originations.OFFSET], kept)
        blocked = rows[rows[:, originations.STATE] == originations.REVISED]
        of = (originations.CALL, originations.PAIR)
        journal.note(np.full(len(blocked), partition), *(blocked[:, word] for word in of))
        return Collected(came, said)

    def delivered(self, waiting: originations.Waiting, revisions: Iterable[Revision]) -> None:
        """These are in the log."""
        for partition, offset, *_ in revisions:
            originations.take(waiting, partition, [offset])
            self.forget(partition, offset)

    def _told(self, partition: int, row: Any, now_ms: int, policy: Policy) -> tuple[Came, Revision | None]:
        """What came of a call, `row` int64[WORDS] of `originations`, and what is to be said of it."""
        offset, came = int(row[originations.OFFSET]), _CAME[int(row[originations.STATE])]
        pended = self._held.get(partition, {}).get(offset)
        if pended is None or came not in ("revised", "shadow") or row[originations.BEFORE]:
            return came, None
        said = orjson.loads(pended.decision) | {"shadow_action": "block"}
        blocked = None
        if came == "revised":
            reasons = [*said["reasons"], REASON]
            blocked = said["operator"], pended.trunk, CODING.word_of(reasons)
            said |= {
                "decided_at": now_ms,
                "action": "block",
                "reasons": reasons,
                **refusal(policy, reasons),
                "cache_until": None,
                "revises": True,
                "late": now_ms > pended.append_ms + REVISION_MS,
                "policy": policy.version,
            }
        told = None
        if pended.evidence:  # all calls that come to this leave evidence: none stands for others any more
            told = orjson.dumps(orjson.loads(pended.evidence) | {"decision": said, "weight": 1.0})
        revision = orjson.dumps(said) if came == "revised" else None
        return came, Revision(partition, offset, pended.call_id, pended.key, revision, told, blocked)


assert sum(detector.deferred for detector in DETECTORS) == 1, "one kind of call waits"
