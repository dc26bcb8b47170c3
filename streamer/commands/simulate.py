"""`streamer simulate`: mixed honest and fraudulent traffic, to a file or into Kafka."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

import msgspec
import typer

from streamer.errors import SettingsError
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.lab.ordering import Message
    from streamer.lab.traffic import Traffic
    from streamer.lab.writing import Slice

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(
    epilog="Example: streamer simulate --to calls.jsonl --control control.jsonl --truth truth.jsonl --rate 500, then"
    " streamer replay calls.jsonl --control control.jsonl. Live: streamer simulate --to kafka --rate 100 --seconds 600"
)
def simulate(
    to: Annotated[
        str,
        typer.Option(
            metavar="FILE|kafka", help="A file of JSON Lines, as fast as it goes, or `kafka`, paced by the clock."
        ),
    ],
    rate: Annotated[
        float, typer.Option(min=0.1, max=1e6, help="Set-ups a second; answers and ends come on top.")
    ] = 100,
    seconds: Annotated[float, typer.Option(min=1, max=1e9, help="How long calls are begun, in simulated time.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed makes the same traffic.")] = 1,
    frauds: Annotated[
        str | None,
        typer.Option(
            help="Campaigns and their part of all set-ups: robocall=0.02,wangiri+slower@4=0.01 (docs/lab.md); `none`."
        ),
    ] = None,
    subscribers: Annotated[
        int | None, typer.Option(min=200, help="Mobile lines; by default as many as make 5 calls a day.")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Write each set-up's call id, fraud type (null: honest), campaign and kind of honest line here."
        ),
    ] = None,
    control: Annotated[
        Path | None,
        typer.Option(
            help="Write operators, trunks, lists and facts here, for `replay --control`; into Kafka they always go."
        ),
    ] = None,
    rhythm: Annotated[
        bool, typer.Option("--rhythm", help="Let calls follow the hour of the day and the day of the week.")
    ] = False,
    publishers: Annotated[
        Literal["good", "usual", "lagging"],
        typer.Option(help="All events in time; some lost and clocks differ; one operator lags besides."),
    ] = "good",
    processes: Annotated[
        int,
        typer.Option(min=1, max=64, help="How many processes make the calls of a file; another number, other calls."),
    ] = 1,
    partitions: Annotated[int | None, typer.Option(help="Partitions of calls.v1; the setting by default.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers; the setting by default.")] = None,
) -> None:
    """Make mixed honest and fraudulent traffic at a set rate, as messages of the contract that `replay` reads.

    A file holds the end of every call. Into Kafka, operators, trunks, lists and facts go first, and it stops after the given
    seconds, calls under way or not; Ctrl-C stops it earlier. Campaigns are those of the fraud table in docs/lab.md, and
    adversaries that adapt: slower@4, rotating@10, mixed@0.5 or spread@8 behind a plus sign, spoofed_bank, spoofed_roamer@0.5,
    spoofed_active@0.5, scam_line, flood_from_lines@4.
    """
    from streamer.lab import control as controls
    from streamer.lab.files import keep_apart, opened
    from streamer.lab.publishers import PUBLISHERS
    from streamer.lab.publishing import SETTLE_S, through_kafka
    from streamer.lab.replay import Summary
    from streamer.lab.traffic import DEFAULT_START_MS, Traffic
    from streamer.lab.writing import slices

    live = to == "kafka"
    settings = load(bootstrap=bootstrap, partitions=partitions)
    keep_apart([], {"--to": None if live else Path(to), "--truth": truth, "--control": control})
    try:
        options: dict[str, Any] = {
            "seed": seed,
            "rate": rate,
            "seconds": seconds,
            "frauds": shares(frauds),
            "start_ms": int((time.time() + SETTLE_S) * 1000) if live else DEFAULT_START_MS,
            "subscribers": subscribers,
            "rhythm": rhythm,
            "publishers": PUBLISHERS[publishers],
        }
        traffic = Traffic(**options, shard=(0, 1 if live else processes))
    except ValueError as error:
        raise SettingsError(f"--frauds, --rate, --subscribers or --processes: {error}") from None
    run = _Run()
    summary = Summary()
    interrupted = False
    with ExitStack() as stack:
        try:
            if truth is not None:
                run.truth = stack.enter_context(opened(truth))
            if control is not None:
                with opened(control) as file:
                    file.writelines(map(controls.line, controls.of_traffic(traffic)))
            shown = stack.enter_context(_progress(traffic.start_ms, seconds))
            if live:
                messages = run.messages(traffic, settings.home, shown)
                of_operators = controls.of_traffic(traffic)
                through_kafka(messages, settings, control=of_operators, speed=1.0, read_back=False, summary=summary)
            else:
                run.write(slices(options, processes), stack.enter_context(opened(Path(to))), shown)
        except KeyboardInterrupt:
            interrupted = True
    typer.echo(
        f"{'interrupted: ' * interrupted}{run.made:,} events of {run.setups:,} calls"
        f" {'published at ' + settings.bootstrap if live else 'written to ' + to}"
    )
    if summary.unconfirmed:
        typer.echo(f"{summary.unconfirmed:,} messages may not have reached {settings.bootstrap}", err=True)
    if interrupted:
        raise typer.Exit(130)


class _Run:
    """What became of some traffic: its events and set-ups counted, the truth about each set-up written to `truth`."""

    def __init__(self) -> None:
        self.made = 0
        self.setups = 0
        self.truth: BinaryIO | None = None

    def write(self, made: Iterator[Slice], file: BinaryIO, shown: Callable[[int], None]) -> None:
        """Write events as lines, as they come."""
        for part in made:
            file.writelines(line for _, line in part.events)
            if self.truth is not None:
                self.truth.writelines(line for _, line in part.truths)
            self.made += len(part.events)
            self.setups += len(part.truths)
            shown(part.until_ms)

    def messages(self, traffic: Traffic, home: str, shown: Callable[[int], None]) -> Iterator[Message]:
        """Messages for Kafka, until no more calls are begun: nobody waits an hour for the last conversation to end."""
        from streamer.calls.codec import encode
        from streamer.calls.events import Setup
        from streamer.calls.numbers import caller_key, home_plan
        from streamer.lab.ordering import Message

        plan = home_plan(home)
        for at, event, _ in traffic:
            if traffic.stop_ms is not None and at >= traffic.stop_ms:
                break
            self.made += 1
            call = None
            if isinstance(event, Setup):
                call = (event.operator, event.call_id)
                self.setups += 1
                if self.truth is not None:
                    self.truth.write(msgspec.json.encode(traffic.truth(event.call_id)) + b"\n")
            yield Message(at, caller_key(event.caller, event.asserted, event.callee, plan), encode(event), call)
            if self.made % 100 == 0:
                shown(at)


@contextmanager
def _progress(start_ms: int, seconds: float) -> Iterator[Callable[[int], None]]:
    """What moves a bar over simulated time, on a terminal's standard error."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("simulated seconds", total=seconds)
        yield lambda at_ms: bar.update(task, completed=min(seconds, (at_ms - start_ms) / 1000))


def shares(text: str | None) -> dict[str, float] | None:
    """Parts of all set-ups by fraud type, as `--frauds` has them; None for none given. Raises `ValueError`."""
    if text is None:
        return None
    if text == "none":
        return {}
    try:
        return {name.strip(): float(share) for name, share in (part.rsplit("=", 1) for part in text.split(","))}
    except ValueError:
        raise ValueError(f"{text!r} is not a list like robocall=0.02,wangiri+slower@4=0.01") from None
