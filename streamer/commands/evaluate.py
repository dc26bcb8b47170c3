"""`streamer evaluate`: what the detectors catch and whom they hit wrongly, or would, before anything is switched on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamer.commands.printing import say, say_json
from streamer.commands.simulate import shares
from streamer.errors import ReplayError, SettingsError
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.lab.evaluation.evaluation import Count, Rules
    from streamer.lab.evaluation.pages import Part
    from streamer.lab.rejects import Rejects

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(
    epilog="Examples: streamer evaluate --seconds 600 --to evaluation.md; streamer evaluate calls.csv --mapping mine.toml --html"
    " asked.html; streamer evaluate calls.csv --mapping mine.toml --truth truth.jsonl --candidate stricter.json"
)
def evaluate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Call records, as `streamer replay` reads them; without any, traffic is made up."),
    ] = None,
    mapping: Annotated[
        str | None, typer.Option(help="sichuan, vast2008, ftc, or a TOML file; without: messages of the contract.")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="JSON Lines of call_id and fraud (a type, or null for honest), both needed, perhaps campaign and kind."
        ),
    ] = None,
    control: Annotated[
        Path | None,
        typer.Option(help="Operators, trunks, lists, policy, facts to begin with: JSON Lines of kind, key, value."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="The policy in force, as JSON; that of --control, else the defaults.")
    ] = None,
    candidate: Annotated[
        Path | None, typer.Option(help="A policy to be tried beside it, as JSON. Nothing is published.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write the report here in Markdown, its pictures to a folder of that name.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write it here as one HTML file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON instead of the report.")] = False,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="Made-up traffic; several are added up.  [default: some on which nothing was set]"),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, max=1e6, help="Made-up traffic: set-ups a second.")] = 200,
    seconds: Annotated[
        float, typer.Option(min=1, max=1e9, help="How long calls are begun, in simulated time, for each seed.")
    ] = 2_000,
    warm_up: Annotated[
        float | None,
        typer.Option(
            min=0, max=1e9, help="Seconds of it that only fill windows.  [default: half of them, at most 950]"
        ),
    ] = None,
    frauds: Annotated[
        str | None, typer.Option(help="Fraud types and their part of all set-ups: robocall=0.02,wangiri=0.01; `none`.")
    ] = None,
    adversaries: Annotated[
        bool, typer.Option("--adversaries", help="Also try fraudsters who adapt, in traffic of their own.")
    ] = False,
    subscribers: Annotated[
        int | None, typer.Option(min=200, help="Mobile lines; by default as many as make 5 calls a day.")
    ] = None,
    rhythm: Annotated[bool, typer.Option("--rhythm", help="Let the rate follow the hour of the day.")] = False,
    hours: Annotated[
        list[int] | None,
        typer.Option(
            "--hour",
            min=0,
            max=23,
            help="Local hour at which made-up traffic begins, for each seed in turn.  [default: 8, 22]",
        ),
    ] = None,
    publishers: Annotated[
        Literal["good", "usual", "lagging"],
        typer.Option(help="Whether operators lose events, have wrong clocks and publish late."),
    ] = "good",
    day: Annotated[
        bool, typer.Option("--day", help="Also a whole day at a 25th of the rate: some frauds are slow.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="Where unusable records go.  [default: NAME.rejects.jsonl here]")
    ] = None,
    hold: Annotated[
        int, typer.Option(min=0, help="Rows held back to put them in order; 0 keeps the file's order.")
    ] = 20_000,
    home: Annotated[str | None, typer.Option(help="Home country; the mapping's, else the setting, by default.")] = None,
    partitions: Annotated[
        int | None,
        typer.Option(help="Partitions that calls are spread over; the setting, for made-up traffic 1, by default."),
    ] = None,
) -> None:
    """Measure the detectors, in this process alone: no broker is needed and nothing is published.

    On made-up traffic, or on records with --truth: recall by fraud type beside its bar, calls and seconds until the first block,
    wrong blocks by kind of honest line with their bound, precision where fraud is rare, what each detector adds, threshold
    curves. On records without: what would have been blocked, on which lines and why. Signals are merged beside the engine and heard as
    they would be live, in records by their own times. With --candidate, what another policy would
    newly block and release on the same calls.
    """
    from streamer.lab import mapping as mappings
    from streamer.lab.evaluation import evaluation, pages, telling, truths
    from streamer.lab.evaluation.evaluation import Rules
    from streamer.lab.files import keep_apart

    if not files and (mapping or truth or control):
        raise SettingsError("--mapping, --truth and --control are about files of calls, and none is named")
    if files and rejects is None:
        rejects = Path(f"{files[0].name.split('.')[0]}.rejects.jsonl")
    read = [*(files or ()), truth, control, policy, candidate, None if mapping is None else Path(mapping)]
    keep_apart(read, {"--rejects": rejects, "--to": to, "--html": html})
    rules = _rules(policy, candidate)
    _ready(to, html)
    began = time.monotonic()
    adapting = None
    if files and rejects is not None:
        settings = load(partitions=partitions)
        secret = settings.secret.get_secret_value().encode()
        chosen = None if mapping is None else mappings.read(mapping, secret)
        country = home or (chosen.layout.home if chosen else None) or settings.home
        records = evaluation.Records(files, chosen, control, rejects, hold, country)
        known = None if truth is None else truths.read(truth)
        with _progress("read and judged") as tell:
            count, bad = evaluation.judge_records(records, known, rules, settings, tell)
        _warn(count, bad)
        found = list(telling.of_records(records, count, None if known is None else len(known)))
    else:
        settings = load(partitions=partitions or 1)
        try:
            wanted = shares(frauds)
        except ValueError as error:
            raise SettingsError(f"--frauds: {error}") from None
        order = evaluation.Simulation(
            tuple(seed or evaluation.SEEDS),
            rate,
            seconds,
            wanted,
            subscribers,
            warm_up,
            rhythm,
            tuple(hours or evaluation.HOURS),
            day,
            publishers,
        )
        with _progress("simulated and judged") as tell:
            count = evaluation.simulate(order, rules, settings, tell)
        if adversaries:
            with _progress("of adversaries simulated and judged") as tell:
                adapting = evaluation.simulate(evaluation.adapting(order), Rules(rules.present), settings, tell)
        found = list(telling.of_simulation(order, count, settings.partitions, adapting))
    took = time.monotonic() - began
    events = count.events + (adapting.events if adapting is not None else 0)
    _write(found, to, html)
    if as_json:
        say_json(json.dumps(telling.document(count, adapting), ensure_ascii=False, indent=1))
    elif to is None and html is None:
        typer.echo(pages.markdown([part for part in found if not isinstance(part, pages.Picture)], ""))
    written = " and ".join(str(path) for path in (to, html) if path is not None)
    say(
        f"{events:,} events judged in {took:.0f} s ({events / took:,.0f}/s){f'; {written} written' * bool(written)}",
        err=True,
    )


def _rules(policy: Path | None, candidate: Path | None) -> Rules:
    from streamer.desk.edits import read_file
    from streamer.lab.evaluation.evaluation import Rules

    return Rules(*(None if path is None else read_file(path) for path in (policy, candidate)))


def _warn(count: Count, bad: Rejects) -> None:
    """Say what of the records was of no use. Raises `ReplayError` where nothing is left to judge."""
    from streamer.lab.ordering import late_said

    basis = count.basis
    assert basis is not None
    for line in bad.lines():
        say(line, err=True)
    if not basis.setups:
        mend = f"; see {bad.path}, and whether the mapping fits" if basis.unusable else ""
        raise ReplayError(f"none of {basis.read:,} records is of use, there is no set-up to judge{mend}")
    if basis.out_of_order:
        say(late_said(basis.out_of_order), err=True)


def _ready(to: Path | None, html: Path | None) -> None:
    """See before anything is judged that the report can be written; the folder of its pictures is made."""
    from streamer.lab.files import refuse_unwritable

    if to is not None:
        folder = to.with_suffix("")
        if folder == to:
            raise SettingsError(
                f"--to {to}: {to}.md, for one, since the pictures go to the folder that is named as the report is without its ending"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReplayError(f"{folder} cannot be made: {error.strerror}") from None
        refuse_unwritable(to)
    if html is not None:
        refuse_unwritable(html)


def _write(found: list[Part], to: Path | None, html: Path | None) -> None:
    from streamer.lab.evaluation import pages
    from streamer.lab.files import opened

    if to is not None:
        folder = to.with_suffix("")
        for part in found:
            if isinstance(part, pages.Picture):
                with opened(folder / f"{part.name}.svg") as file:
                    file.write(part.svg.encode())
        with opened(to) as file:
            file.write(pages.markdown(found, folder.name).encode())
    if html is not None:
        with opened(html) as file:
            file.write(pages.html(found).encode())


@contextmanager
def _progress(doing: str) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal's standard error; elsewhere a line each tenth."""
    from rich.console import Console
    from rich.progress import Progress

    told = [0]
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(doing, total=1.0)

        def tell(part: float) -> None:
            bar.update(task, completed=part)
            if bar.disable and int(10 * part) > told[0]:
                told[0] = int(10 * part)
                say(f"{10 * told[0]} % {doing}", err=True)

        yield tell
