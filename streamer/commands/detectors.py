"""`streamer detectors`: write the page that explains every detector, or check that it says what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.commands import pages

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer detectors --check")
def detectors(
    out: Annotated[Path, typer.Option(help="The page.")] = Path("docs/detection.md"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when the page differs.")] = False,
) -> None:
    """Write the page that explains every detector: its signal, sources, causes, thresholds and how it fails."""
    from streamer import detection

    pages.write(out, detection.page(), "streamer detectors", check=check)
