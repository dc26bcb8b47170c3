"""`streamer dlq`: records that could not be taken in, and sending them to their topics again."""

from __future__ import annotations

import time
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
_COUNTED: Final = 10_000
_OTHERS: Final = "(others)"
"""What operators are counted as once there are so many kinds."""
_TELL_S: Final = 5.0


@app.command(epilog="Example: streamer dlq show --operator op-a --since 2h --limit 5")
def show(
    reason: Reason = None,
    topic: Topic = None,
    operator: Operator = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option(min=0, help="The newest so many; 0 for all, one topic after another, as they come.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """Show dead letters: reason, message, where each came from and its value; and how many there are of each kind."""
    from streamer.desk import resending
    from streamer.desk.letters import as_json as object_of

    counts: Counter[tuple[Any, ...]] = Counter()

    def counted() -> Iterator[Letter]:
        for letter in resending.found(load(), _asked(reason, topic, operator, since, until)):
            kind = (letter.topic, letter.reason, letter.operator)
            counts[kind if kind in counts or len(counts) < _COUNTED else (letter.topic, letter.reason, _OTHERS)] += 1
            yield letter

    shown = sorted(nlargest(limit, counted(), _at_ms), key=_at_ms) if limit else counted()
    if as_json:
        print_json(object_of(letter) for letter in shown)
        return
    for letter in shown:
        _show(letter)
    print_table(("source", "reason", "operator", "letters"), [(*what, n) for what, n in counts.most_common(_KINDS)])
    if len(counts) > _KINDS:
        say(f"and {len(counts) - _KINDS:,} more kinds with fewer letters; --limit 0 --json has all letters", err=True)
    if limit and limit < counts.total():
        say(f"the newest {limit} of {counts.total():,} are shown; --limit 0 shows all", err=True)


def _at_ms(letter: Letter) -> int:
    return letter.record.at_ms


def _show(letter: Letter) -> None:
    from streamer.desk.record import time_text

    record = letter.record
    again = f", sent again {letter.replayed} times before" if letter.replayed else ""
    say(f"{time_text(record.at_ms)}  {record.topic}@{record.offset}  {letter.reason}: {letter.message}{again}")
    source = f"{letter.topic} {letter.partition}@{letter.offset}"
    say(f"    from {source}, operator {letter.operator or '-'}, key {record.key_text or '-'}")
    if letter.truncated:
        say(f"    not whole: {letter.missing}")
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

    A record that this version still refuses, of which the letter has not all, that was sent before, that came back, or whose key has a newer record on a
    compacted topic is not sent, and counted. What is sent carries the header `replayed`. Calls are judged as they come:
    a set-up of long ago gets a late decision, and its time is clamped. Letters are read, told and sent a part at a time, topic
    by topic: whoever interrupts it goes on by the same command, which passes over what was sent.
    """
    from streamer.desk import resending

    settings, asked = load(), _asked(reason, topic, operator, since, until)
    signed = resending.signer(by) if yes else ""
    course = _Course()
    try:
        for plans in resending.planned(settings, asked, again=again, read_on=course.read_on):
            for dealt_with in resending.send_again(settings, plans, signed) if yes else (plans,):
                said = [(plan, "sent" if yes and plan.verdict == "ready" else plan.verdict) for plan in dealt_with]
                course.outcomes.update((plan.letter.topic, outcome) for plan, outcome in said)
                if as_json:
                    print_json(_object(plan, outcome) for plan, outcome in said)
                else:
                    for plan, outcome in said:
                        _tell(plan, outcome)
    finally:
        if course.outcomes and not as_json:
            rows = [(*what, n) for what, n in sorted(course.outcomes.items())]
            print_table(("topic", "outcome", "letters"), rows)
    if not course.outcomes and not as_json:
        say("there is no such dead letter", err=True)
    if not as_json and any(outcome == "ready" for _, outcome in course.outcomes):
        say("nothing was sent: --yes --by WHO sends those that are ready", err=True)


class _Course:
    """What became of letters so far, by topic and outcome; of a long replay it is told on standard error every few seconds."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._read = 0
        self._told = time.monotonic()

    def read_on(self) -> None:
        """Another record was read; each is read twice."""
        self._read += 1
        if time.monotonic() > self._told + _TELL_S:
            self._told = time.monotonic()
            sent = sum(n for (_, outcome), n in self.outcomes.items() if outcome == "sent")
            say(
                f"{self._read:,} records of dead letters read, {self.outcomes.total():,} dealt with, {sent:,} sent",
                err=True,
            )


def _object(plan: Plan, outcome: str) -> dict[str, Any]:
    return {
        "topic": plan.letter.record.topic,
        "offset": plan.letter.record.offset,
        "to": plan.letter.topic,
        "verdict": outcome,
        "rekeyed": plan.rekeyed,
        "old_key": None if plan.letter.record.key is None else plan.letter.record.key_text,
        "key": None if plan.key is None else plan.key.decode("utf-8", "backslashreplace"),
        "why": plan.why,
    }


def _tell(plan: Plan, outcome: str) -> None:
    letter, record = plan.letter, plan.letter.record
    if plan.verdict != "ready":
        say(f"{record.topic}@{record.offset}: not sent, {outcome}: {plan.why}")
    elif plan.rekeyed:
        key = "-" if plan.key is None else plan.key.decode("utf-8", "backslashreplace")
        say(f"{record.topic}@{record.offset}: {outcome}, under {key!r} instead of {record.key_text!r}")
    else:
        say(f"{record.topic}@{record.offset}: {outcome} for {letter.topic}")


def _asked(
    reason: list[str] | None, topic: list[str] | None, operator: str | None, since: str | None, until: str | None
) -> Asked:
    from streamer.desk.resending import Asked

    now = now_ms()
    return Asked(reason or (), topic or (), operator, moment(since, now), moment(until, now))
