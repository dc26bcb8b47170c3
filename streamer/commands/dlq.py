"""`streamer dlq`: records that could not be taken in, and sending them to their topics again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamer.commands.desk_options import AsJson, Since, Until, group, now_ms, print_json, print_table
from streamer.errors import DeskError
from streamer.settings import Settings, load

if TYPE_CHECKING:
    from streamer.desk.letters import Letter, Plan
    from streamer.kafka.logs import LogRecord
    from streamer.kafka.topics import Place

app = group(
    "Dead letters: records that could not be taken in. They are kept for 14 days.",
    "streamer dlq show --topic calls.v1 --reason missing_field --since 1h",
)

Reason = Annotated[list[str] | None, typer.Option("--reason", help="Only this reason; may be given several times.")]
Topic = Annotated[list[str] | None, typer.Option("--topic", help="Only of this source topic; several times likewise.")]
Operator = Annotated[str | None, typer.Option("--operator", help="Only records that name this operator.")]
_SHOWN = 200


@app.command(epilog="Example: streamer dlq show --operator op-a --since 2h --limit 5")
def show(
    reason: Reason = None,
    topic: Topic = None,
    operator: Operator = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=0, help="The newest so many; 0 for all.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show dead letters: reason, message, where each came from and its value; and how many there are of each kind."""
    from streamer.desk.letters import as_json as object_of
    from streamer.desk.record import time_text

    found, _ = _letters(load(), reason, topic, operator, since, until)
    shown = found[-limit:] if limit else found
    if as_json:
        print_json(object_of(letter) for letter in shown)
        return
    for letter in shown:
        record = letter.record
        again = f", sent again {letter.replayed} times before" if letter.replayed else ""
        typer.echo(
            f"{time_text(record.at_ms)}  {record.topic}@{record.offset}  {letter.reason}: {letter.message}{again}"
        )
        source = f"{letter.topic} {letter.partition}@{letter.offset}"
        typer.echo(f"    from {source}, operator {letter.operator or '-'}, key {record.key_text or '-'}")
        value = "no value" if record.value is None else record.value.decode("utf-8", "backslashreplace")
        typer.echo(f"    {value if len(value) <= _SHOWN else f'{value[:_SHOWN]}... ({len(value)} characters)'}")
    counts = Counter((letter.topic, letter.reason, letter.operator) for letter in found)
    print_table(("source", "reason", "operator", "letters"), [(*what, n) for what, n in counts.most_common()])
    if len(shown) < len(found):
        typer.echo(f"the newest {len(shown)} of {len(found)} are shown; --limit 0 shows all", err=True)


@app.command(epilog="Example: streamer dlq replay --topic calls.v1 --reason misplaced --by analyst-7 --yes")
def replay(
    reason: Reason = None,
    topic: Topic = None,
    operator: Operator = None,
    since: Since = None,
    until: Until = None,
    again: Annotated[bool, typer.Option("--again", help="Also those that were sent before, or came back.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send them; without it only what would be done is told.")] = False,
    by: Annotated[str, typer.Option("--by", help="Who does it, needed with --yes: noted beside each letter.")] = "",
    as_json: AsJson = False,
) -> None:
    """Send dead letters to the topics they came from, values unchanged, each under the key that it should have had.

    A record that this version still refuses, that was sent before, that came back, or whose key has a newer record on a
    compacted topic is not sent, and counted. What is sent carries the header `replayed`. Calls are judged as they come:
    a set-up of long ago gets a late decision, and its time is clamped.
    """
    from streamer.calls.numbers import home_plan
    from streamer.desk import letters
    from streamer.kafka.topics import Topics

    if yes and not by.strip():
        raise DeskError("--by says who sends them; it is noted beside each letter")
    settings = load()
    found, sent = _letters(settings, reason, topic, operator, since, until)
    topics = Topics(settings)
    newest = _newest(settings, {letter.topic for letter in found} & {*topics.facts, *topics.control})
    plans = letters.planned(found, topics, home_plan(settings.home), sent, newest, again=again)
    ready = [plan for plan in plans if plan.verdict == "ready"]
    if yes and ready:
        _send(settings, ready, by.strip())
    _tell(plans, sent=yes, as_json=as_json)


