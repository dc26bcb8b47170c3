"""How a mapping is written: the tables and keys of its TOML file. What the templates mean is told in `streamer.lab.mapping`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

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
