"""From a row of a call record file to the contract's events, by a mapping written in TOML.

Every value is a template: text in which ``{column}`` stands for the column's content, ``{#}`` for the line number and
``{file}`` for the file's name without its ending; it is empty when all the columns it names are empty. Instead of a
template there may be a table, ``{from = template, as = pattern}`` (a number of a plan for a pseudonym, see `pseudonyms`; the
pattern may name columns too) or ``{from = template, map = {old = "new"}, default = "…"}``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from streamer.calls.events import Answer, CallEvent, End, Setup
from streamer.errors import MessageError, ReplayError
from streamer.lab import floats
from streamer.lab.clock import Instant, instant
from streamer.lab.layout import COLUMN, Derived, Layout, Times, Unit, columns_by_step, columns_of
from streamer.lab.pseudonyms import Pseudonyms
from streamer.lab.records import Row
from streamer.lab.rejects import UnmappedError, field_in

Value = Callable[[Row], str]
T = TypeVar("T", Setup, Answer, End)

_FIELDS: Final = frozenset(Setup.__struct_fields__) - {"at"}
_NUMBERS: Final = frozenset({"caller", "callee", "asserted", "diverted_from", "imsi", "imei"})
"""Fields that are numbers of lines, SIMs and devices."""
_SHARED: Final = ("asserted", "imsi", "imei", "cell")


class Mapping:
    """A layout ready for use. Rows go in, events in their order of time come out.

    Parameters
    ----------
    layout
        The mapping as written.
    name
        What it is called in messages.
    secret
        The key of the numbers that stand for pseudonyms.
    """

    def __init__(self, layout: Layout, name: str, secret: bytes = b"streamer") -> None:
        self.layout = layout
        self.name = name
        self.columns: set[str] = set()
        """Columns that the mapping reads."""
        self.names_files = False
        """Whether a value holds the name of the row's file, as the id of a call does by default."""
        self.pseudonyms = Pseudonyms(secret)
        """The numbers that stand for pseudonyms."""
        values = layout.direction.values if layout.direction else {"": {}}
        for word, fields in values.items():
            given = layout.fields | fields
            unknown = given.keys() - _FIELDS
            missing = {"caller", "callee", "operator", "ingress"} - given.keys()
            if unknown or missing:
                where = f"direction {word!r}" if word else "fields"
                what = f"no field of a set-up: {sorted(unknown)}" if unknown else f"missing: {sorted(missing)}"
                raise ReplayError(f"mapping {name}, {where}: {what}")
        self._fields = {
            word: [
                (field, self._value(value, number=field in _NUMBERS))
                for field, value in ({"call_id": "{file}-{#}"} | layout.fields | own).items()
            ]
            for word, own in values.items()
        }
        steps = columns_by_step(layout)
        self._blamed = {
            word: steps | {field: columns_of(value) for field, value in (layout.fields | own).items()}
            for word, own in values.items()
        }
        self._word = self._value(layout.direction.read) if layout.direction else None
        times = layout.times
        self._at = self._value(times.at)
        self._instant: Instant = instant(times.format, times.zone, name)
        self._ring = self._value(times.ring)
        self._talk = self._value(times.talk) if times.talk is not None else None
        cause, unanswered = layout.end.cause, layout.end.unanswered_cause
        self._cause = self._value(cause or "")
        self._unanswered = self._value(unanswered or cause or "")
        self._released = self._value(layout.end.released_by or "")

    @property
    def unchecked(self) -> int:
        """Pseudonyms whose number may also be another one's (more than are remembered)."""
        return self.pseudonyms.unchecked

    def check(self, columns: Iterable[str], file: Path) -> None:
        """Raise `ReplayError` when the file lacks a column that the mapping reads."""
        found = list(columns)
        missing = sorted(self.columns - set(found))
        if missing:
            raise ReplayError(
                f"{file} has no column {', '.join(missing)}, which mapping {self.name} reads; it has {', '.join(found)}"
            )

    def blamed(self, row: Row, field: str) -> str:
        """The columns that a field of this row's set-up is made of, separated by commas."""
        return self._blamed[self._word(row) if self._word else ""].get(field, "")

    def events(self, row: Row) -> list[CallEvent]:
        """Set-up, answer and end of one row, as far as it tells. Raises `UnmappedError` when it does not make a call."""
        word, field = "", "direction"
        try:
            word = self._word(row) if self._word else ""
            fields = self._fields_of(word)
            times = self.layout.times
            given: dict[str, Any] = {}
            for field, value in fields:
                found = value(row)
                if found or field == "caller":
                    given[field] = found
            field = "at"
            at = self._instant(self._at(row))
            field = "ring"
            ring_ms = _milliseconds(self._ring(row), times.ring_unit, "ring")
            if self._talk is None:
                field = ""
                return [_made(Setup, given | {"at": at - (ring_ms if times.of == "answer" else 0)})]
            field = "talk"
            talk_ms = _milliseconds(self._talk(row), times.talk_unit, "talk")
            begun = at - (ring_ms if times.of != "setup" else 0) - (talk_ms if times.of == "end" else 0)
            field = ""
            common = {
                name: given[name] for name in ("call_id", "operator", "caller", "callee", *_SHARED) if name in given
            }
            events: list[CallEvent] = [_made(Setup, given | {"at": begun})]
            answered_at = begun + ring_ms
            if talk_ms:
                events.append(_made(Answer, common | {"at": answered_at, "ring_ms": ring_ms}))
            end = common | {"at": answered_at + talk_ms, "ring_ms": ring_ms, "talk_ms": talk_ms}
            field = "cause"
            if cause := (self._cause if talk_ms else self._unanswered)(row):
                end["cause"] = _whole(cause, "cause")
            field = "released_by"
            if released := self._released(row):
                end["released_by"] = released
            field = ""
            events.append(_made(End, end))
        except MessageError as error:
            blamed = self._blamed.get(word, self._blamed[next(iter(self._blamed))])
            column = blamed.get(field or field_in(str(error)), "")
            raise UnmappedError(error.reason, str(error), column) from None
        return events

    def _fields_of(self, word: str) -> list[tuple[str, Value]]:
        fields = self._fields.get(word)
        if fields is None:
            raise MessageError("out_of_range", f"direction {word!r} is none of {', '.join(self._fields)}")
        return fields

    def _value(self, written: str | Derived, *, number: bool = False) -> Value:
        if isinstance(written, str):
            return self._template(written, number=number)
        source = self._template(written.from_, number=number and written.map is None)
        if (written.as_ is None) == (written.map is None):
            raise ReplayError(f"mapping {self.name}: a table needs `as` or `map`, and not both")
        if written.as_ is not None:
            pattern, given = self._template(written.as_, whole=True), self.pseudonyms.number

            def derive(row: Row) -> str:
                pseudonym = source(row)
                return given(pattern(row), pseudonym) if pseudonym else ""

            return derive
        words, default = dict(written.map or {}), written.default

        def translate(row: Row) -> str:
            word = source(row)
            if word not in words and default is None:
                raise MessageError("out_of_range", f"{written.from_} is {word!r}, none of {', '.join(words)}")
            return words.get(word, default or "")

        return translate

    def _template(self, written: str, *, whole: bool = False, number: bool = False) -> Value:
        """`whole`: every column named has to have content. `number`: they hold numbers, perhaps as floating point."""
        parts = COLUMN.split(written)
        texts, names = parts[::2], parts[1::2]
        if any("{" in text or "}" in text for text in texts):
            raise ReplayError(f"mapping {self.name}: unmatched brace in {written!r}")
        self.columns.update(name for name in names if name not in {"#", "file"})
        self.names_files |= "file" in names
        if not names:
            return lambda _: written

        def fill(row: Row) -> str:
            values = [_content(row, name) for name in names]
            if number:
                values = [*map(floats.whole, values)]
            if whole and not all(values):
                raise MessageError("missing_field", f"{written} needs what is empty here: {names[values.index('')]}")
            if not any(values):
                return ""
            return texts[0] + "".join(value + text for value, text in zip(values, texts[1:], strict=True))

        return fill


