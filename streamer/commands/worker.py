"""`streamer worker`: judge calls, in one process or in several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Annotated, Any

import typer

from streamer.errors import StreamerError
from streamer.settings import Settings, load


def worker(
    processes: Annotated[int, typer.Option(min=1, max=256, help="Worker processes; each uses about one core.")] = 1,
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers; the setting by default.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics; process i listens on port + i.")] = None,
    clamp: Annotated[
        bool | None, typer.Option("--clamp/--no-clamp", help="Keep `at` near the append time; off for history.")
    ] = None,
) -> None:
    """Judge calls: read `calls.v1`, write `decisions.v1` and `evidence.v1`, until SIGTERM or Ctrl-C.

    Example: streamer worker --processes 2
    """
    settings = load(bootstrap=bootstrap, metrics_port=metrics_port, clamp=clamp)
    if processes == 1:
        run(settings)
    else:
        supervise(settings, processes)


def run(settings: Settings, judge: Any = None) -> None:
    """One worker in this process; raises what made it stop."""
    from streamer.kafka import topics
    from streamer.stream.app import create_app
    from streamer.stream.logs import configure

    configure(settings.log_format, settings.log_level)
    topics.ensure(settings)
    app = create_app(settings, judge)
    faust_worker = app.Worker(loglevel="warning", override_logging=False, redirect_stdouts=False, quiet=True)
    code = 0
    try:
        faust_worker.execute_from_commandline()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    if app.scoring is not None:
        app.scoring.control.close()
        app.scoring.deliveries.close(0 if app.failure else settings.drain_s)
    if app.failure is not None:
        if isinstance(app.failure, StreamerError):
            raise app.failure
        raise StreamerError(f"{type(app.failure).__name__}: {app.failure}") from app.failure
    if code:
        raise StreamerError(f"the worker ended with code {code}")


def supervise(settings: Settings, processes: int) -> None:
    """Several worker processes; when one dies the others are stopped orderly and this raises `StreamerError`."""
    command = [sys.executable, "-m", "streamer", "worker"]
    ports = [settings.metrics_port + number if settings.metrics_port else 0 for number in range(processes)]
    children = [
        subprocess.Popen(
            [*command, "--bootstrap", settings.bootstrap, "--metrics-port", str(port)], env=os.environ.copy()
        )
        for port in ports
    ]
    stopping = False

    def stop(*_: Any) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    dead: subprocess.Popen[bytes] | None = None
    while not stopping and dead is None:
        dead = next((child for child in children if child.poll() is not None), None)
        time.sleep(0.1)
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    for child in children:
        try:
            child.wait(2 * settings.drain_s + 10)
        except subprocess.TimeoutExpired:
            child.kill()
    if dead is not None:
        raise StreamerError(f"worker process {dead.pid} ended with code {dead.returncode}; the others were stopped")
