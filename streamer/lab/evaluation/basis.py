"""What an evaluation of records rests on: how much of them was of use, when they are from, what they tell of how calls went on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from streamer.lab.ordering import Message
from streamer.lab.rejects import Group, Rejects
from streamer.lab.source import Source


class _Later(Struct):
    """Of an event that is no set-up, what is looked at here."""

    type: str
    talk_ms: int = 0


_decode: Final = msgspec.json.Decoder(_Later).decode


class Basis:
    """Counts of what was read; what of them is no set-up is counted as it goes by."""

    def __init__(self) -> None:
        self.read = 0
        """Records, the unusable ones included."""
        self.unusable: list[Group] = []
        """By reason and column, the most frequent first."""
        self.out_of_order = 0
        """Messages that came after one of a later time."""
        self.setups = 0
        self.first_ms: int | None = None
        """When the first call was set up;"""
        self.last_ms: int | None = None
        """and the last one."""
        self.answers = 0
        self.ends = 0
        self.talked = 0
        """Ends of calls that were answered."""
        self.talk_ms = 0
        """How long they all were talked."""

    def heard(self, messages: Iterable[Message]) -> Iterator[Message]:
        """The messages as they are, counted."""
        for message in messages:
            if message.call is None:
                self._later(_decode(message.value))
            else:
                self.setups += 1
                self.first_ms = message.at if self.first_ms is None else min(self.first_ms, message.at)
                self.last_ms = message.at if self.last_ms is None else max(self.last_ms, message.at)
            yield message

    def end(self, source: Source, bad: Rejects) -> None:
        """All was read."""
        self.read, self.out_of_order, self.unusable = source.records, source.out_of_order, bad.groups

    @property
    def answered_share(self) -> float | None:
        """Part of the calls whose end is told that were answered; None where no end is."""
        return self.talked / self.ends if self.ends else None

    @property
    def mean_talk_s(self) -> float | None:
        """How long those were talked on average; None where there are none."""
        return self.talk_ms / 1000 / self.talked if self.talked else None

    def document(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "read": self.read,
            "unusable": sum(group.count for group in self.unusable),
            "unusable_by_reason_and_column": [
                {"reason": group.reason, "column": group.column or None, "count": group.count}
                for group in self.unusable
            ],
            "out_of_order": self.out_of_order,
            "setups": self.setups,
            "first_at": self.first_ms,
            "last_at": self.last_ms,
            "answers": self.answers,
            "ends": self.ends,
            "answered_share": self.answered_share,
            "mean_talk_s": self.mean_talk_s,
        }

    def _later(self, event: _Later) -> None:
        if event.type == "answer":
            self.answers += 1
        elif event.type == "end":
            self.ends += 1
            if event.talk_ms:
                self.talked += 1
                self.talk_ms += event.talk_ms
