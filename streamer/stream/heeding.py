"""What a worker heeds of the control topics: which policy and model are in force, what is asked for in vain, what it ignores."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final

from streamer.stream.judge import Judge
from streamer.stream.metrics import Metrics
from streamer.stream.seldom import Seldom

log = logging.getLogger("streamer.heeding")

_KINDS: Final = {"policy": "policy", "models": "model"}


class Heeding:
    """Tells metrics and the log; `awaited` has what is asked for and not in force, by topic."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._ignored = Seldom()
        self.awaited: Mapping[str, str] = {}

    def ignored(self, kind: str, why: str) -> None:
        """A control record that this version does not know what to do with; said once a minute for each topic."""
        self._metrics.ignored.labels(kind).inc()
        if self._ignored.due(kind):
            log.warning("%s: ignored: %s; a newer version may know it", kind, why)

    def show(self, judge: Judge) -> None:
        """Once a second: what is in force, what lets calls through, and what is asked for in vain."""
        policy, model, awaited = judge.policy.version, judge.model_version, judge.awaited
        if self._metrics.in_force(policy, model, time.time()):
            log.info("in force: policy %s, model %s", policy, model or "none")
        if awaited != self.awaited:
            self.awaited = awaited
            for kind, wanted in awaited.items():
                log.warning(
                    "%s %s is asked for and not in force: it was refused (see the dead letters), is of an older epoch, or "
                    "has not come; policy %s, model %s stay",
                    _KINDS[kind],
                    wanted,
                    policy,
                    model or "none",
                )
        self._metrics.kill_switch.set(judge.policy.kill_switch)
        for mode, operators in judge.held_back.items():
            self._metrics.held_back.labels(mode).set(operators)
        for kind, name in _KINDS.items():
            self._metrics.awaited.labels(name).set(kind in awaited)

    def nothing_in_force(self, judge: Judge) -> dict[str, str]:
        """Why a worker that has just come must not take the place of another: it has no policy where one is asked for."""
        wanted = judge.awaited.get("policy")
        if wanted is None or judge.policy.version != "default":
            return {}
        return {
            "policy": f"policy {wanted} is asked for; this version refused it or it has not come; the default is in force"
        }