def _send(settings: Settings, ready: list[Plan], by: str) -> None:
    from streamer.desk import letters
    from streamer.desk.record import signed
    from streamer.kafka.sending import Outgoing, send

    # In slices, each noted once it was delivered: whoever is interrupted sends at most one slice twice.
    for begin in range(0, len(ready), 1_000):
        part = ready[begin : begin + 1_000]
        send(
            settings,
            [
                Outgoing(
                    plan.letter.topic,
                    plan.key,
                    plan.letter.record.value,
                    letters.headers_again(plan.letter, by),
                    plan.partition,
                )
                for plan in part
            ],
        )
        notes = []
        for plan in part:
            record = plan.letter.record
            headers = ((letters.NOTED, b"%d" % record.offset), *signed(by, "replay"))
            notes.append(Outgoing(record.topic, record.key, None, headers, record.partition))
        send(settings, notes)


def _tell(plans: list[Plan], *, sent: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "topic": plan.letter.record.topic,
                "offset": plan.letter.record.offset,
                "to": plan.letter.topic,
                "verdict": "sent" if sent and plan.verdict == "ready" else plan.verdict,
                "rekeyed": plan.rekeyed,
                "old_key": None if plan.letter.record.key is None else plan.letter.record.key_text,
                "key": None if plan.key is None else plan.key.decode("utf-8", "backslashreplace"),
                "why": plan.why,
            }
            for plan in plans
        )
        return
    for plan in plans:
        record, letter = plan.letter.record, plan.letter
        if plan.verdict != "ready":
            typer.echo(f"{record.topic}@{record.offset}: not sent, {plan.verdict}: {plan.why}")
        elif plan.rekeyed:
            key = "-" if plan.key is None else plan.key.decode("utf-8", "backslashreplace")
            done = "sent" if sent else "ready"
            typer.echo(f"{record.topic}@{record.offset}: {done}, under {key!r} instead of {record.key_text!r}")
        else:
            typer.echo(f"{record.topic}@{record.offset}: {'sent' if sent else 'ready'} for {letter.topic}")
    counts = Counter(
        (plan.letter.topic, "sent" if sent and plan.verdict == "ready" else plan.verdict) for plan in plans
    )
    print_table(("topic", "outcome", "letters"), [(*what, n) for what, n in sorted(counts.items())])
    if not sent and any(plan.verdict == "ready" for plan in plans):
        typer.echo("nothing was sent: --yes --by WHO sends those that are ready", err=True)


def _letters(
    settings: Settings,
    reasons: list[str] | None,
    sources: list[str] | None,
    operator: str | None,
    since: str | None,
    until: str | None,
) -> tuple[list[Letter], frozenset[Place]]:
    """The letters that fit, oldest first, and which of all were sent again before."""
    from streamer.desk import letters
    from streamer.desk.record import time_of
    from streamer.kafka.logs import read
    from streamer.kafka.topics import Topics, dead_letter

    topics, now = Topics(settings), now_ms()
    wanted = list(topics.read)
    if sources:
        by_name = {name: topic for topic in topics.read for name in (topic, topic.removeprefix(topics.prefix))}
        unknown = [name for name in sources if name.removesuffix(dead_letter("")) not in by_name]
        if unknown:
            raise DeskError(f"{unknown[0]!r} has no dead letters; there are {', '.join(sorted(set(by_name.values())))}")
        wanted = [by_name[name.removesuffix(dead_letter(""))] for name in sources]
    begin = time_of(since, now) if since else None
    end = time_of(until, now) if until else None
    # A note may lie after the span that is asked for.
    records: list[LogRecord] = [one for topic in wanted for one in read(settings, dead_letter(topic), since_ms=begin)]
    found, sent = letters.letters(records)
    fitting = [
        letter
        for letter in found
        if (end is None or letter.record.at_ms <= end)
        and (not reasons or letter.reason in reasons)
        and operator in {None, letter.operator}
    ]
    return sorted(fitting, key=lambda letter: letter.record.at_ms), sent


def _newest(settings: Settings, compacted: set[str]) -> dict[tuple[str, bytes], Any]:
    """The last record under each key of the topics."""
    from streamer.kafka.logs import read

    found: dict[tuple[str, bytes], Any] = {}
    for topic in sorted(compacted):
        for record in read(settings, topic):
            found[topic, record.key or b""] = record
    return found
