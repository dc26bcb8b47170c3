"""`streamer topics`: make the cluster's topics as the contract asks, or say what that would change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from streamer.settings import Settings, load

if TYPE_CHECKING:
    from streamer.kafka.topic_changes import Change

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Create or alter the topics of the contract, or say what that would change.",
    epilog="Example: streamer topics diff || streamer topics apply",
)

Bootstrap = Annotated[str | None, typer.Option(help="Kafka bootstrap servers; the setting by default.")]
Prefix = Annotated[str | None, typer.Option(help="Put before every topic name; the setting by default.")]
Partitions = Annotated[
    int | None, typer.Option(help="Partitions of the topics keyed by caller; the setting by default.")
]
Replication = Annotated[int | None, typer.Option(help="Replicas of topics to be created; the setting by default.")]
Wait = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the brokers.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]


@app.command(epilog="Example: streamer topics diff --json")
def diff(
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    partitions: Partitions = None,
    replication: Replication = None,
    wait: Wait = 30.0,
    json: Json = False,
) -> None:
    """Print what `streamer topics apply` would change, and what nothing can; change nothing.

    Exit code 0: all topics are as the settings ask. 1: something differs.
    """
    from streamer.kafka import topic_changes

    settings = load(bootstrap=bootstrap, prefix=prefix, partitions=partitions, replication=replication)
    changes = topic_changes.diff(settings, wait_s=wait)
    if json:
        _print(settings, changes=changes)
    else:
        _tell(changes)
        typer.echo(f"{len(changes)} differences" if changes else f"topics are as the settings ask{_where(settings)}")
    if changes:
        raise typer.Exit(1)


@app.command(epilog="Example: STREAMER_RETENTION_H='{\"calls\": 48}' streamer topics apply")
def apply(
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    partitions: Partitions = None,
    replication: Replication = None,
    wait: Wait = 30.0,
    json: Json = False,
) -> None:
    """Create the topics that are missing and alter settings that differ; no record and no partition is touched.

    A topic with another number of partitions is refused, and then nothing is changed at all. Exit code 0: all topics are as
    the settings ask now. 1: something could not be changed.
    """
    from streamer.kafka import topic_changes

    settings = load(bootstrap=bootstrap, prefix=prefix, partitions=partitions, replication=replication)
    done, left = topic_changes.apply(settings, wait_s=wait)
    if json:
        _print(settings, changed=done, left=left)
    else:
        for change in done:
            typer.echo(change.text.replace("to be created", "created"))
        _tell(left)
        typer.echo(f"{len(done)} changes made{_where(settings)}")
    if left:
        raise typer.Exit(1)


def _where(settings: Settings) -> str:
    return f": {settings.bootstrap}, {settings.partitions} partitions, prefix {settings.prefix!r}"


def _tell(changes: Iterable[Change]) -> None:
    for change in changes:
        typer.echo(change.text)
        if change.kind not in {"alter", "create"}:
            typer.echo(f"    {change.mend}")


def _print(settings: Settings, **changes: Iterable[Change]) -> None:
    told: dict[str, Any] = {
        name: [change._asdict() | {"text": change.text, "mend": change.mend} for change in found]
        for name, found in changes.items()
    }
    about = {"bootstrap": settings.bootstrap, "prefix": settings.prefix, "partitions": settings.partitions}
    typer.echo(orjson.dumps(about | told, option=orjson.OPT_INDENT_2))
