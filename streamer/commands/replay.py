"""`streamer replay`: files of call records into Kafka, or straight through the engine."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from streamer.errors import ReplayError, SettingsError
from streamer.settings import Settings, load

if TYPE_CHECKING:
    from streamer.lab.mapping import Mapping
    from streamer.lab.replay import Summary
    from streamer.lab.source import Rejects, Source

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

_SHOW_S: Final = 0.1


@app.command(
    epilog="Example: streamer replay calls.csv --mapping sichuan --to kafka --speed 10 --decisions decisions.jsonl"
)
def replay(
    files: Annotated[list[Path], typer.Argument(help="JSON Lines (.jsonl, .ndjson, .json) or CSV, perhaps with .gz.")],
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

    Both ways give the same decisions but for `decided_at` and `late`, if the workers are fresh, have shared the partitions, run with `--no-clamp` and
    the same settings (STREAMER_HOME is the home country), and nothing else calls meanwhile; topics of their own are had by
    STREAMER_PREFIX. The exit code is 1 when a set-up stayed without a decision or no record was of use, 130 after Ctrl-C or SIGTERM.
    """
    from streamer.calls.numbers import home_plan
    from streamer.lab import control as controls
    from streamer.lab import mapping as mappings
    from streamer.lab.files import written
    from streamer.lab.publishing import through_kafka
    from streamer.lab.replay import Summary
    from streamer.lab.source import Rejects, Source

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
    country = home or (chosen.layout.home if chosen else None) or settings.home
    bad = Rejects(rejects or Path(f"{files[0].name.split('.')[0]}.rejects.jsonl"), strict=strict)
    pace = _speed(speed)
    waited = wait or to == "engine"
    with ExitStack() as stack:
        stack.enter_context(bad)
        source = Source(files, chosen, home_plan(country), bad, hold=hold)
        summary = Summary()
        interrupted = False
        try:
            write = stack.enter_context(written(decisions)).write if decisions else lambda _: 0
            with _progress(source) as tell:
                if to == "engine":
                    _engine(source, settings, country, control, write, tell, summary)
                else:
                    first = controls.read(control) if control else ()
                    through_kafka(
                        source, settings, control=first, speed=pace, read_back=wait, patience_s=patience, write=write,
                        progress=tell, summary=summary,
                    )  # fmt: skip
        except KeyboardInterrupt:
            interrupted = True
    _report(source, summary, bad, chosen, country, waited=waited, interrupted=interrupted, decisions=decisions)
    if interrupted:
        raise typer.Exit(130)
    if waited and summary.undecided:
        raise typer.Exit(1)
    if source.records and not summary.published:
        raise ReplayError(f"none of {source.records:,} records is of use; see {bad.path}, and whether the mapping fits")


def _engine(
    source: Source, settings: Settings, home: str, control: Path | None, write: Any, tell: Any, summary: Summary
) -> None:
    from streamer.errors import MessageError
    from streamer.lab import control as controls
    from streamer.lab.replay import history_engine, through_engine

    engine = history_engine(settings, home)
    for record in controls.read(control) if control else ():
        try:
            engine.apply(record.kind, record.key, record.value)
        except MessageError as error:
            raise controls.refused(control or Path(), record, error) from None
    through_engine(source, engine, settings, write=write, progress=tell, summary=summary)


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


def _report(
    source: Source,
    summary: Summary,
    bad: Rejects,
    chosen: Mapping | None,
    home: str,
    *,
    waited: bool,
    interrupted: bool,
    decisions: Path | None,
) -> None:
    setups = f"{summary.setups:,} set-ups"
    if interrupted:
        typer.echo(
            f"interrupted: of {source.made:,} messages read, {source.made - summary.published:,} were not sent on"
        )
    typer.echo(f"{source.records:,} records read; {summary.published:,} messages, {setups}; home country {home}")
    if waited:
        actions = ", ".join(f"{action} {count:,}" for action, count in summary.actions.most_common())
        where = f", written to {decisions}" if decisions else ""
        typer.echo(f"{summary.decided:,} decided ({actions or 'none'}){where}; {summary.undecided:,} undecided")
    if waited and summary.undecided and not interrupted:
        typer.echo(
            "no worker answered in time: see that one runs (`streamer worker --no-clamp`), or raise --patience",
            err=True,
        )
    if summary.unconfirmed:
        typer.echo(f"{summary.unconfirmed:,} messages may not have reached the brokers", err=True)
    if summary.clamped:
        typer.echo(
            f"{summary.clamped:,} decisions are for the time of arrival, not for the time of the call, so that windows"
            " differ: start the workers with --no-clamp",
            err=True,
        )
    if summary.moved:
        typer.echo(
            f"{summary.moved} partitions went to another worker meanwhile, with windows that began empty there: for the"
            " engine's decisions begin when no worker joins or leaves any more",
            err=True,
        )
    if summary.dead_letters:
        typer.echo(
            f"{summary.dead_letters:,} of the messages became dead letters: see the topic calls.v1.dlq", err=True
        )
    if source.out_of_order:
        typer.echo(f"{source.out_of_order:,} messages came after later ones; a larger --hold may put them in order")
    if chosen is not None and chosen.unchecked:
        typer.echo(f"{chosen.unchecked:,} numbers were given to pseudonyms without a look at whether they are taken")
    if bad.counts:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in bad.counts.most_common())
        typer.echo(f"{bad.counts.total():,} unusable records ({reasons}) in {bad.path}; the first ones:", err=True)
        for words in bad.first:
            typer.echo(f"  {words}", err=True)
