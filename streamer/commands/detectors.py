"""`streamer detectors`: write the page that explains every detector, or check that it says what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer detectors --check")
def detectors(
    out: Annotated[Path, typer.Option(help="The page.")] = Path("docs/detection.md"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when the page differs.")] = False,
) -> None:
    """Write the page that explains every detector: its signal, sources, causes, thresholds and how it fails."""
    from streamer import detection

    wanted = detection.page()
    if check:
        if not out.exists() or out.read_text("utf-8") != wanted:
            typer.echo(f"{out} differs: run `streamer detectors` and commit what it wrote", err=True)
            raise typer.Exit(1)
        typer.echo(f"{out} says what the code does")
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(wanted, encoding="utf-8")
    typer.echo(f"{out} written")
