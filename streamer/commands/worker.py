"""`streamer worker`: judge calls, in one process or in several."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from streamer.errors import StreamerError
from streamer.settings import Settings, load

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer worker --processes 2")
def worker(
    processes: Annotated[int, typer.Option(min=1, max=256, help="Worker processes; each uses about one core.")] = 1,
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers; the setting by default.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Put before every topic name; the setting by default.")] = None,
    partitions: Annotated[
        int | None, typer.Option(help="Partitions of the topics keyed by caller; the setting by default.")
    ] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics; process i listens on port + i.")] = None,
    clamp: Annotated[
        bool | None, typer.Option("--clamp/--no-clamp", help="Keep `at` near the append time; off for history.")
    ] = None,
    child: Annotated[bool, typer.Option("--child", hidden=True, help="Stop when standard input ends.")] = False,
) -> None:
    """Judge calls: read `calls.v1`, write `decisions.v1` and `evidence.v1`, until SIGTERM or Ctrl-C."""
    settings = load(bootstrap=bootstrap, prefix=prefix, partitions=partitions, metrics_port=metrics_port, clamp=clamp)
    if processes == 1:
        run(settings, child=child)
        return
    from streamer.stream.logs import configure
    from streamer.stream.processes import supervise

    configure(settings.log_format, settings.log_level)
    given = ["--bootstrap", settings.bootstrap, "--prefix", settings.prefix, "--partitions", str(settings.partitions)]
    given += ["--clamp" if settings.clamp else "--no-clamp", "--child"]
    ports = [settings.metrics_port + number if settings.metrics_port else 0 for number in range(processes)]
    command = [sys.executable, "-m", "streamer", "worker", *given, "--metrics-port"]
    supervise([[*command, str(port)] for port in ports], 3 * settings.drain_s + 10)


def run(settings: Settings, judge: Any = None, *, child: bool = False) -> None:
    """One worker in this process; raises what made it stop."""
    from streamer.kafka import topics
    from streamer.stream.app import create_app
    from streamer.stream.event_loop import install
    from streamer.stream.logs import configure
    from streamer.stream.processes import stop_with_parent

    configure(settings.log_format, settings.log_level)
    topics.ensure(settings)
    install()
    app = create_app(settings, judge)
    faust_worker = app.Worker(loglevel="warning", override_logging=False, redirect_stdouts=False, quiet=True)
    faust_worker.spinner = None  # it would write to standard output, whoever reads that
    if child:
        stop_with_parent()
    code = 0
    try:
        faust_worker.execute_from_commandline()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    if app.failure is not None:
        if isinstance(app.failure, StreamerError):
            raise app.failure
        raise StreamerError(f"{type(app.failure).__name__}: {app.failure}") from app.failure
    if code:
        raise StreamerError(f"the worker ended with code {code}")
