"""`streamer why`: what was decided on a call, and what it was decided by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streamer.commands.desk_options import AsJson, Since, Until, moment, now_ms
from streamer.commands.printing import print_json, print_table, say
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.calls.decisions import Decision, Evidence
    from streamer.desk.verdicts import Judged, Told

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


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
    import msgspec

    from streamer.desk.recalling import MOST_RECORDS, recall
    from streamer.desk.verdicts import as_json as objects_of

    now = now_ms()
    found = recall(load(), call_id, caller, moment(since, now), moment(until, now), now)
    if as_json:
        calls = [objects_of(call) for call in found.calls]
        alone = [msgspec.to_builtins(one) for one in found.alone]
        print_json([{"call_id": call_id, "calls": calls, "evidence_without_decision": alone, "cut": found.cut}])
    else:
        _print(call_id, found.calls, found.alone)
    if found.cut:
        say(
            f"of each partition the first {MOST_RECORDS} records of {call_id} are shown, and there are more: "
            "--since and --until name a shorter span",
            err=True,
        )
    if not found.calls and not found.alone:
        raise typer.Exit(1)


def _print(call_id: str, calls: list[list[Judged]], alone: list[Evidence]) -> None:
    if not calls and not alone:
        say(
            f"nothing of {call_id} is in retention: no decision, and no evidence in the span looked at; "
            "--since 30d looks further back, --caller makes that quick"
        )
    for call in calls:
        first = call[0].told.decision
        say(f"call {call_id} of {first.operator}: {first.caller} -> {first.callee}")
        for one in call:
            _print_decision(one.told, one.standing)
            if one.evidence is not None:
                _print_evidence(one.evidence)
            elif one.standing != "repeats it":
                say("    no evidence: a plain allow that was not drawn for the sample, or shed under load")
    for evidence in alone:
        decision = evidence.decision
        say(f"call {call_id} of {decision.operator}: {decision.caller} -> {decision.callee}")
        say("  the decision is no longer in retention; as the evidence has it:")
        _print_verdict(decision)
        _print_evidence(evidence)


def _print_decision(told: Told, standing: str) -> None:
    from streamer.desk.record import time_text

    say(f"  {standing}: decision {told.partition}@{told.offset}, in the log {time_text(told.at_ms)}")
    _print_verdict(told.decision)


def _print_verdict(decision: Decision) -> None:
    from streamer.desk.record import time_text

    say(f"    action {decision.action}, reasons {', '.join(decision.reasons) or 'none'}")
    score = "none (no model)" if decision.score is None else f"{decision.score:g}"
    say(f"    score {score}, shadow action {decision.shadow_action}")
    say(f"    call at {time_text(decision.at)}, decided {time_text(decision.decided_at)}")
    say(f"    policy {decision.policy or '-'}, model {decision.model or '-'}")
    if decision.late:
        say("    late: switches ignore it")
    if decision.revises:
        say("    revises the verdict that let it ring")


def _print_evidence(evidence: Evidence) -> None:
    say(f"    {evidence.origin.replace('_', ' ')}, trunk {evidence.trunk or '-'}, caller key {evidence.caller_key}")
    if evidence.lists:
        say(f"    lists: {', '.join(evidence.lists)}")
    if evidence.control:
        say(f"    let through as a control, with the propensity {evidence.propensity}")
    if evidence.findings:
        rows = [
            (f"{one.detector}.{one.cause}", f"{one.observed:g}", f"{one.threshold:g}", _window(one.window_s), one.mode, one.action)
            for one in evidence.findings
        ]  # fmt: skip
        print_table(("finding", "observed", "threshold", "window", "mode", "action"), rows, indent=4)
    else:
        say("    no finding of any detector")
    rows_of = [
        (name, "missing" if value is None else f"{value:g}", _contribution(evidence, name))
        for name, value in evidence.features.items()
    ]
    print_table(("feature", "value", "model's contribution"), rows_of, indent=4)


def _window(window_s: int) -> str:
    return "this call" if window_s == 0 else f"{window_s} s"


def _contribution(evidence: Evidence, name: str) -> str:
    found = evidence.contributions.get(name)
    return "" if found is None else f"{found:+.3f}"
