"""Reports put on the feedback topic, and read from it."""

from __future__ import annotations

from typing import Any

from streamer.calls.codec import encode
from streamer.calls.events import Feedback
from streamer.calls.numbers import home_plan, utf8
from streamer.desk.record import answerable
from streamer.desk.reports import meaning, report, reported
from streamer.kafka.logs import LogRecord, read
from streamer.kafka.sending import Outgoing, send
from streamer.kafka.topics import Topics
from streamer.settings import Settings


def make(settings: Settings, given: dict[str, Any], by: str, why: str) -> tuple[Feedback, str, str]:
    """Publish a report; gives it, its key, and which calls it labels in words. Raises `DeskError` as `reports.report`."""
    by, why = answerable(by, why)
    plan = home_plan(settings.home)
    made, key = report({**given, "by": by, "note": why}, plan)
    send(settings, [Outgoing(Topics(settings).feedback, utf8(key), encode(made))])
    return made, key, meaning(made, plan)


def made(
    settings: Settings, since_ms: int | None, until_ms: int | None, **asked: str | None
) -> list[tuple[LogRecord, Feedback]]:
    """The reports of a span that fit what is asked (see `reports.reported`), oldest first."""
    records = read(settings, Topics(settings).feedback, since_ms=since_ms, until_ms=until_ms)
    return sorted(reported(records, home_plan(settings.home), **asked), key=lambda pair: pair[0].at_ms)
