"""Options that the desk's commands share, and what they make of them."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from streamer.desk.record import time_of

By = Annotated[str, typer.Option("--by", help="Who does it: kept in the history.")]
Why = Annotated[str, typer.Option("--why", help="Why: kept in the history.")]
Register = Annotated[
    bool, typer.Option("--register", help="Enter an operator who is not registered, with the defaults.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Since = Annotated[str | None, typer.Option(help="From then on: 90s, 10m, 2h, 30d ago, or a time in ISO 8601.")]
Until = Annotated[str | None, typer.Option(help="Up to then, said likewise.")]


def now_ms() -> int:
    """The clock of this machine, ms since 1970."""
    return int(time.time() * 1000)


def moment(text: str | None, now: int) -> int | None:
    """What --since or --until names, in ms since 1970; None where it is not given."""
    return None if text is None else time_of(text, now)


def group(help_text: str, example: str) -> typer.Typer:
    """A command of several."""
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        help=help_text,
        epilog=f"Example: {example}",
    )
