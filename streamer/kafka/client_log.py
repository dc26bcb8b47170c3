"""What librdkafka says goes to this process's log, in its form, and not over and over."""

from __future__ import annotations

import logging
import time
from typing import Final

_AGAIN_S: Final = 10.0
_TOLD: Final = frozenset({"CONFWARN"})
"""What is known and wanted: that `enable.gapless.guarantee` is called experimental."""


class _Seldom(logging.Filter):
    """Lets each kind of line of each client pass once in ten seconds: a broker that is away is told of forty times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._due: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line passes."""
        args = record.args if isinstance(record.args, tuple) else ()
        kind = (str(args[0]), str(args[1])) if len(args) > 1 else (record.getMessage(), "")
        now = time.monotonic()
        if kind[0] in _TOLD or now < self._due.get(kind, 0.0):
            return False
        if len(self._due) > 1_000:
            self._due.clear()
        self._due[kind] = now + _AGAIN_S
        return True


def client_log() -> logging.Logger:
    """The logger to give to a client that is polled: only then does it say anything."""
    log = logging.getLogger("streamer.librdkafka")
    if not log.filters:
        log.addFilter(_Seldom())
    return log
