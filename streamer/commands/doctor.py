"""`streamer doctor`: is the installation sound, is a publisher's sample, is what an operator publishes now?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from streamer.commands.printing import say, say_json
from streamer.errors import SettingsError
from streamer.settings import Settings, load

if TYPE_CHECKING:
    from streamer.doctor.findings import Finding
    from streamer.doctor.sample import Placed, Sample

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

_MARKS: Final = {"ok": "ok     ", "warning": "WARNING", "failed": "FAILED ", "skipped": "skipped"}


@app.command(
    epilog="Example: kcat -b 127.0.0.1:9092 -C -t calls.v1 -c 1000 -K '|' > sample && streamer doctor sample --key-separator '|'"
)
def doctor(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A publisher's sample, a record a line, perhaps .gz; /dev/stdin too. Without: the installation."
        ),
    ] = None,
    live: Annotated[
        str | None, typer.Option(metavar="OPERATOR", help="Judge what this operator publishes now.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long --live watches.")] = 30.0,
    key_separator: Annotated[
        str | None, typer.Option(help=r"FILE has keys: KEY, this, VALUE, as `kcat -K` prints; \t is a tabulator.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="FILE: flaws shown at most; 0 shows all.")] = 50,
    wait: Annotated[float, typer.Option(min=0.1, help="Seconds that each answer of the brokers may take.")] = 10.0,
    listen: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for records to compare clocks by.")] = 2.0,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as failures.")] = False,
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers; the setting by default.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Put before every topic name; the setting by default.")] = None,
    partitions: Annotated[int | None, typer.Option(help="Partitions of calls.v1; the setting by default.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")] = False,
) -> None:
    """Find what is wrong and say how to mend it; nothing is changed or published.

    Without FILE: brokers, topics, keys and partitioner of the latest calls, clocks, control topics, workers, trainer, merger, secret.
    With FILE: each line against the contract. With --live: what one operator publishes meanwhile.
    Exit code 0: sound. 1: a check failed (with --strict also: a warning).
    """
    if file is not None and live is not None:
        raise SettingsError("FILE and --live exclude each other")
    if key_separator == "":
        raise SettingsError("--key-separator is empty: give what stands between key and value, such as '|'")
    settings = load(bootstrap=bootstrap, prefix=prefix, partitions=partitions)
    told: dict[str, Any] = {}
    if file is not None:
        found = _sample(file, settings, key_separator, limit, told, json=json)
    elif live is not None:
        found = _live(live, settings, seconds, wait)
    else:
        from streamer.doctor.cluster import examine

        found = examine(settings, wait_s=wait, listen_s=listen)
    sound = not any(finding.state == "failed" or (strict and finding.state == "warning") for finding in found)
    if json:
        checks = [finding._asdict() | {"text": _sound(finding.text), "mend": _sound(finding.mend)} for finding in found]
        say_json(orjson.dumps({"sound": sound, "checks": checks} | told, option=orjson.OPT_INDENT_2).decode())
    else:
        _tell(found)
    if not sound:
        raise typer.Exit(1)


def _tell(found: Iterable[Finding]) -> None:
    for finding in found:
        say(f"{_MARKS[finding.state]}  {finding.check:<12} {finding.text}")
        if finding.mend and finding.state in {"failed", "warning"}:
            say(f"{'':<23}-> {finding.mend}")


def _sound(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _sample(
    file: Path, settings: Settings, separator: str | None, limit: int, told: dict[str, Any], *, json: bool
) -> list[Finding]:
    from streamer.calls.numbers import home_plan
    from streamer.doctor.sample import Sample

    if separator is not None:
        separator = separator.replace("\\t", "\t")
    sample = Sample(home_plan(settings.home), int(time.time() * 1000), separator)
    shown: list[dict[str, Any]] = []
    count = 0
    for placed in _flaws(file, sample):
        count += 1
        if limit and count > limit:
            continue
        if json:
            flaw = placed.flaw._replace(text=_sound(placed.flaw.text), mend=_sound(placed.flaw.mend))
            shown.append({"line": placed.line} | flaw._asdict())
        else:
            gravity = "" if placed.flaw.grave else " (taken in)"
            say(f"line {placed.line}: {placed.flaw.text}{gravity}")
            if placed.flaw.mend:
                say(f"    -> {placed.flaw.mend}")
    told |= {"lines": sample.lines, "flaws": shown, "flaws_not_shown": count - len(shown)}
    if not json and limit and count > limit:
        typer.echo(f"… and {count - limit:,} more; --limit 0 shows all")
    return sample.findings()


def _flaws(file: Path, sample: Sample) -> Iterator[Placed]:
    from streamer.lab.packed import Counted
    from streamer.lab.records import LONGEST_LINE, Unreadable, read_lines

    with Counted(file) as opened:
        for record in read_lines(file, opened):
            if isinstance(record, Unreadable):
                yield from sample.oversize(record.line, LONGEST_LINE)
            else:
                yield from sample.take(record.line, record.text)


def _live(operator: str, settings: Settings, seconds: float, wait: float) -> list[Finding]:
    from streamer.calls.numbers import home_plan
    from streamer.doctor.live import Watch
    from streamer.doctor.topic_log import TopicLog
    from streamer.kafka.topics import Topics

    with TopicLog(settings, Topics(settings).calls, wait) as log:
        watch = Watch(operator, home_plan(settings.home), log.partitions)
        for record in log.coming(seconds):
            watch.take(record)
    return watch.findings(clamp=settings.clamp)
