"""`streamer replay`: files of call records into Kafka, or straight through the engine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from streamer.commands.printing import say, say_json
from streamer.desk.record import plain_json
from streamer.errors import ReplayError, SettingsError
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.lab.mapping import Mapping
    from streamer.lab.replay import Summary
    from streamer.lab.source import Source

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

_SHOW_S: Final = 0.1


@app.command(
    epilog="Example: streamer replay calls.csv --mapping sichuan --to kafka --speed 10 --decisions decisions.jsonl"
)
def replay(
    files: Annotated[
        list[Path],
        typer.Argument(help="JSON Lines (.jsonl, .ndjson, .json) or CSV, perhaps with .gz or .zst, or Parquet."),
    ],
    mapping: Annotated[
        str | None, typer.Option(help="sichuan, vast2008, ftc, or a TOML file; without: messages of the contract.")
    ] = None,
    to: Annotated[
        Literal["engine", "kafka"],
        typer.Option(help="Straight through the engine, or into Kafka for the workers there."),
    ] = "engine",
    speed: Annotated[str, typer.Option(help="Kafka: 1 as it was, N times as fast, or max.")] = "max",
    decisions: Annotated[Path | None, typer.Option(help="Write the decisions here, one JSON object a line.")] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where unusable records go.  [default: NAME.rejects.jsonl here]")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Keep the progress in this file, and go on from it when it is there: after a kill, for one."),
    ] = None,
    save_every: Annotated[float, typer.Option(min=0, help="Seconds between two saves of the progress.")] = 10.0,
    report: Annotated[
        Path | None, typer.Option(help="Write what became of it here as JSON, unmapped records by reason and column.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print that JSON instead of words.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first unusable record.")] = False,
    control: Annotated[
        Path | None,
        typer.Option(help="Operators, trunks, lists, policy, facts to begin with: JSON Lines of kind, key, value."),
    ] = None,
    hold: Annotated[
        int, typer.Option(min=0, help="Rows held back to put them in order; 0 keeps the file's order.")
    ] = 20_000,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Kafka: read the decisions back.")] = True,
    patience: Annotated[float, typer.Option(min=0.1, help="Kafka: seconds without a decision until giving up.")] = 30.0,
    home: Annotated[str | None, typer.Option(help="Home country; the mapping's, else the setting, by default.")] = None,
    partitions: Annotated[int | None, typer.Option(help="Partitions of calls.v1; the setting by default.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers; the setting by default.")] = None,
    at_column: Annotated[
        str | None, typer.Option(help="CSV without a mapping: the column of the time; the four below name the others.")
    ] = None,
    caller_column: Annotated[str, typer.Option(help="The column of the calling number.")] = "caller",
    callee_column: Annotated[str, typer.Option(help="The column of the called number.")] = "callee",
    talk_column: Annotated[
        str | None, typer.Option(help="The column of the talk time in seconds, if there is one.")
    ] = None,
    time_format: Annotated[str, typer.Option(help="iso, s, ms, or a pattern of strptime.")] = "iso",
    zone: Annotated[str, typer.Option(help="Time zone of times that name none: UTC, +05:00, Asia/Almaty.")] = "UTC",
    operator: Annotated[str, typer.Option(help="Who reports the calls of such a file.")] = "replay",
    ingress: Annotated[
        Literal["subscriber", "national", "international"], typer.Option(help="How the calls of such a file came in.")
    ] = "national",
) -> None:
    """Judge files of call records: put in order of time, sent through the engine or through Kafka.

    Straight through the engine no signals are heard (what is counted over all partitions, by a merger): `streamer evaluate` hears them.
    Both ways give the same decisions but for `decided_at` and `late`, if the workers are fresh, have shared the partitions, run with `--no-clamp` and
    the same settings (STREAMER_HOME is the home country), no merger runs, and nothing else calls meanwhile; topics of their own are had by
    STREAMER_PREFIX. With --resume, a replay that was killed goes on where its progress was saved: the engine's decisions are those of an
    undisturbed one, byte for byte, and into Kafka no message goes twice. The exit code is 1 when a set-up stayed without a decision or no record was of use, 130 after Ctrl-C or SIGTERM.
    """
    from streamer.lab import account
    from streamer.lab import mapping as mappings
    from streamer.lab.files import keep_apart, opened
    from streamer.lab.history import History, Order

    if mapping is not None and at_column is not None:
        raise SettingsError("--mapping and --at-column exclude each other")
    settings = load(bootstrap=bootstrap, partitions=partitions)
    secret = settings.secret.get_secret_value().encode()
    chosen: Mapping | None = None
    if mapping is not None:
        chosen = mappings.read(mapping, secret)
    elif at_column is not None:
        columns = {"at": at_column, "caller": caller_column, "callee": callee_column, "talk": talk_column}
        chosen = mappings.of_columns(columns, time_format, zone, {"operator": operator, "ingress": ingress}, secret)
    order = Order(
        files=files,
        mapping=chosen,
        to=to,
        home=home or (chosen.layout.home if chosen else None) or settings.home,
        rejects=rejects or Path(f"{files[0].name.split('.')[0]}.rejects.jsonl"),
        hold=hold,
        control=control,
        decisions=decisions,
        strict=strict,
        speed=_speed(speed),
        read_back=wait,
        patience_s=patience,
        resume=resume,
        save_every_s=save_every,
    )
    of_mapping = Path(mapping) if mapping is not None else None
    keep_apart(
        [*files, control, of_mapping],
        {"--decisions": decisions, "--rejects": order.rejects, "--report": report, "--resume": resume},
    )
    with History(order, settings) as history:
        if history.complete and not as_json:
            typer.echo(f"{resume} says that this replay is complete; delete it to begin anew")
        with _progress(history.source) as tell:
            history.run(tell)
    told = plain_json(json.dumps(history.document(), ensure_ascii=False, indent=1))
    if report is not None:
        with opened(report) as file:
            file.write(told.encode() + b"\n")
    if as_json:
        say_json(told)
    else:
        for line in account.said(history):
            say(line)
        for line in account.warned(history):
            say(line, err=True)
    if history.interrupted:
        raise typer.Exit(130)
    if history.waited and history.summary.undecided:
        raise typer.Exit(1)
    if history.source.records and not history.summary.published:
        raise ReplayError(
            f"none of {history.source.records:,} records is of use; see {order.rejects}, and whether the mapping fits"
        )


@contextmanager
def _progress(source: Source) -> Iterator[Any]:
    """A bar over the bytes of the files that are dealt with, on a terminal's standard error.

    A small file is read at once and published bit by bit: what counts is the part of the messages that went on.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
    shown = [0.0]
    with bar:
        task = bar.add_task("replay", total=source.size)

        def tell(summary: Summary) -> None:
            if not bar.disable and (now := time.monotonic()) > shown[0] + _SHOW_S:
                shown[0] = now
                words = f"{summary.published:,} published, {summary.decided:,} decided"
                bar.update(task, completed=source.taken * summary.published / max(1, source.made), description=words)

        yield tell


def _speed(text: str) -> float:
    if text == "max":
        return float("inf")
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise SettingsError(f"--speed {text}: max, or a number above 0")
    return speed
