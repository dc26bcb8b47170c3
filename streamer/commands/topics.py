"""`streamer topics`: make the cluster's topics as the contract asks, or say what that would change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer

from streamer.commands.printing import say, say_json
from streamer.settings import Settings, load

if TYPE_CHECKING:
    from streamer.kafka.topic_changes import Change

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(
    epilog="Example: streamer topics diff || streamer topics apply; STREAMER_RETENTION_H='{\"calls\": 48}' streamer topics apply"
)
def topics(
    action: Annotated[Literal["diff", "apply"], typer.Argument(help="diff only tells.", metavar="diff|apply")],
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers; the setting by default.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Put before every topic name; the setting by default.")] = None,
    partitions: Annotated[
        int | None, typer.Option(help="Partitions of the topics keyed by caller; the setting by default.")
    ] = None,
    replication: Annotated[
        int | None, typer.Option(help="Replicas of topics to be created; the setting by default.")
    ] = None,
    wait: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the brokers.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")] = False,
) -> None:
    """Create the topics that are missing and alter settings that differ, or print what that would change, and what nothing can.

    No record and no partition is touched. A topic with another number of partitions is refused, and then nothing is changed
    at all. Exit code 0: all topics are as the settings ask (after `apply`: now). 1: something differs, or could not be changed.
    """
    from streamer.kafka import topic_changes

    settings = load(bootstrap=bootstrap, prefix=prefix, partitions=partitions, replication=replication)
    where = f": {settings.bootstrap}, {settings.partitions} partitions, prefix {settings.prefix!r}"
    if action == "diff":
        left = topic_changes.diff(settings, wait_s=wait)
        told: dict[str, Sequence[Change]] = {"changes": left}
        total = f"{len(left)} differences" if left else f"topics are as the settings ask{where}"
    else:
        done, left = topic_changes.apply(settings, wait_s=wait)
        told = {"changed": done, "left": left}
        total = f"{len(done)} changes made{where}"
    if as_json:
        _print(settings, told)
    else:
        for change in told.get("changed", ()):
            say(change.text.replace("to be created", "created"))
        for change in left:
            say(change.text)
            if change.kind not in {"alter", "create"}:
                say(f"    {change.mend}")
        say(total)
    if left:
        raise typer.Exit(1)


def _print(settings: Settings, changes: dict[str, Sequence[Change]]) -> None:
    shown = {
        name: [change._asdict() | {"text": change.text, "mend": change.mend} for change in found]
        for name, found in changes.items()
    }
    about = {"bootstrap": settings.bootstrap, "prefix": settings.prefix, "partitions": settings.partitions}
    say_json(orjson.dumps(about | shown, option=orjson.OPT_INDENT_2).decode())
