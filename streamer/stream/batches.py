"""What travels from the polling thread to the agent: whole polls, and partitions that come and go, in order."""

from __future__ import annotations

from typing import Any


class Batch:
    """What one poll brought of a topic.

    `kind` is records, assigned, revoked or lost; `spans` maps each partition to its records, in order; `epoch` is the
    membership of the group that it was taken in.
    """

    __slots__ = ("epoch", "finished", "handed_at", "kind", "spans", "topic")

    def __init__(self, kind: str, topic: str, spans: dict[int, list[Any]], epoch: int, now: float) -> None:
        self.kind = kind
        self.topic = topic
        self.spans = spans
        self.epoch = epoch
        self.handed_at = now
        self.finished = False

    def finish(self) -> None:
        """Everything that came of the batch was delivered: its offsets may be committed. From any thread."""
        self.finished = True
