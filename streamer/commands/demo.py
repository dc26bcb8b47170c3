"""`streamer demo`: broker, worker, trainer and traffic on one screen for a minute."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from streamer.errors import BrokerError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer demo --seconds 30 --rate 500")
def demo(
    seconds: Annotated[float, typer.Option(min=1, help="How long traffic runs.")] = 60,
    rate: Annotated[float, typer.Option(min=1, max=2_000, help="Set-ups a second.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed makes the same traffic.")] = 1,
) -> None:
    """Show calls being judged: everything real, on this machine, and nothing left running afterwards."""
    from streamer.demo.run import engine_alone, finish, run

    console = Console()
    try:
        watch = run(seconds, rate, seed, console)
    except BrokerError as error:
        console.print(f"no broker can be had here ({error}); the engine alone judges the same traffic")
        watch = engine_alone(seconds, rate, seed, console)
    finish(watch, console)
