"""`streamer schemas`: write the contract's schemas, or check that the files say what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer schemas --check")
def schemas(
    out: Annotated[Path, typer.Option(help="folder of the files")] = Path("schemas"),
    check: Annotated[bool, typer.Option("--check", help="write nothing; fail when a file differs")] = False,
) -> None:
    """Write JSON Schemas, the AsyncAPI document and the test vectors of the caller key."""
    from streamer import schemas as made

    if check:
        found = made.differences(out)
        for line in found:
            typer.echo(f"{out}: {line}", err=True)
        if found:
            typer.echo("run `streamer schemas` and commit what it wrote", err=True)
            raise typer.Exit(1)
        typer.echo(f"{out}: {len(made.documents())} files say what the code does")
        return
    changed = made.write(out)
    typer.echo(f"{out}: {len(changed)} files written" + (f": {', '.join(changed)}" if changed else ""))
