"""`streamer demo`: broker, worker, trainer and traffic on one screen for a minute."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.console import Console

from streamer.errors import BrokerError
from streamer.settings import NOT_SETTINGS

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer demo --seconds 30 --rate 500")
def demo(
    seconds: Annotated[float, typer.Option(min=1, max=1e9, help="How long traffic runs.")] = 60,
    rate: Annotated[float, typer.Option(min=1, max=2_000, help="Set-ups a second.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed makes the same traffic.")] = 1,
) -> None:
    """Show calls being judged: everything real, on this machine, and nothing left running afterwards."""
    from streamer.demo.run import engine_alone, finish, run

    console = Console()
    left = [name for name in os.environ if name.startswith("STREAMER_") and name not in NOT_SETTINGS]
    if left or "STREAMER_CONFIG" in os.environ:
        console.print("the demonstration has settings of its own; those from the environment are left aside")
    for name in (*left, "STREAMER_CONFIG"):
        os.environ.pop(name, None)
    try:
        watch = run(seconds, rate, seed, console)
    except BrokerError as error:
        console.print(f"no broker can be had here ({error}); the engine alone judges the same traffic")
        watch = engine_alone(seconds, rate, seed, console)
    finish(watch, console)
