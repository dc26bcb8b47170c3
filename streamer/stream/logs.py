"""Structured logs: one JSON object a line, or text for people."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import orjson

from streamer.desk.record import plain


class JsonFormatter(logging.Formatter):
    """time (UTC, ISO 8601), level, logger, message, and the exception when there is one."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        found = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(found).decode()


class TextFormatter(logging.Formatter):
    """For people: what others have written can neither steer the terminal nor begin a line of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging names it so
        """The line without its traceback."""
        return plain(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The traceback, line by line."""
        return "\n".join(map(plain, super().formatException(ei).split("\n")))


def configure(form: str, level: str) -> None:
    """Send all logs to standard error in one form (`json` or `text`), from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Faust logs a line a topic and a banner; what ops need comes from this package.
    for name in ("faust", "mode"):
        logging.getLogger(name).setLevel(logging.WARNING)
