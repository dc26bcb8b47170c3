"""`streamer simulate`: mixed honest and fraudulent traffic, to a file or into Kafka."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import msgspec
import typer

from streamer.errors import SettingsError
from streamer.settings import Settings, load

if TYPE_CHECKING:
    from streamer.lab.ordering import Message
    from streamer.lab.traffic import Traffic

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
    rate: Annotated[float, typer.Option(min=0.1, help="Set-ups a second; answers and ends come on top.")] = 100,
    seconds: Annotated[float, typer.Option(min=1, help="How long calls are begun, in simulated time.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed makes the same traffic.")] = 1,
    frauds: Annotated[
        str | None, typer.Option(help="Fraud types and their part of all set-ups: robocall=0.02,wangiri=0.01; `none`.")
    ] = None,
    subscribers: Annotated[
        int | None, typer.Option(min=200, help="Mobile lines; by default as many as make 8 calls a day.")
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
    partitions: Annotated[int | None, typer.Option(help="Partitions of calls.v1; the setting by default.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers; the setting by default.")] = None,
) -> None:
    """Make mixed honest and fraudulent traffic at a set rate, as messages of the contract that `replay` reads.

    A file holds the end of every call. Into Kafka, operators, trunks, lists and facts go first, and it stops after the given
    seconds, calls under way or not; Ctrl-C stops it earlier. Fraud types: cli_spoofing, trunk_mismatch,
    unverified_origin, number_invalid, robocall, wangiri, range_probing, scam_centre.
    """
    from streamer.lab import control as controls
    from streamer.lab.files import opened
    from streamer.lab.publishing import SETTLE_S, through_kafka
    from streamer.lab.replay import Summary
    from streamer.lab.traffic import DEFAULT_START_MS, Traffic

    live = to == "kafka"
    settings = load(bootstrap=bootstrap, partitions=partitions)
    start_ms = int((time.time() + SETTLE_S) * 1000) if live else DEFAULT_START_MS
    try:
        traffic = Traffic(
            seed, rate, seconds=seconds, frauds=_shares(frauds), start_ms=start_ms, subscribers=subscribers
        )
    except ValueError as error:
        raise SettingsError(f"--frauds, --rate or --subscribers: {error}") from None
    run = _Run(traffic, settings, start_ms + int(1000 * seconds) if live else None)
    summary = Summary()
    interrupted = False
    with ExitStack() as stack:
        try:
            if truth is not None:
                run.truth = stack.enter_context(opened(truth))
            if control is not None:
                with opened(control) as file:
                    file.writelines(map(controls.line, controls.of_traffic(traffic)))
            with _progress(run, seconds) as messages:
                if live:
                    of_operators = controls.of_traffic(traffic)
                    through_kafka(messages, settings, control=of_operators, speed=1.0, read_back=False, summary=summary)
                else:
                    stack.enter_context(opened(Path(to))).writelines(message.value + b"\n" for message in messages)
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
    """The messages of some traffic: counted, with their truth written down, until `stop_ms` (None: to the last end)."""

    def __init__(self, traffic: Traffic, settings: Settings, stop_ms: int | None) -> None:
        self.traffic = traffic
        self.made = 0
        self.setups = 0
        self.truth: BinaryIO | None = None
        """Where to write the truth about each set-up."""
        self._home = settings.home
        self._stop_ms = stop_ms

    def __iter__(self) -> Iterator[Message]:
        from streamer.calls.codec import encode
        from streamer.calls.events import Setup
        from streamer.calls.numbers import caller_key, home_plan
        from streamer.lab.ordering import Message

        plan = home_plan(self._home)
        for at, event, _ in self.traffic:
            if self._stop_ms is not None and at >= self._stop_ms:
                break  # nobody waits an hour for the last conversation to end
            self.made += 1
            call = None
            if isinstance(event, Setup):
                call = (event.operator, event.call_id)
                self.setups += 1
                if self.truth is not None:
                    self.truth.write(msgspec.json.encode(self.traffic.truth(event.call_id)) + b"\n")
            yield Message(at, caller_key(event.caller, event.asserted, event.callee, plan), encode(event), call)


@contextmanager
def _progress(run: _Run, seconds: float) -> Iterator[Iterator[Message]]:
    """The messages, moving a bar over simulated time on a terminal's standard error."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("simulated seconds", total=seconds)

        def moved() -> Iterator[Message]:
            for message in run:
                yield message
                if run.made % 100 == 0:
                    bar.update(task, completed=min(seconds, (message.at - run.traffic.start_ms) / 1000))

        yield moved()


def _shares(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    if text == "none":
        return {}
    try:
        return {name.strip(): float(share) for name, share in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise ValueError(f"{text!r} is not a list like robocall=0.02,wangiri=0.01") from None
