"""How commands print what others have written: nothing in it may steer the terminal; JSON is one object a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import typer

from streamer.desk.record import plain, plain_json


def say(text: str, *, err: bool = False) -> None:
    """Print one line."""
    typer.echo(plain(text), err=err)


def print_json(objects: Iterable[Any]) -> None:
    """One object a line."""
    for found in objects:
        say_json(orjson.dumps(found).decode())


def say_json(text: str) -> None:
    """Print JSON that was written already, as every command does that prints any."""
    typer.echo(plain_json(text))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[Any]], indent: int = 0) -> None:
    """Columns as wide as what is in them; nothing but the heads when there are no rows."""
    shown = [heads, *([("-" if cell is None or cell == "" else plain(str(cell))) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(heads))]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(f"{'':{indent}}{'  '.join(cells)}".rstrip())
