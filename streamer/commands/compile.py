"""`streamer compile`: compile and cache the hot loops, so that no call has to wait for a compiler."""

from __future__ import annotations

import time

import typer

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer compile")
def compile_loops() -> None:
    """Compile the hot loops ahead of the first call and keep them in the cache folder."""
    started = time.perf_counter()
    typer.echo("compiling the engine's loops; the first time takes up to a minute")
    from streamer.signals.warming import warm as warm_merger
    from streamer.stream import compiling
    from streamer.warming import warm
    from streamer.windows.hashing import secret_words

    warm()
    warm_merger(secret_words(b"warm"))
    compiling.done()
    typer.echo(f"compiled in {time.perf_counter() - started:.1f} s")
