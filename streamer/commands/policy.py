"""`streamer policy`: thresholds, modes, actions and caps in force, and who changed them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamer.commands.desk_options import AsJson, By, Register, Since, Why, group, moment, now_ms
from streamer.commands.printing import print_json, print_table, say
from streamer.errors import DeskError
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.calls.decisions import Policy
    from streamer.desk.changing import Changed

app = group(
    "The rules in force. A change is a new version and in force in every worker within a second.",
    "streamer policy mode robocall all shadow --by analyst-7 --why 'too many redress cases'",
)
EVERY = "all"


@app.command(epilog="Example: streamer policy show --json | jq .policy.model")
def show(
    version: Annotated[str | None, typer.Option(help="Another version than the one in force.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in force: detectors with mode, actions and thresholds, limits of counting, rules of cases, and all else."""
    import msgspec

    from streamer import counting
    from streamer.demotions import brought
    from streamer.desk import changing, rules
    from streamer.desk.record import time_text

    found = changing.standing(load())
    policy = found.policy if version is None else found.version(version)
    if as_json:
        demotions = [msgspec.to_builtins(demotion) for demotion in found.demotions.values()]
        print_json([{
            "policy": msgspec.to_builtins(policy), "in_force": policy == found.policy, "wanted": found.wanted,
            "modes": rules.modes(policy), "limits": counting.limits(policy.counting), "cases": rules.thresholds_of_cases(policy),
            "demotions": demotions, "versions": list(found.versions),
            "not_looked_at": found.unknown.get(policy.version, []),
        }])  # fmt: skip
        return
    say(f"version {policy.version}, {time_text(policy.at or None)}, by {policy.by or '-'}: {policy.why or '-'}")
    say(f"kill switch {'ON: every action is allow' if policy.kill_switch else 'off'}")
    if found.wanted not in {None, found.policy.version}:
        say(f"version {found.wanted} is pointed to but not there; workers that start now run the defaults")
    _print_detectors(policy)
    _print_limits(policy)
    model, band = policy.model, policy.governor
    say(f"model: {model.mode}, {model.action} above {model.threshold}, cached {model.cache_s} s")
    say(f"governor: {band.max_share:.2%} of good lines an hour from {band.min_lines} on, for {band.demotion_s} s")
    say(f"evidence of {policy.evidence_sample:.1%} of allowed calls, {policy.control_share:.1%} of blocks let through")
    for member in found.unknown.get(policy.version, []):
        say(f"not looked at: {member}")
    for demotion in found.demotions.values():
        say(f"in shadow until {time_text(demotion.until)}: {rules.place_of(demotion)} ({demotion.why})")
    for demotion in brought(policy, now_ms()).values():
        say(
            f"in shadow by the policy until {time_text(demotion.until)}: {rules.place_of(demotion)} ({demotion.why or '-'})"
        )


def _print_detectors(policy: Policy) -> None:
    from streamer.desk.rules import own_mode
    from streamer.detectors import DETECTORS

    rows = []
    for detector in DETECTORS:
        rule = policy.detectors.get(detector.id)
        actions = {cause.name: cause.action for cause in detector.causes} | (rule.actions if rule else {})
        thresholds = detector.thresholds | (rule.thresholds if rule else {})
        said = " ".join(f"{name}:{action}" for name, action in actions.items())
        rows.append(
            (detector.id, own_mode(policy, detector.id), said, " ".join(f"{k}={v:g}" for k, v in thresholds.items()))
        )
    print_table(("detector", "mode", "actions", "thresholds"), rows)


def _print_limits(policy: Policy) -> None:
    from streamer import counting
    from streamer.desk.rules import thresholds_of_cases

    limits = counting.limits(policy.counting)
    said = [(name, f"{limits[name]:g}", limit.meaning) for name, limit in counting.LIMITS.items()]
    print_table(("limit of counting", "value", "meaning"), said)
    rows = [
        (name, "opens no case" if bounds is None else " ".join(f"{k}={v:g}" for k, v in bounds.items()))
        for name, bounds in thresholds_of_cases(policy).items()
    ]
    print_table(("rule of cases", "thresholds"), rows)


