"""The governor in a worker: what it says goes out with the batch that made it say so, into metrics and the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from streamer.calls.codec import decode_demotion, encode
from streamer.calls.decisions import Demotion, Policy
from streamer.demotions import PREFIX, brought, demotion_key
from streamer.governor import Alarm, Governor
from streamer.kafka.topics import Topics
from streamer.stream.deliveries import Message
from streamer.stream.metrics import Metrics
from streamer.stream.seldom import Seldom

log = logging.getLogger("streamer.governor")


class Governing:
    """One worker's governor. A demotion is only published here: it takes effect by being read back."""

    def __init__(self, topics: Topics, metrics: Metrics) -> None:
        self._topics = topics
        self._metrics = metrics
        self._governor = Governor()
        self._alarms = Seldom()

    def heard(self, kind: str, key: str, value: bytes | None) -> None:
        """A control record that the engine took in."""
        if kind == "policy" and key.startswith(PREFIX):
            self._governor.heard(key, None if value is None else decode_demotion(value))

    def observe(self, standing: list[Any], policy: Policy, demotions: Mapping[str, Demotion]) -> list[Message]:
        """Count a batch's calls from lines in good standing; gives the demotions to send."""
        messages: list[Message] = []
        for said in self._governor.observe(standing, policy, demotions) if standing else ():
            labels = said.detector, self._metrics.operator(said.operator)
            where = said.detector, said.operator, said.trunk
            if isinstance(said, Alarm):
                self._metrics.alarms.labels(*labels).inc()
                if self._alarms.due(labels):
                    log.warning(
                        "%s of operator %r, trunk %r, is outside its band and stays in force: %s", *where, said.why
                    )
            else:
                self._metrics.demotions.labels(*labels).inc()
                log.warning("%s of operator %r, trunk %r, is demoted until %s: %s", *where, said.until, said.why)
                messages.append((self._topics.policy, encode(said), demotion_key(said).encode(), 0, None))
        return messages

    def lift(self, demotions: Mapping[str, Demotion], now_ms: int) -> list[Message]:
        """Tombstones of demotions that have ended by the wall clock, to send. Not for history, whose time is another one."""
        keys = self._governor.ended(demotions, now_ms)
        if keys:
            log.info("%d demotions have ended and are lifted, the first of them %r", len(keys), keys[0])
        return [(self._topics.policy, None, key.encode(), 0, None) for key in keys]

    def forget(self) -> None:
        """Begin anew: what a worker said when it lost its partitions may not have been sent."""
        self._governor = Governor()

    def show(self, demotions: Mapping[str, Demotion], policy: Policy, now_ms: int) -> None:
        """Once a second: the shares as they stand, and how many demotions are held, those that the policy brings among them."""
        self._metrics.show_shares(self._governor.shares())
        self._metrics.demoted.set(len(demotions.keys() | brought(policy, now_ms).keys()))
