"""`streamer signals`: merge what scoring workers count, and tell them what stands out."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from streamer.settings import load

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer signals --bootstrap 127.0.0.1:9092")
def signals(
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers, host:port, comma-separated.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Put before every topic name.")] = None,
    partitions: Annotated[int | None, typer.Option(help="Partitions of the topics keyed by caller.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics, /livez and /readyz; 0 picks one.")] = None,
) -> None:
    """Merge what scoring workers count of called numbers, trunks, number blocks and busy lines, and publish what stands out.

    Run several: one holds the lease and merges, the others stand by and go on where it stopped. Ends in order on
    SIGTERM and Ctrl-C. Without one, workers judge by what one caller shows alone.
    """
    settings = load(bootstrap=bootstrap, prefix=prefix, partitions=partitions, signals_metrics_port=metrics_port)
    from streamer.merger.process import MergerProcess
    from streamer.stream import compiling, logs

    logs.configure(settings.log_format, settings.log_level)
    compiling.ahead()
    process = MergerProcess(settings)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: process.stop())
    process.run()
