"""`streamer dlq`: records that could not be taken in, and sending them to their topics again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import nlargest
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streamer.commands.desk_options import AsJson, Since, Until, group, moment, now_ms
from streamer.commands.printing import print_json, print_table, say
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.desk.letters import Letter, Plan
    from streamer.desk.resending import Asked

app = group(
    "Dead letters: records that could not be taken in. They are kept for 14 days.",
    "streamer dlq show --topic calls.v1 --reason missing_field --since 1h",
)

Reason = Annotated[list[str] | None, typer.Option("--reason", help="Only this reason; may be given several times.")]
Topic = Annotated[list[str] | None, typer.Option("--topic", help="Only of this source topic; several times likewise.")]
Operator = Annotated[str | None, typer.Option("--operator", help="Only records that name this operator.")]
_SHOWN: Final = 200
_KINDS: Final = 50
"""Rows of the table at most: whoever publishes may name as many operators as he likes."""


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
    from streamer.desk import resending
    from streamer.desk.letters import as_json as object_of

    counts: Counter[tuple[Any, ...]] = Counter()

    def counted() -> Iterator[Letter]:
        for letter in resending.found(load(), _asked(reason, topic, operator, since, until)):
            counts[letter.topic, letter.reason, letter.operator] += 1
            yield letter

    shown = sorted(nlargest(limit, counted(), _at_ms) if limit else counted(), key=_at_ms)
    if as_json:
        print_json(object_of(letter) for letter in shown)
        return
    for letter in shown:
        _show(letter)
    print_table(("source", "reason", "operator", "letters"), [(*what, n) for what, n in counts.most_common(_KINDS)])
    if len(counts) > _KINDS:
        say(f"and {len(counts) - _KINDS:,} more kinds with fewer letters; --limit 0 --json has all letters", err=True)
    if len(shown) < counts.total():
        say(f"the newest {len(shown)} of {counts.total():,} are shown; --limit 0 shows all", err=True)


def _at_ms(letter: Letter) -> int:
    return letter.record.at_ms


def _show(letter: Letter) -> None:
    from streamer.desk.record import time_text

    record = letter.record
    again = f", sent again {letter.replayed} times before" if letter.replayed else ""
    say(f"{time_text(record.at_ms)}  {record.topic}@{record.offset}  {letter.reason}: {letter.message}{again}")
    source = f"{letter.topic} {letter.partition}@{letter.offset}"
    say(f"    from {source}, operator {letter.operator or '-'}, key {record.key_text or '-'}")
    value = "no value" if record.value is None else record.value.decode("utf-8", "backslashreplace")
    say(f"    {value if len(value) <= _SHOWN else f'{value[:_SHOWN]}... ({len(value)} characters)'}")


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
    from streamer.desk import resending

    settings = load()
    plans = resending.planned(settings, _asked(reason, topic, operator, since, until), again=again)
    if yes:
        resending.send_again(settings, plans, by)
    _tell(plans, sent=yes, as_json=as_json)


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
            say(f"{record.topic}@{record.offset}: not sent, {plan.verdict}: {plan.why}")
        elif plan.rekeyed:
            key = "-" if plan.key is None else plan.key.decode("utf-8", "backslashreplace")
            done = "sent" if sent else "ready"
            say(f"{record.topic}@{record.offset}: {done}, under {key!r} instead of {record.key_text!r}")
        else:
            say(f"{record.topic}@{record.offset}: {'sent' if sent else 'ready'} for {letter.topic}")
    counts = Counter(
        (plan.letter.topic, "sent" if sent and plan.verdict == "ready" else plan.verdict) for plan in plans
    )
    print_table(("topic", "outcome", "letters"), [(*what, n) for what, n in sorted(counts.items())])
    if not sent and any(plan.verdict == "ready" for plan in plans):
        say("nothing was sent: --yes --by WHO sends those that are ready", err=True)


def _asked(
    reason: list[str] | None, topic: list[str] | None, operator: str | None, since: str | None, until: str | None
) -> Asked:
    from streamer.desk.resending import Asked

    now = now_ms()
    return Asked(reason or (), topic or (), operator, moment(since, now), moment(until, now))
