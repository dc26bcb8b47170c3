"""Pages of docs/ that say what the code does: written by a command, or checked against what it would write."""

from __future__ import annotations

from pathlib import Path

import typer


def write(page: Path, wanted: str, command: str, *, check: bool) -> None:
    """Write a page, or, to `check`, exit with 1 and say by which command it is written when it differs."""
    if check:
        if not page.exists() or page.read_bytes() != wanted.encode():
            typer.echo(f"{page} differs: run `{command}` and commit what it wrote", err=True)
            raise typer.Exit(1)
        typer.echo(f"{page} says what the code does")
        return
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(wanted, encoding="utf-8")
    typer.echo(f"{page} written")
