"""JSON objects as rows: of each, whatever it holds, only the columns that a mapping reads are looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from streamer.errors import MessageError
from streamer.lab.floats import as_written, has_exponent
from streamer.lab.records import Line, Row
from streamer.lab.rejects import UnmappedError


def row_of(record: Line, columns: Iterable[str]) -> Row:
    """A JSON object as a row of these columns, parts of objects inside as ``outer.inner``; it lacks what is not there.

    Numbers, words and lists become text, a number the figures that stand there, null becomes nothing. Raises `MessageError` when the line is no such object.
    """
    try:
        found = orjson.loads(record.text)
    except orjson.JSONDecodeError as error:
        raise MessageError("not_json", f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise MessageError("wrong_type", "not a JSON object")
    inside = [(column, _value(found, column)) for column in columns]
    if any(isinstance(value, float) for _, value in inside) and has_exponent(record.text):
        inside = list(_figures(record.text, inside))
    fields = {column: _text(column, value) for column, value in inside if not isinstance(value, dict)}
    return Row(record.file, record.line, fields, record.text.decode("utf-8", "backslashreplace"))


def _figures(text: bytes, inside: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    """The same values, where they are floating point as they were written."""
    try:
        written = as_written(text)
    except RecursionError:
        written = {}
    for column, value in inside:
        found = _value(written, column) if isinstance(value, float) and isinstance(written, dict) else value
        yield column, found if isinstance(found, str) else value


def _value(found: dict[str, Any], path: str) -> object:
    """What lies at the path; a dictionary: nothing that is a value. Names may have dots of their own."""
    value = found.get(path, found)
    if not isinstance(value, dict):
        return value
    for dot, sign in enumerate(path):
        if sign == "." and isinstance(outer := found.get(path[:dot]), dict):
            value = _value(outer, path[dot + 1 :])
            if not isinstance(value, dict):
                return value
    return found


def _text(column: str, value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else orjson.dumps(value).decode()
    except TypeError:
        raise UnmappedError("not_json", f"{column}: the JSON is nested too deeply", column) from None
