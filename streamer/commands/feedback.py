"""`streamer feedback`: what somebody who knows says of a call or a line; the trainer learns from it."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from streamer.calls.events import FraudType
from streamer.commands.desk_options import AsJson, By, Since, Until, Why, group, moment, now_ms
from streamer.commands.printing import print_json, print_table, say
from streamer.settings import load

app = group(
    "Reports of fraud and of wrong blocks, which the trainer learns from.",
    "streamer feedback add +77011234567 legitimate --call-id a84b --source subscriber --by redress --why 'his clinic called'",
)
Label = Literal["fraud", "legitimate"]
Source = Literal["police", "operator", "bank", "analyst", "honeypot", "subscriber"]


@app.command(
    epilog="Example: streamer feedback add +77011234567 fraud --callee +77272345678 --since 2h --source bank --by nb --why 'case 7'"
)
def add(
    caller: Annotated[str, typer.Argument(help="The calling number, in any spelling.")],
    label: Annotated[Label, typer.Argument(help="fraud or legitimate.")],
    source: Annotated[Source, typer.Option(help="Whose word it is.")],
    by: By,
    why: Why,
    callee: Annotated[str | None, typer.Option(help="The called number.")] = None,
    call_id: Annotated[str | None, typer.Option(help="The call itself, by its id.")] = None,
    since: Since = None,
    until: Until = None,
    scope: Annotated[Literal["call", "line"], typer.Option(help="The calls, or the line itself.")] = "call",
    fraud_type: Annotated[FraudType | None, typer.Option(help="Which fraud.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report a call or a line. Without a call id the label goes to the matching calls of the last 24 h, or of the span given."""
    import msgspec

    from streamer.desk import reporting

    now = now_ms()
    given = {
        "caller": caller, "at": now, "label": label, "source": source, "callee": callee, "call_id": call_id,
        "from": moment(since, now), "to": moment(until, now), "scope": scope, "fraud_type": fraud_type,
    }  # fmt: skip
    made, key, labels = reporting.make(load(), given, by, why)
    if as_json:
        print_json([{"key": key, "labels": labels, "feedback": msgspec.to_builtins(made)}])
        return
    say(f"reported under {key}: {labels}")


@app.command(epilog="Example: streamer feedback show --caller +77011234567 --since 30d")
def show(
    caller: Annotated[str | None, typer.Option(help="Only of this number, in any spelling.")] = None,
    label: Annotated[Label | None, typer.Option(help="Only this label.")] = None,
    source: Annotated[Source | None, typer.Option(help="Only from this source.")] = None,
    by: Annotated[str | None, typer.Option(help="Only from this person.")] = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Show the reports there are, as far back as the topic keeps them (90 days)."""
    import msgspec

    from streamer.desk import reporting
    from streamer.desk.record import time_text

    now = now_ms()
    asked = {"caller": caller, "label": label, "source": source, "by": by}
    found = reporting.made(load(), moment(since, now), moment(until, now), **asked)
    if as_json:
        print_json(
            {
                "partition": record.partition,
                "offset": record.offset,
                "key": record.key_text,
                **msgspec.to_builtins(made),
            }
            for record, made in found
        )
        return
    rows = [
        (time_text(made.at), made.label, made.caller, made.callee, made.call_id, made.scope, made.fraud_type, made.source, made.by, made.note)
        for _, made in found
    ]  # fmt: skip
    print_table(("when", "label", "caller", "called", "call id", "scope", "fraud", "source", "by", "why"), rows)
