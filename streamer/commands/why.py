"""`streamer why`: what was decided on a call, and what it was decided by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streamer.commands.desk_options import AsJson, Since, Until, now_ms, print_json, print_table
from streamer.settings import Settings, load

if TYPE_CHECKING:
    from streamer.calls.decisions import Evidence
    from streamer.desk.verdicts import Judged, Told

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

_AROUND_MS: Final = 60_000
"""Evidence lies within so much of its decision in the log: both leave with the same batch."""


@app.command(epilog="Example: streamer why a84b4c76e66710@sbc1 --caller +77011234567")
def why(
    call_id: Annotated[str, typer.Argument(help="The call's id at the operator that reported it.")],
    caller: Annotated[
        str | None, typer.Option(help="The calling number, in any spelling: only its partition is read.")
    ] = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Show every decision on a call in log order, which of them stands, and the findings, lists and features behind it.

    Decisions are kept for an hour, evidence for 30 days: when the decisions are gone the evidence of the span given is
    searched (the last hour if none is). A plain allow has evidence only when it was drawn for the sample. The exit code
    is 1 when nothing of the call is found.
    """
    from streamer.desk import verdicts
    from streamer.desk.record import time_of
    from streamer.kafka.logs import read
    from streamer.kafka.topics import Topics

    settings, now = load(), now_ms()
    begin = time_of(since, now) if since else None
    end = time_of(until, now) if until else None
    topics, where = Topics(settings), _partitions(settings, caller)
    records = read(settings, topics.decisions, where, since_ms=begin, until_ms=end, key=call_id.encode())
    decisions = verdicts.told(records, call_id)
    evidence: list[Evidence] = []
    for partition in sorted({one.partition for one in decisions}):
        times = [one.at_ms for one in decisions if one.partition == partition]
        near = read(
            settings,
            topics.evidence,
            [partition],
            since_ms=min(times) - _AROUND_MS,
            until_ms=max(times) + _AROUND_MS,
        )
        evidence += verdicts.evidence_on(near, call_id)
    if not decisions:
        begin = now - 3_600_000 if begin is None else begin
        found = read(settings, topics.evidence, where, since_ms=begin, until_ms=end)
        evidence = verdicts.evidence_on(found, call_id)
    calls = verdicts.judged(decisions, evidence)
    if as_json:
        print_json([_object(call_id, calls, evidence if not decisions else [])])
    else:
        _print(call_id, calls, [] if decisions else evidence)
    if not decisions and not evidence:
        raise typer.Exit(1)


def _partitions(settings: Settings, caller: str | None) -> list[int] | None:
    """Where the calls of a caller lie; None for all partitions."""
    if caller is None:
        return None
    from streamer.calls.numbers import WITHHELD_PREFIX, home_plan, normalise, utf8
    from streamer.calls.partitioner import partition_of
    from streamer.kafka.logs import partition_count
    from streamer.kafka.topics import Topics

    key = caller if caller.startswith(WITHHELD_PREFIX) else normalise(caller, home_plan(settings.home))
    return [partition_of(utf8(key), partition_count(settings, Topics(settings).calls))]


def _object(call_id: str, calls: list[list[Judged]], alone: list[Evidence]) -> dict[str, Any]:
    import msgspec

    return {
        "call_id": call_id,
        "calls": [
            [
                {
                    "partition": one.told.partition,
                    "offset": one.told.offset,
                    "appended_at": one.told.at_ms,
                    "standing": one.standing,
                    "decision": msgspec.to_builtins(one.told.decision),
                    "evidence": None if one.evidence is None else msgspec.to_builtins(one.evidence),
                }
                for one in call
            ]
            for call in calls
        ],
        "evidence_without_decision": [msgspec.to_builtins(one) for one in alone],
    }


def _print(call_id: str, calls: list[list[Judged]], alone: list[Evidence]) -> None:
    if not calls and not alone:
        typer.echo(
            f"nothing of {call_id} is in retention: no decision, and no evidence in the span looked at; "
            "--since 30d looks further back, --caller makes that quick"
        )
    for call in calls:
        first = call[0].told.decision
        typer.echo(f"call {call_id} of {first.operator}: {first.caller} -> {first.callee}")
        for one in call:
            _print_decision(one.told, one.standing)
            if one.evidence is not None:
                _print_evidence(one.evidence)
            elif one.standing != "repeats it":
                typer.echo("    no evidence: a plain allow that was not drawn for the sample, or shed under load")
    for evidence in alone:
        decision = evidence.decision
        typer.echo(f"call {call_id} of {decision.operator}: {decision.caller} -> {decision.callee}")
        typer.echo("  the decision is no longer in retention; as the evidence has it:")
        _print_verdict(decision)
        _print_evidence(evidence)


def _print_decision(told: Told, standing: str) -> None:
    from streamer.desk.record import time_text

    typer.echo(f"  {standing}: decision {told.partition}@{told.offset}, in the log {time_text(told.at_ms)}")
    _print_verdict(told.decision)


def _print_verdict(decision: Any) -> None:
    from streamer.desk.record import time_text

    typer.echo(f"    action {decision.action}, reasons {', '.join(decision.reasons) or 'none'}")
    score = "none (no model)" if decision.score is None else f"{decision.score:g}"
    typer.echo(f"    score {score}, shadow action {decision.shadow_action}")
    typer.echo(f"    call at {time_text(decision.at)}, decided {time_text(decision.decided_at)}")
    typer.echo(f"    policy {decision.policy or '-'}, model {decision.model or '-'}")
    if decision.late:
        typer.echo("    late: switches ignore it")
    if decision.revises:
        typer.echo("    revises an earlier allow")


def _print_evidence(evidence: Evidence) -> None:
    typer.echo(
        f"    {evidence.origin.replace('_', ' ')}, trunk {evidence.trunk or '-'}, caller key {evidence.caller_key}"
    )
    if evidence.lists:
        typer.echo(f"    lists: {', '.join(evidence.lists)}")
    if evidence.control:
        typer.echo(f"    let through as a control, with the propensity {evidence.propensity}")
    if evidence.findings:
        rows = [
            (f"{one.detector}.{one.cause}", f"{one.observed:g}", f"{one.threshold:g}", _window(one.window_s), one.mode, one.action)
            for one in evidence.findings
        ]  # fmt: skip
        print_table(
            ("    finding", "observed", "threshold", "window", "mode", "action"),
            [(f"    {row[0]}", *row[1:]) for row in rows],
        )
    else:
        typer.echo("    no finding of any detector")
    rows_of = [
        (f"    {name}", "missing" if value is None else f"{value:g}", _contribution(evidence, name))
        for name, value in evidence.features.items()
    ]
    print_table(("    feature", "value", "model's contribution"), rows_of)


def _window(window_s: int) -> str:
    return "this call" if window_s == 0 else f"{window_s} s"


def _contribution(evidence: Evidence, name: str) -> str:
    found = evidence.contributions.get(name)
    return "" if found is None else f"{found:+.3f}"
