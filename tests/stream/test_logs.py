"""What others wrote, in the worker's log."""

import logging

import orjson
import pytest

from streamer.stream.logs import JsonFormatter, TextFormatter

HOSTILE = "op\n2026-01-01 00:00:00,000 INFO streamer: forged\x1b[2J\u2028\u202e"


@pytest.fixture
def record():
    exc_info = (ValueError, ValueError(HOSTILE), None)
    return logging.makeLogRecord({
        "name": "streamer.scoring", "levelname": "WARNING", "msg": "operator %s publishes", "args": (HOSTILE,), "exc_info": exc_info,
    })  # fmt: skip


def test_text_keeps_to_its_line_and_steers_no_terminal(record):
    line, *traceback = TextFormatter().format(record).split("\n")
    assert line.endswith(
        r" WARNING streamer.scoring: operator op\n2026-01-01 00:00:00,000 INFO streamer: forged\x1b[2J\u2028\u202e publishes"
    )
    assert traceback[0] == "ValueError: op"
    assert all(told.isprintable() for told in (line, *traceback))


def test_json_is_one_line(record):
    (line,) = JsonFormatter().format(record).split("\n")
    assert orjson.loads(line)["message"] == f"operator {HOSTILE} publishes"
