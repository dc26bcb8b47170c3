"""`streamer trainer`: learn from feedback and publish models."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from streamer.settings import load

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer trainer --bootstrap 127.0.0.1:9092 --mature-s 3600")
def trainer(
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers, host:port, comma-separated.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Put before every topic name.")] = None,
    partitions: Annotated[int | None, typer.Option(help="Partitions of the topics keyed by caller.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the trainer's own file; one process at a time.")] = None,
    mature_s: Annotated[
        float | None, typer.Option(help="An allowed sampled call without a report is honest after this many seconds.")
    ] = None,
    publish_every_s: Annotated[float | None, typer.Option(help="A new model version at most this often.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics, /livez and /readyz; 0 picks one.")] = None,
) -> None:
    """Learn from evidence and feedback, and publish models for the scorers.

    Run several: one holds the lease and trains, the others stand by and go on where it stopped. Ends in order on
    SIGTERM and Ctrl-C.
    """
    settings = load(
        bootstrap=bootstrap,
        prefix=prefix,
        partitions=partitions,
        trainer_data=data,
        mature_s=mature_s,
        publish_every_s=publish_every_s,
        trainer_metrics_port=metrics_port,
    )
    from streamer.stream import logs
    from streamer.training.process import TrainerProcess

    logs.configure(settings.log_format, settings.log_level)
    process = TrainerProcess(settings)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: process.stop())
    process.run()
