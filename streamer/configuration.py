"""Every setting that is in force with where its value comes from, and the page that lists all that can be set."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from streamer.settings import NOT_SETTINGS, Settings, Source, load, sources_of

HIDDEN: Final = "********"
"""What is shown of a secret that is set."""

_TYPES: Final = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    SecretStr: "secret",
}
_BOUNDS: Final = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))


class InForce(NamedTuple):
    """A setting, its value as JSON has it (secrets hidden) and where that comes from."""

    name: str
    value: Any
    source: Source


def in_force(**given: Any) -> list[InForce]:
    """Every setting in the order of the page. Raises `SettingsError` like `load`, which takes the same."""
    settings = load(**given)
    sources = sources_of(**given)
    return [InForce(name, _plain(getattr(settings, name)), sources[name]) for name in Settings.model_fields]


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN
    return str(value) if isinstance(value, Path) else value


class Described(NamedTuple):
    """A setting as the page tells of it; all are text, `range` is empty where anything of the type goes."""

    name: str
    variable: str
    type: str
    default: str
    range: str
    meaning: str


def described() -> list[Described]:
    """Every setting that there is.

    >>> [each.range for each in described() if each.name == "partitions"]
    ['≥ 1, ≤ 1024']
    """
    return [
        Described(
            name, f"STREAMER_{name.upper()}", _type(field.annotation), _default(field), _range(field), str(field.description)
        )
        for name, field in Settings.model_fields.items()
    ]  # fmt: skip


def _type(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return _type(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f"`{word}`" for word in get_args(kind))
    if get_origin(kind) in {Union, types.UnionType}:
        return _type(next(part for part in get_args(kind) if part is not types.NoneType))
    if get_origin(kind) is dict:
        return "table of " + _type(get_args(kind)[1])
    return _TYPES[kind]


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        return "a public one"
    return "none" if value is None else f"`{json.dumps(_plain(value))}`"


def _range(field: FieldInfo) -> str:
    found = []
    inner = next((part for part in get_args(field.annotation) if get_origin(part) is Annotated), None)
    for held in [*field.metadata, *(get_args(inner)[1].metadata if inner else ())]:
        found += [f"{sign} {getattr(held, name)}" for name, sign in _BOUNDS if getattr(held, name, None) is not None]
        if pattern := getattr(held, "pattern", None):
            found.append(f"`{pattern}`")
    return ", ".join(found)


def page() -> str:
    """`docs/settings.md`."""
    rows = [
        "| setting | in the environment | type | default | range | meaning |",
        "|---|---|---|---|---|---|",
        *(
            f"| `{one.name}` | `{one.variable}` | {one.type} | {one.default} | {one.range} | {_cell(one.meaning)} |"
            for one in described()
        ),
    ]
    beside = [f"| `{name}` | {_cell(meaning)} |" for name, meaning in NOT_SETTINGS.items()]
    return "\n".join(
        (
            "# Settings",
            "Written by `streamer config page` from `streamer/settings.py`; a test fails when the two differ.",
            "",
            "A command-line option wins over the environment, the environment over the TOML file that `STREAMER_CONFIG` names,",
            "the file over the default. In the file a setting has the name of the first column, at the top level:",
            "```toml",
            'bootstrap = "kafka-1:9092,kafka-2:9092"',
            "partitions = 48",
            "retention_h = { calls = 48 }",
            "```",
            "In the environment a table is written as JSON: `STREAMER_RETENTION_H='{\"calls\": 48}'`. A key that is no setting is an",
            "error that names the nearest one. `streamer config show` prints what is in force and where each value comes from,",
            "secrets hidden; `--json` for machines.",
            "",
            *rows,
            "",
            "## In the environment alone",
            "| variable | meaning |",
            "|---|---|",
            *beside,
            "",
        )
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