@app.command("set", epilog="Example: streamer policy set model.threshold=0.97 --by analyst-7 --why 'bound of November'")
def set_(
    by: By,
    why: Why,
    changes: Annotated[
        list[str] | None,
        typer.Argument(help="PATH=VALUE: model.threshold=0.97, counting.busy_calls=30; =default puts back."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A whole policy as JSON, instead of the one in force.")] = None,
    base: Annotated[str | None, typer.Option("--from", help="Begin with this version, as to go back to it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Change the policy in force, as a new version of its own; a member or value that there is not is refused.

    The kill switch stays as it is, whatever the file or the other version has: `kill_switch=false` or `streamer kill-switch` turns it.
    """
    from streamer.desk import changing, edits, rules

    if file is not None and base is not None:
        raise DeskError("--file and --from exclude each other")
    if not changes and file is None and base is None:
        raise DeskError("nothing to change: PATH=VALUE, --file or --from")
    given = None if file is None else edits.read_file(file)
    kept: list[bool] = []

    def edit(found: rules.Standing) -> Policy:
        begin = given or (found.policy if base is None else found.version(base))
        made = edits.edited_anew(begin, found.policy, changes or [])
        kept[:] = [made.kill_switch] if made.kill_switch == found.policy.kill_switch != begin.kill_switch else []
        return made

    try:
        _tell_change(changing.change(load(), edit, by, why, now_ms(), dry=dry_run), dry=dry_run, as_json=as_json)
    finally:
        for on in kept:
            say(f"the kill switch stays {'ON' if on else 'off'}, whatever {file or base} has", err=True)


@app.command(
    epilog="Example: streamer policy mode robocall op-a shadow --hours 24 --by analyst-7 --why 'redress cases'"
)
def mode(
    detector: Annotated[str, typer.Argument(help="A detector, or model; all: whatever there is, of one operator.")],
    operator: Annotated[str, typer.Argument(help="An operator, or all.")],
    wanted: Annotated[
        Literal["off", "shadow", "enforce"], typer.Argument(metavar="MODE", help="off, shadow or enforce.")
    ],
    by: By,
    why: Why,
    trunk: Annotated[str | None, typer.Option(help="On this trunk of the operator alone.")] = None,
    hours: Annotated[
        float | None, typer.Option(min=0.01, help="One operator's shadow: so long; else until enforced.")
    ] = None,
    register: Register = False,
    replace: Annotated[bool, typer.Option("--replace", help="Although another's demotion then ends sooner.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set the mode that a detector runs in, for all operators or for one; or that all run in for one operator.

    For one operator `shadow` of a detector is a demotion and `enforce` lifts it, of behaviour detectors and the model;
    `off`, and origin detectors, are set for all operators alone. With `all` for the detector it is the operator's own mode,
    which his record on operators.v1 has: block lists too do not block in `shadow`, and in `off` nothing is judged.
    """
    from streamer.desk import changing, edits, operators, rules

    if detector not in {*rules.detector_names(), EVERY}:
        raise DeskError(f"no detector is called {detector!r}; there are {', '.join(rules.detector_names())}, {EVERY}")
    if (trunk is not None or hours is not None) and EVERY in {operator, detector}:
        raise DeskError("--trunk and --hours are for one detector of one operator")
    settings, now = load(), now_ms()
    if detector == operator == EVERY:
        raise DeskError("everything for everybody is the kill switch: streamer kill-switch on")
    if detector == EVERY:
        one, changed = operators.set_mode(settings, operator, wanted, by, why, now, register=register)
        if as_json:
            print_json([{"operator": operator, "mode": one.mode, "changed": changed}])
        else:
            say(f"{operator} as a whole is in {one.mode}{'' if changed else ', as before'}")
    elif operator == EVERY:
        path = "model.mode" if detector == "model" else f"detectors.{detector}.mode"
        made = changing.change(settings, lambda found: edits.edited(found.policy, [f"{path}={wanted}"]), by, why, now)
        _tell_change(made, as_json=as_json)
    elif wanted == "off" or not rules.demotable(detector):
        kind = "off" if wanted == "off" else f"the origin detector {detector}"
        raise DeskError(
            f"{kind} is set for all operators (streamer policy mode {detector} {EVERY} {wanted}) "
            f"or with all others for one operator (streamer policy mode {EVERY} {operator} {wanted})"
        )
    else:
        _demote_or_lift(detector, operator, wanted, trunk, hours, by, why, replace=replace, as_json=as_json)


def _demote_or_lift(
    detector: str, operator: str, wanted: str, trunk: str | None, hours: float | None, by: str, why: str,
    *, replace: bool, as_json: bool,
) -> None:  # fmt: skip
    import msgspec

    from streamer.calls.decisions import Demotion
    from streamer.desk import changing, operators, rules
    from streamer.desk.record import time_text

    settings, now = load(), now_ms()
    if wanted == "enforce":
        made = changing.lift(settings, detector, operator, trunk, by, why, now)
    else:
        until = None if hours is None else _end(now, hours)
        demotion = Demotion(detector=detector, operator=operator, trunk=trunk, at=now, until=until)
        made = changing.demote(settings, demotion, by, why, replace=replace)
    if operator not in operators.known(settings):
        say(f"{operator!r} is not registered on operators.v1: is that the name under which he publishes?", err=True)
    if as_json:
        print_json([{
            "detector": detector, "operator": operator, "mode": wanted, "lifted": list(made.lifted),
            "demotion": msgspec.to_builtins(made.demotion), "policy_mode": made.policy_mode,
            "replaced": msgspec.to_builtins(made.replaced),
        }])  # fmt: skip
        return
    for held in made.lifted.values():
        say(f"lifted: {rules.place_of(held)}")
    if made.demotion is not None:
        say(f"in shadow: {rules.place_of(made.demotion)}{'' if hours is None else f', for {hours:g} h'}")
    if made.replaced is not None:
        say(f"replaced: until {time_text(made.replaced.until)} ({made.replaced.why})")
    for held in made.brought:
        say(f"the policy itself has {rules.place_of(held)} in shadow, which stays")
    if made.policy_mode != "enforce":
        say(f"the policy has {detector} in {made.policy_mode} for all operators, which stays")


def _end(now: int, hours: float) -> int:
    from streamer.calls.events import LATEST_MS

    if not now + hours * 3_600_000 <= LATEST_MS:
        raise DeskError(f"--hours {hours:g} ends after the year 2099; without --hours it is until enforced")
    return now + int(hours * 3_600_000)


@app.command(epilog="Example: streamer policy history --since 7d")
def history(since: Since = None, as_json: AsJson = False) -> None:
    """Who changed what, when and why, as far back as the topic's compaction has left it: every version stays there.

    Of pointers and demotions Kafka keeps the last of each key, and what was lifted for a day or longer.
    """
    from streamer.desk import changing
    from streamer.desk.record import time_text

    found = changing.past(load(), moment(since, now_ms()) or 0)
    if as_json:
        print_json(one._asdict() for one in found)
        return
    for one in found:
        say(f"{time_text(one.at_ms)}  {one.done:<8}  {one.key}  by {one.by or '-'}: {one.why or '-'}")
        for line in one.what:
            say(f"    {line}")


def _tell_change(made: Changed, *, as_json: bool, dry: bool = False) -> None:
    import msgspec

    from streamer.desk import edits

    before, after = made
    changes = edits.differences(before, after)
    if as_json:
        print_json(
            [{"before": before.version, "written": not dry, "changes": changes, "policy": msgspec.to_builtins(after)}]
        )
        return
    say(f"{'would be' if dry else 'in force'}: version {after.version} after {before.version}")
    for line in changes:
        say(f"    {line}")
