"""Parquet files as a stream of records, whatever their size: pages of the columns that are needed, a thousand rows at a time.

Needs PyArrow (`pip install 'streamer[parquet]'`), which is imported when the first such file is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson

from streamer.errors import ReplayError
from streamer.lab.packed import Counted, pyarrow
from streamer.lab.records import Line, Place, Row, Unreadable

_ROWS: Final = 1_024
_PAGES: Final = 1 << 20
"""Bytes of a column read at once, so that a row group need not fit into memory."""
_WHOLE: Final = 2.0**53
_LEAST: Final = -(2**63)
_MOST: Final = 2**64 - 1


class _Unsound(str):
    """What stands for a value that cannot be read: why."""

    __slots__ = ()


def columns(path: Path) -> list[str]:
    """The names of a file's columns; parts of a structure as ``outer.inner``. Raises `ReplayError` when it is no Parquet file."""
    with _opened(path) as found:
        names = found.schema_arrow.names
        return [*names, *(leaf for leaf in (column.path for column in found.schema) if leaf not in names)]


def read_rows(path: Path, file: Counted, wanted: Iterable[str], place: Place) -> Iterator[Row | Unreadable]:
    """The rows, with every value of the columns wanted as text: numbers in figures, times as ISO 8601, nothing as "".

    Whole numbers held as floating point, as data frames do beside missing values, have no decimal point; not-a-number is
    nothing; durations are in seconds. Reading begins behind `place.lines` rows, and moves it along.
    """
    for line, found in _records(path, file, set(wanted), place, _text):
        yield (
            _unreadable(path, line, found)
            if any(type(value) is _Unsound for value in found.values())
            else Row(path, line, found, orjson.dumps(found).decode())
        )


def read_messages(path: Path, file: Counted, place: Place) -> Iterator[Line | Unreadable]:
    """The rows as JSON objects without what is empty, times as milliseconds since 1970: messages of the contract."""
    for line, found in _records(path, file, None, place, _json):
        if any(type(value) is _Unsound for value in found.values()):
            yield _unreadable(path, line, found)
        else:
            told = {name: value for name, value in found.items() if value is not None}
            yield Line(path, line, orjson.dumps(told, default=str))


def _opened(path: Path) -> Any:
    arrow, parquet = pyarrow(path), pyarrow(path, "pyarrow.parquet")
    try:
        return parquet.ParquetFile(path, buffer_size=_PAGES, pre_buffer=False, memory_map=False)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ReplayError(f"{path} is no sound Parquet file: {error}") from None


def _records(
    path: Path, file: Counted, wanted: set[str] | None, place: Place, made: Callable[[Any], Any]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number (from 1) and values of each row."""
    arrow = pyarrow(path)
    with _opened(path) as found:
        groups, skipped = _behind(found.metadata, place.lines)
        chosen = None
        if wanted:
            chosen = [
                name for name in found.schema_arrow.names if any(f"{each}.".startswith(f"{name}.") for each in wanted)
            ]
        total = max(1, found.metadata.num_rows)
        try:
            for batch in found.iter_batches(_ROWS, row_groups=groups, columns=chosen, use_threads=False):
                table = arrow.Table.from_batches([batch])
                if skipped:
                    cut = min(skipped, table.num_rows)
                    skipped -= cut
                    table = table.slice(cut)
                while any(arrow.types.is_struct(field.type) for field in table.schema):
                    table = table.flatten()
                names = table.column_names
                values = [_values(arrow, column.combine_chunks(), made) for column in table.columns]
                for row in zip(*values, strict=True):
                    place.lines += 1
                    file.taken = file.size * place.lines // total
                    yield place.lines, dict(zip(names, row, strict=True))
        except (arrow.ArrowException, OSError) as error:
            raise ReplayError(f"{path}, behind row {place.lines}: {error}") from None


def _behind(metadata: Any, rows: int) -> tuple[list[int], int]:
    """The row groups that are not read to their end, and how many rows of the first are."""
    for group in range(metadata.num_row_groups):
        held = metadata.row_group(group).num_rows
        if rows < held:
            return list(range(group, metadata.num_row_groups)), rows
        rows -= held
    return [], 0


def _values(arrow: Any, column: Any, made: Callable[[Any], Any]) -> Sequence[Any]:
    kind = column.type
    if arrow.types.is_timestamp(kind) and made is _json:
        column = column.cast(arrow.timestamp("ms", kind.tz), safe=False).cast(arrow.int64())
    elif arrow.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(arrow.timestamp("us", kind.tz), safe=False)
    elif arrow.types.is_duration(kind) and kind.unit == "ns":
        column = column.cast(arrow.duration("us"), safe=False)
    elif arrow.types.is_time64(kind) and kind.unit == "ns":
        column = column.cast(arrow.time64("us"), safe=False)
    try:
        return [made(value) for value in column.to_pylist()]
    except (ValueError, OverflowError, TypeError, LookupError):
        return [_value(each, made) for each in column]


def _value(scalar: Any, made: Callable[[Any], Any]) -> Any:
    try:
        return made(scalar.as_py())
    except (ValueError, OverflowError, TypeError, LookupError) as error:
        return _Unsound(error)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    value = _json(value)
    if value is None:
        return ""
    if isinstance(value, str | datetime | date | time):
        return value if isinstance(value, str) else value.isoformat()
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    return orjson.dumps(value, default=str).decode()


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
        if isinstance(value, int) and not _LEAST <= value <= _MOST:
            raise ValueError("a whole number beyond 64 bits")
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return int(value) if value.is_integer() and abs(value) < _WHOLE else value
    return value.decode() if isinstance(value, bytes) else value


def _unreadable(path: Path, line: int, found: dict[str, Any]) -> Unreadable:
    name, why = next((name, value) for name, value in found.items() if type(value) is _Unsound)
    sound = {name: value for name, value in found.items() if type(value) is not _Unsound}
    shown = orjson.dumps(sound, default=str).decode()
    return Unreadable(path, line, "wrong_type", f"{name}: {why}", shown, name)
