"""How a mapping is written: the tables and keys of its TOML file. What the templates mean is told in `streamer.lab.mapping`."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

COLUMN: Final = re.compile(r"\{([^{}]*)\}")
"""A column named in a template."""

Unit = Literal["s", "ms"]


class Derived(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from", "as_": "as"}):
    """A value made from a template: a number for a pseudonym, or one word for another."""

    from_: str
    as_: str | None = None
    map: dict[str, str] | None = None
    default: str | None = None


class Times(Struct, frozen=True, forbid_unknown_fields=True):
    """When a call was: `at` in `format` (``iso``, ``s``, ``ms`` or one of strptime) and `zone`, being the time `of` its set-up,
    answer or end; how long it rang and lasted. Without `talk` nothing but the set-up is known of a call.
    """

    at: str
    format: str = "iso"
    zone: str = "UTC"
    of: Literal["setup", "answer", "end"] = "setup"
    ring: str = "0"
    ring_unit: Unit = "s"
    talk: str | None = None
    talk_unit: Unit = "s"


class Ending(Struct, frozen=True, forbid_unknown_fields=True):
    """Q.850 cause of answered and unanswered calls, and who released them; templates."""

    cause: str | Derived | None = None
    unanswered_cause: str | Derived | None = None
    released_by: str | Derived | None = None


class Direction(Struct, frozen=True, forbid_unknown_fields=True):
    """Fields that depend on which way the call went: `read` gives the word, `values` the fields for each word."""

    read: str
    values: dict[str, dict[str, str | Derived]]


class Layout(Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping as written; `fields` are those of a set-up, by their names in the contract."""

    about: str
    fields: dict[str, str | Derived]
    times: Times
    home: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8"
    direction: Direction | None = None
    end: Ending = Ending()


def columns_of(*written: str | Derived | None) -> str:
    """The columns that are read, separated by commas."""
    texts = [
        text
        for value in written
        for text in ((value.from_, value.as_ or "") if isinstance(value, Derived) else (value or "",))
    ]
    return ", ".join(dict.fromkeys(name for text in texts for name in COLUMN.findall(text)))


def columns_by_step(layout: Layout) -> dict[str, str]:
    """The columns to blame when something else than a field of the set-up cannot be made."""
    times, end = layout.times, layout.end
    return {
        "direction": columns_of(layout.direction.read if layout.direction else None),
        "at": columns_of(times.at),
        "ring": columns_of(times.ring),
        "ring_ms": columns_of(times.ring),
        "talk": columns_of(times.talk),
        "talk_ms": columns_of(times.talk),
        "cause": columns_of(end.cause, end.unanswered_cause),
        "released_by": columns_of(end.released_by),
    }
