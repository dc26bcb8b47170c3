"""Options that the desk's commands share, and how they print: a table for people, one JSON object a line for machines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import orjson
import typer

By = Annotated[str, typer.Option("--by", help="Who does it: kept in the history.")]
Why = Annotated[str, typer.Option("--why", help="Why: kept in the history.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Since = Annotated[str | None, typer.Option(help="From then on: 90s, 10m, 2h, 30d ago, or a time in ISO 8601.")]
Until = Annotated[str | None, typer.Option(help="Up to then, said likewise.")]


def now_ms() -> int:
    """The clock of this machine, ms since 1970."""
    return int(time.time() * 1000)


def group(help_text: str, example: str) -> typer.Typer:
    """A command of several."""
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        help=help_text,
        epilog=f"Example: {example}",
    )


def print_json(objects: Iterable[Any]) -> None:
    """One object a line."""
    for found in objects:
        typer.echo(orjson.dumps(found).decode())


def print_table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as what is in them; nothing but the heads when there are no rows."""
    shown = [heads, *([("-" if cell is None or cell == "" else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(heads))]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
