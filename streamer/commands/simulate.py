"""`streamer simulate`: mixed honest and fraudulent traffic, to a file or into Kafka."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.progress import Progress

from streamer.errors import SettingsError
from streamer.settings import load

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: streamer simulate --rate 500 --seconds 60 --out calls.jsonl --truth truth.jsonl")
def simulate(
    rate: Annotated[float, typer.Option(min=0.1, help="Set-ups a second; answers and ends come on top.")] = 100,
    seconds: Annotated[float, typer.Option(min=1, help="How long calls are begun, in simulated time.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed makes the same traffic.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write JSON lines to this file, as fast as it goes.")] = None,
    kafka: Annotated[bool, typer.Option("--kafka", help="Publish into Kafka, paced by the clock.")] = False,
    truth: Annotated[
        Path | None, typer.Option(help="Write call id and fraud type (null: honest) of each set-up here.")
    ] = None,
    frauds: Annotated[
        str | None, typer.Option(help="Fraud types and their part of all set-ups: robocall=0.02,wangiri=0.01; `none`.")
    ] = None,
    subscribers: Annotated[
        int | None, typer.Option(min=100, help="Mobile lines; by default as many as make 8 calls a day.")
    ] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers; the setting by default.")] = None,
) -> None:
    """Make mixed honest and fraudulent traffic at a set rate. With `--kafka` operators and facts are published first.

    A file holds the end of every call; into Kafka it stops after the given seconds, calls under way or not.
    """
    from streamer.calls.events import Setup
    from streamer.lab.traffic import DEFAULT_START_MS, Traffic

    if (out is None) == (not kafka):
        raise SettingsError("say where to: either --out FILE or --kafka")
    start_ms = int(time.time() * 1000) if kafka else DEFAULT_START_MS
    try:
        traffic = Traffic(
            seed, rate, seconds=seconds, frauds=_shares(frauds), start_ms=start_ms, subscribers=subscribers
        )
    except ValueError as error:
        raise SettingsError(f"--frauds: {error}") from None
    settings = load(bootstrap=bootstrap)
    with ExitStack() as stack:
        told = stack.enter_context(truth.open("wb")) if truth is not None else None
        progress = stack.enter_context(Progress(disable=not sys.stderr.isatty()))
        task = progress.add_task("simulated seconds", total=seconds)
        send: Any
        if out is not None:
            file = stack.enter_context(out.open("wb", buffering=1 << 20))
            send = _to_file(file)
        else:
            send = stack.enter_context(_Publisher(settings, traffic))
        made = setups = 0
        for at, event, label in traffic:
            if kafka and at >= start_ms + 1000 * seconds:
                break  # nobody waits an hour for the last conversation to end
            send(at, event)
            made += 1
            if isinstance(event, Setup):
                setups += 1
                if told is not None:
                    told.write(orjson.dumps({"call_id": event.call_id, "fraud_type": label}) + b"\n")
            if made % 1_000 == 0:
                progress.update(task, completed=min(seconds, (at - traffic.start_ms) / 1000))
        progress.update(task, completed=seconds)
    typer.echo(f"{made:,} events of {setups:,} calls written to {out if out is not None else 'Kafka'}")


def _shares(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    if text == "none":
        return {}
    try:
        return {name.strip(): float(share) for name, share in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise ValueError(f"{text!r} is not a list like robocall=0.02,wangiri=0.01") from None


def _to_file(file: Any) -> Any:
    import msgspec

    encode = msgspec.json.Encoder().encode

    def send(at: int, event: Any) -> None:  # one signature for both ways
        file.write(encode(event) + b"\n")

    return send


class _Publisher:
    """Publishes at the pace of the clock, keyed by caller key."""

    def __init__(self, settings: Any, traffic: Any) -> None:
        import msgspec

        from streamer.calls.numbers import home_plan
        from streamer.kafka import clients, topics

        topics.ensure(settings)
        self._topics = topics.Topics(settings)
        self._producer = clients.producer(settings, **{"linger.ms": 1})
        self._plan = home_plan(settings.home)
        self._encode = msgspec.json.Encoder().encode
        self._traffic = traffic

    def __enter__(self) -> Any:
        for operator in self._traffic.operators():
            self._put(self._topics.operators, operator.operator, operator)
        for trunk in self._traffic.trunks():
            self._put(self._topics.trunks, f"{trunk.operator}/{trunk.trunk}", trunk)
        for fact in self._traffic.facts():
            self._put(getattr(self._topics, fact.fact), fact.number, fact)
        self._producer.flush(60)
        self._began = time.time() - self._traffic.start_ms / 1000
        return self._send

    def __exit__(self, *_: object) -> None:
        self._producer.flush(60)

    def _send(self, at: int, event: Any) -> None:
        from streamer.calls.numbers import caller_key

        early = self._began + at / 1000 - time.time()
        if early > 0:
            self._producer.poll(0)
            time.sleep(early)
        self._put(self._topics.calls, caller_key(event.caller, event.asserted, event.callee, self._plan), event)

    def _put(self, topic: str, key: str, message: Any) -> None:
        while True:
            try:
                self._producer.produce(topic, key=key, value=self._encode(message))
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return
