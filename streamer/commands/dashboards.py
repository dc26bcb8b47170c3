"""`streamer dashboards`: write the Grafana dashboards, or check that the files say what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer dashboards --check")
def dashboards(
    out: Annotated[Path, typer.Option(help="folder of the files")] = Path("deploy/grafana/dashboards"),
    check: Annotated[bool, typer.Option("--check", help="write nothing; fail when a file differs")] = False,
) -> None:
    """Write the Grafana dashboards; other JSON files in the folder are removed."""
    from streamer.dashboards.boards import BOARDS
    from streamer.dashboards.panels import differences, write

    if check:
        found = differences(BOARDS, out)
        for line in found:
            typer.echo(f"{out}: {line}", err=True)
        if found:
            typer.echo("run `streamer dashboards` and commit what it wrote", err=True)
            raise typer.Exit(1)
        typer.echo(f"{out}: {len(BOARDS)} dashboards say what the code does")
        return
    typer.echo(f"{out}: {', '.join(write(BOARDS, out))}")
