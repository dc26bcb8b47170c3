"""A lease: Kafka gives a topic's one partition to one member of a group, and to another when that one leaves or falls silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamer.errors import TransportError
from streamer.kafka import clients
from streamer.kafka.asking import is_final
from streamer.settings import Settings


class LeaseLostError(TransportError):
    """Another one has taken over: nothing more may be published by this one."""


class Lease:
    """Membership in a group whose topic has one partition: `held` says whether that is ours.

    `release` is called when it is asked back, before another member gets it.
    """

    def __init__(self, settings: Settings, group: str, topic: str, release: Callable[[], None]) -> None:
        self.held = False
        self._release = release
        self._group = group
        self._inside = False
        self._member: Any = clients.consumer(settings, group, **{"auto.offset.reset": "latest"})
        self._member.subscribe(
            [topic],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )

    def heed(self, timeout_s: float = 0.0) -> bool:
        """Serve the group for at most `timeout_s`; gives whether the lease is held. Within a hand-over: False."""
        if self._inside:
            return False
        message = self._member.poll(timeout_s)
        if message is not None and message.error() is not None and is_final(message.error()):
            raise TransportError(f"the group {self._group} cannot be joined: {message.error().str()}")
        return self.held

    def close(self) -> None:
        """Leave the group, so that a standby takes over at once."""
        self._member.close()

    def _assigned(self, member: Any, partitions: list[Any]) -> None:
        if partitions:
            member.incremental_assign(partitions)
            member.pause(partitions)  # owned, not read: what lies there is read whole when the lease is taken
            self.held = True

    def _revoked(self, _: Any, partitions: list[Any]) -> None:
        if partitions and self.held:
            self.held = False
            self._inside = True
            try:
                self._release()
            finally:
                self._inside = False

    def _lost(self, _: Any, partitions: list[Any]) -> None:
        if partitions:
            self.held = False
