"""What an engine says of each set-up in the end, revisions included, in the order of the set-ups."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, Literal

import msgspec
import numpy as np
from msgspec import Struct, structs

from streamer.calls.codec import encode
from streamer.calls.decisions import Action, Finding, Policy, PolicyPointer
from streamer.engine import Engine
from streamer.errors import MessageError, SettingsError
from streamer.lab.evaluation.filed import Filed
from streamer.lab.evaluation.relay import Relay
from streamer.outcomes import Outcomes
from streamer.records import Batch
from streamer.revisions import REASON
from streamer.settings import Settings

_HOLD_LIVE_MS: Final = 10_000
"""How long a call that may be revised is waited for when the clock is heard: it is settled after a few seconds."""
_HOLD_RECORDED_MS: Final = 60_000
"""The same of records, where a later record of the partition settles it: its own answer or end at the latest."""


class Said(Struct, frozen=True):
    """Of a decision, what is looked at here."""

    call_id: str
    at: int
    operator: str
    caller: str
    callee: str
    action: Action
    shadow_action: Action
    reasons: list[str]


class Told(Struct, frozen=True):
    """Of its evidence, what is looked at here; `features` are only read when they are asked for."""

    decision: Said
    caller_key: str
    origin: Literal["own_line", "interconnect"]
    trunk: str | None
    partition: int
    offset: int
    features: msgspec.Raw
    findings: list[Finding]
    lists: list[str]


class Verdict:
    """What was said of one set-up: `action` and `shadow` are those that stood in the end."""

    __slots__ = ("action", "came", "shadow", "told")

    def __init__(self, told: Told) -> None:
        self.told = told
        self.action: Action = told.decision.action
        self.shadow: Action = told.decision.shadow_action
        self.came: Literal["revised", "shadow"] | None = None
        """Whether it was revised, or would have been if that were enforced."""

    @property
    def said(self) -> Said:
        """The decision as it was made first."""
        return self.told.decision

    @property
    def line(self) -> tuple[str, str]:
        """Caller key and origin class: by whose windows it was judged."""
        return self.told.caller_key, self.told.origin

    @property
    def trunk(self) -> str:
        """Operator and trunk; the operator alone where the call names none."""
        return f"{self.said.operator}/{self.told.trunk}" if self.told.trunk else self.said.operator

    def features(self) -> dict[str, float | None]:
        """What it was judged by, by name."""
        return _features(self.told.features)

    def row(self) -> np.ndarray:
        """The same as the detectors see it: float64[features], NaN for what is not known."""
        return np.array([*self.features().values()], np.float64)

    def asking(self, *, shadow: bool = False) -> list[str]:
        """The reasons for a block, whatever came of it: of what runs in `enforce`, with `shadow` also of what runs in shadow."""
        modes = ("enforce", "shadow") if shadow else ("enforce",)
        found = [f"{it.detector}.{it.cause}" for it in self.told.findings if it.action == "block" and it.mode in modes]
        found = [reason for reason in found if reason != REASON]  # what is deferred asks by what came of the call
        if "list.block" in self.said.reasons or (shadow and {"caller.block", "called.block"} & set(self.told.lists)):
            found.append("list.block")
        if self.came == "revised" or (shadow and self.came == "shadow"):
            found.append(REASON)
        return found


_decode: Final = msgspec.json.Decoder(Told).decode
_features: Final = msgspec.json.Decoder(dict[str, float | None]).decode


def measured(policy: Policy) -> Policy:
    """The same rules with evidence of every call, and without the share of blocks that is let through to learn from."""
    return structs.replace(policy, evidence_sample=1.0, control_share=0.0)


class Judge:
    """An engine with a merger of its own, and what it said of the set-ups that may still be revised.

    Parameters
    ----------
    settings, home
        As for `Engine.of`.
    live
        Calls come as they happen: their records are appended at the times they name, and the clock is heard. Else they are
        history, judged as `streamer replay` does.
    controls
        What is published beside the calls: kind, key and value of each record.
    policy
        The rules; None: those of `controls`, else the defaults.

    Raises `SettingsError` for a policy that the engine refuses, `MessageError` for any other record that it refuses.
    """

    def __init__(
        self,
        settings: Settings,
        home: str,
        *,
        live: bool,
        controls: Iterable[tuple[str, str, bytes | None]] = (),
        policy: Policy | None = None,
    ) -> None:
        self._engine = Engine.of(settings, home=home, clamp=live)
        self._partitions = range(settings.partitions)
        self._live = live
        self._hold_ms = _HOLD_LIVE_MS if live else _HOLD_RECORDED_MS
        for partition in self._partitions:
            self._engine.adopt(partition)
        for kind, key, value in controls:
            self._engine.apply(kind, key, value)
        self.policy = self._engine.policy if policy is None else policy
        """The rules it judges by, but for what is said of `measured`."""
        version = self.policy.version
        try:
            self._engine.apply("policy", f"policy@{version}", encode(measured(self.policy)))
            self._engine.apply("policy", "current", encode(PolicyPointer(version=version)))
        except MessageError as error:
            raise SettingsError(str(error)) from None
        self._relay = Relay(self._engine, settings)
        self._held: deque[Verdict] = deque()
        self._waiting: dict[tuple[int, int], Verdict] = {}

    @property
    def forgotten(self) -> int:
        """Callers and calls given up before their time, as tables were full."""
        return self._engine.evicted + self._engine.calls_evicted

    def filed(self) -> list[Filed]:
        """The cases that were published since this was last asked."""
        return self._relay.filed()

    def judge(self, batch: Batch, now_ms: int) -> list[str]:
        """Judge records appended up to `now_ms`; gives the ids of the calls that are blocked by what was said now."""
        self._relay.tell(now_ms)
        outcomes = self._engine.process(batch, now_ms)
        self._relay.take(outcomes.counts, now_ms)
        blocked = self._take(outcomes)
        if self._live:
            for partition in self._partitions:
                due = self._engine.due(partition)
                if due is not None and due <= now_ms:
                    outcomes = self._engine.tick(partition, now_ms)
                    blocked += self._take(outcomes)
                    self._engine.delivered(outcomes.revisions)
        return blocked

    def settled(self, now_ms: int) -> bool:
        """Whether the first verdict that was not taken yet stands."""
        if not self._held:
            return False
        told = self._held[0].told
        return (told.partition, told.offset) not in self._waiting or now_ms > told.decision.at + self._hold_ms

    def take(self) -> Verdict:
        """The first verdict that was not taken yet, as it is now."""
        verdict = self._held.popleft()
        self._waiting.pop((verdict.told.partition, verdict.told.offset), None)
        return verdict

    def left(self) -> bool:
        """Whether there is a verdict to take."""
        return bool(self._held)

    def _take(self, outcomes: Outcomes) -> list[str]:
        blocked = []
        fresh = {}
        for _, _, value in outcomes.evidence:
            verdict = Verdict(_decode(value))
            self._held.append(verdict)
            fresh[verdict.told.partition, verdict.told.offset] = verdict
            if verdict.action == "block":
                blocked.append(verdict.said.call_id)
        for partition, offset, _ in outcomes.pended:
            self._waiting[partition, offset] = fresh[partition, offset]
        for revision in outcomes.revisions:
            held = self._waiting.pop((revision.partition, revision.offset), None)
            if held is None:
                continue
            held.shadow, held.came = "block", "shadow"
            if revision.decision is not None:
                held.action, held.came = "block", "revised"
                blocked.append(revision.call_id)
        return blocked