def file_word(path: Path) -> str:
    """What ``{file}`` stands for.

    >>> file_word(Path("day/calls.csv.gz"))
    'calls'
    """
    return path.name.split(".")[0]


def _content(row: Row, name: str) -> str:
    if name == "#":
        return str(row.line)
    if name == "file":
        return file_word(row.file)
    try:
        return row.fields[name].strip()
    except KeyError:
        raise MessageError("missing_field", f"there is no {name!r}") from None


def _milliseconds(text: str, unit: Unit, what: str) -> int:
    try:
        value = float(text or 0) * (1000 if unit == "s" else 1)
    except ValueError:
        raise MessageError("wrong_type", f"{what} is no number: {text!r}") from None
    if not 0 <= value <= 2_678_400_000:
        raise MessageError("out_of_range", f"{what} is {text} {unit}")
    return round(value)


def _whole(text: str, what: str) -> int:
    try:
        return int(floats.whole(text))
    except ValueError:
        raise MessageError("wrong_type", f"{what} is no whole number: {text!r}") from None


def _made(kind: type[T], fields: dict[str, Any]) -> T:
    fields = {"type": kind.__struct_config__.tag} | fields
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        reason = "missing_field" if "missing required" in str(error) else "out_of_range"
        raise MessageError(reason, str(error)) from None


def shipped() -> list[str]:
    """Names of the mappings that come with the package."""
    folder = resources.files("streamer.lab") / "mappings"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read(named: str, secret: bytes = b"streamer") -> Mapping:
    """The mapping of that name, or in that file. Raises `ReplayError` when there is none or it is not well-formed."""
    if named in shipped():
        text = (resources.files("streamer.lab") / "mappings" / f"{named}.toml").read_text("utf-8")
    else:
        try:
            text = Path(named).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ReplayError(
                f"no mapping {named}: neither a readable file ({error}) nor one of {', '.join(shipped())}"
            ) from None
    try:
        return Mapping(msgspec.convert(tomllib.loads(text), Layout), Path(named).stem, secret)
    except (ValueError, RecursionError) as error:
        raise ReplayError(f"mapping {named}: {error}") from None


def of_columns(
    columns: dict[str, str | None], form: str, zone: str, constants: dict[str, str], secret: bytes = b"streamer"
) -> Mapping:
    """A mapping for a plain file: the columns of `at`, `caller`, `callee` and perhaps `talk` (seconds), and constant fields."""
    fields: dict[str, str | Derived] = {**constants}
    fields |= {name: f"{{{columns[name]}}}" for name in ("caller", "callee")}
    talk = columns.get("talk")
    times = Times(at=f"{{{columns['at']}}}", format=form, zone=zone, talk=f"{{{talk}}}" if talk else None)
    return Mapping(Layout(about="", fields=fields, times=times), "of --at-column", secret)
