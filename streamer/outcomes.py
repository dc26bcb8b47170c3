"""What a batch comes to: decisions and evidence as bytes ready to send, and what the shells count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import orjson

from streamer.calls.codec import rescue
from streamer.calls.compiled_decisions import plain, repeated
from streamer.calls.decisions import ACTIONS, Policy
from streamer.calls.events import LATEST_MS
from streamer.calls.numbers import HomePlan
from streamer.policy import BLOCK, refusal
from streamer.records import Batch
from streamer.revisions import Came, Pended, Revision

_NO_REFUSAL: Final = {"sip_code": None, "sip_reason": None, "q850": None}


_Counted = TypeVar("_Counted")


class Tally(dict[_Counted, int], Generic[_Counted]):
    """How many there are of each; of what was not met, 0. A batch has eight of them, made in a sixth of the time of Counters."""

    def __missing__(self, key: _Counted) -> int:
        return 0


@dataclass(slots=True)
class Outcomes:
    """Rows are indices into the batch. Values are bytes as they go on the wire.

    `decisions` (row, call id, value), exactly one a valid set-up and one a broken one that can still be answered, in
    batch order, those left out that were said before a restart (`said_before` counts them); `evidence` (row, caller key, value); `rejected` (row, reason, message) for the dead letters; `misplaced`
    (row, caller key, partition it belongs to); `standing` (operator, trunk, `at`, `streamer.policy.governed` bits, keyed
    hash of the line) of each call from a line in good standing that something in `enforce` judged, for the governor.
    Tallies by action, reason and operator for the metrics; `setups` and `throttled` by operator, `blocked` by (operator, trunk or "",
    word of reasons). What is revised counts in `blocked`, and in `reasons` by what it adds, but not among the actions: these are what
    was said first, one for each set-up. `delays` is append time less `at`, ms, of the last set-up of each operator.

    `counts` (key, value) for whoever merges what no partition sees whole: partial sums and busy lines.

    Of calls that waited for their origination: `pended` (partition, offset, what was said) of those that begin to, `revisions`
    what is to be said of those whose time is up, `came` how many by what came of them.
    """

    decisions: list[tuple[int, str, bytes]] = field(default_factory=list)
    evidence: list[tuple[int, str, bytes]] = field(default_factory=list)
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    misplaced: list[tuple[int, str, int]] = field(default_factory=list)
    standing: list[tuple[str, str, int, int, int]] = field(default_factory=list)
    actions: Tally[str] = field(default_factory=Tally)
    shadow_actions: Tally[str] = field(default_factory=Tally)
    reasons: Tally[str] = field(default_factory=Tally)
    clamped: Tally[str] = field(default_factory=Tally)
    setups: Tally[str] = field(default_factory=Tally)
    blocked: Tally[tuple[str, str, int]] = field(default_factory=Tally)
    throttled: Tally[str] = field(default_factory=Tally)
    delays: dict[str, int] = field(default_factory=dict)
    pended: list[tuple[int, int, Pended]] = field(default_factory=list)
    revisions: list[Revision] = field(default_factory=list)
    came: Tally[Came] = field(default_factory=Tally)
    counts: list[tuple[str, bytes]] = field(default_factory=list)
    repeated: int = 0
    said_before: int = 0
    late: int = 0
    late_events: int = 0

    def misplace(self, batch: Batch, found: list[tuple[int, str, int]]) -> None:
        """Sort out records (row, caller key, partition it belongs to) that lie in a wrong partition; one that was moved is not again."""
        for row, key, partition in found:
            if batch.rekeyed[row]:
                text = f"lies in partition {batch.partitions[row]}, its caller key {key!r} belongs to {partition}, and it was moved once already"
                self.rejected.append((row, "misplaced", text))
            else:
                self.misplaced.append((row, key, partition))

    def answer_rejected(
        self,
        batch: Batch,
        stands: Callable[[int, int, bytes | None], bool],
        now_ms: int,
        policy: Policy,
        plan: HomePlan,
    ) -> None:
        """Answer what can be of what was rejected, unless by `stands` (partition, offset, value) an earlier answer does."""
        for row, _, _ in self.rejected:
            value = batch.values[row]
            if not stands(batch.partitions[row], batch.offsets[row], value) and (found := rescue(value)) is not None:
                self._say_invalid(row, found, batch.append_ms[row], now_ms, policy, plan)
        self.decisions.sort(key=lambda decision: decision[0])

    def _say_invalid(
        self, row: int, found: dict[str, object], append_ms: int, now_ms: int, policy: Policy, plan: HomePlan
    ) -> None:
        """Answer a broken set-up whose call id and caller are known: allow, so that no switch waits in vain."""
        at, callee, operator = found.get("at"), found.get("callee"), found.get("operator")
        call_id = str(found["call_id"])
        try:
            value = plain(
                call_id,
                at if isinstance(at, int) and not isinstance(at, bool) and 0 <= at <= LATEST_MS else append_ms,
                now_ms,
                operator if isinstance(operator, str) and 0 < len(operator) <= 64 else "unknown",
                repeated(str(found["caller"]), plan),
                repeated(callee, plan) if isinstance(callee, str) and callee else "unknown",
                -1,
                0,
                False,
                closing_of(0, 0, ["input.invalid"], policy, None),
            )
        except (TypeError, orjson.JSONEncodeError):
            return
        self.decisions.append((row, call_id, value))
        self.actions["allow"] += 1
        self.reasons["input.invalid"] += 1


def closing_of(action: int, shadow: int, reasons: list[str], policy: Policy, model: str | None) -> bytes:
    """The members of a decision that many share, and its closing brace; after a comma."""
    closing = {
        "action": ACTIONS[action],
        "reasons": reasons,
        "shadow_action": ACTIONS[shadow],
        **(refusal(policy, reasons) if action == BLOCK else _NO_REFUSAL),
        "revises": False,
        "policy": policy.version,
        "model": model,
    }
    return b"," + orjson.dumps(closing)[1:]
