"""What no partition sees whole, merged beside an engine, told to it as late as a worker would hear of it, and made into cases."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from streamer.calls.codec import decode_counts, encode
from streamer.engine import Engine
from streamer.lab.evaluation.filed import Filed
from streamer.settings import Settings
from streamer.signals.casebook import Casebook
from streamer.signals.hot import Hot, hot
from streamer.signals.merger import Merger
from streamer.windows.hashing import secret_words

LAG_MS: Final = 1_000
"""From the sums of a second to what every scorer knows of them: with that second, the two that a signal may take."""


class Relay:
    """One engine's partial sums, merged by the policy that it began with, and the signals that are on their way back to it."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._merger = Merger(secret_words(settings.secret.get_secret_value().encode()))
        self._merger.follow(engine.policy.counting)
        self._casebook = Casebook()
        self._casebook.follow(engine.policy)
        self._filed: list[Filed] = []
        self._offset = 0
        self._on_way: deque[tuple[int, str, bytes | None]] = deque()

    def tell(self, now_ms: int) -> None:
        """Let the engine know what it would have heard of by now."""
        while self._on_way and self._on_way[0][0] <= now_ms:
            _, key, value = self._on_way.popleft()
            self._engine.apply("signals", key, value)

    def take(self, counts: Iterable[tuple[str, bytes]], now_ms: int) -> None:
        """Merge what the engine counted."""
        taken = False
        for _, value in counts:
            self._merger.take(self._offset, decode_counts(value))
            self._offset += 1
            taken = True
        if taken:
            for key, signal in self._merger.changes():
                self._on_way.append((now_ms + LAG_MS, key, None if signal is None else encode(signal)))
                if signal is not None:
                    for subject in hot(signal, self._merger.lines):
                        self._file(subject, now_ms)
            for subject in self._merger.subjects():
                self._file(subject, now_ms)

    def filed(self) -> list[Filed]:
        """The cases that were published since this was last asked."""
        told, self._filed = self._filed, []
        return told

    def _file(self, subject: Hot, now_ms: int) -> None:
        for case in self._casebook.heed(subject):
            self._filed.append(Filed(now_ms + LAG_MS, case, self._lines(subject)))

    def _lines(self, subject: Hot) -> Sequence[str]:
        """The own lines that a subject is, or that share it."""
        if subject.kind == "sim":
            return [subject.subject]
        return self._merger.lines.sharers(subject.kind, subject.subject)
