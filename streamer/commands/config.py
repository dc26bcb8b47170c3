"""`streamer config`: the settings in force and where they come from, and the page that lists all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from streamer import configuration
from streamer.commands import pages
from streamer.commands.printing import say, say_json

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="The settings: what is in force and where it comes from; the page that lists all.",
)


@app.command(epilog="Example: STREAMER_PARTITIONS=48 streamer config show")
def show(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: value and source of each setting.")] = False,
) -> None:
    """Print every setting in force and where its value comes from: environment, TOML or default. Secrets are hidden."""
    found = configuration.in_force()
    if as_json:
        told = {
            one.name: {"value": one.value, "source": one.source.kind, "from": one.source.name or None} for one in found
        }
        say_json(json.dumps(told, indent=1, ensure_ascii=False))
        return
    names = max(len(one.name) for one in found)
    values = [json.dumps(one.value, ensure_ascii=False) if one.value is not None else "none" for one in found]
    width = max(map(len, values))
    for one, value in zip(found, values, strict=True):
        say(f"{one.name:{names}}  {value:{width}}  {one.source}")


@app.command(epilog="Example: streamer config page --check")
def page(
    out: Annotated[Path, typer.Option(help="The page.")] = Path("docs/settings.md"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when the page differs.")] = False,
) -> None:
    """Write the page that lists every setting, its variable, type, default, range and meaning."""
    pages.write(out, configuration.page(), "streamer config page", check=check)
