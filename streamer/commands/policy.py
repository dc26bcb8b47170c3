"""`streamer policy`: thresholds, modes, actions and caps in force, and who changed them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from streamer.commands.desk_options import AsJson, By, Since, Why, group, now_ms, print_json, print_table
from streamer.errors import DeskError
from streamer.settings import Settings, load

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
    """Show what is in force: each detector's mode, actions and thresholds, the model, the governor's band, demotions."""
    import msgspec

    from streamer.desk import changing, rules
    from streamer.desk.record import time_text

    found = changing.standing(load())
    policy = found.policy if version is None else found.versions.get(version)
    if policy is None:
        raise DeskError(f"there is no version {version!r}; there are {', '.join(found.versions) or 'none'}")
    if as_json:
        demotions = [msgspec.to_builtins(demotion) for demotion in found.demotions.values()]
        print_json([{
            "policy": msgspec.to_builtins(policy), "in_force": policy == found.policy, "wanted": found.wanted,
            "modes": rules.modes(policy), "demotions": demotions, "versions": list(found.versions),
        }])  # fmt: skip
        return
    typer.echo(f"version {policy.version}, {time_text(policy.at or None)}, by {policy.by or '-'}: {policy.why or '-'}")
    typer.echo(f"kill switch {'ON: every action is allow' if policy.kill_switch else 'off'}")
    if found.wanted not in {None, found.policy.version}:
        typer.echo(f"version {found.wanted} is pointed to but not there; workers that start now run the defaults")
    _print_detectors(policy)
    model, band = policy.model, policy.governor
    typer.echo(f"model: {model.mode}, {model.action} above {model.threshold}, cached {model.cache_s} s")
    typer.echo(
        f"governor: {band.max_share:.2%} of good lines an hour from {band.min_lines} on, for {band.demotion_s} s"
    )
    typer.echo(
        f"evidence of {policy.evidence_sample:.1%} of allowed calls, {policy.control_share:.1%} of blocks let through"
    )
    for demotion in found.demotions.values():
        typer.echo(f"in shadow until {time_text(demotion.until)}: {rules.place_of(demotion)} ({demotion.why})")


def _print_detectors(policy: Any) -> None:
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


@app.command("set", epilog="Example: streamer policy set model.threshold=0.97 --by analyst-7 --why 'bound of November'")
def set_(
    by: By,
    why: Why,
    changes: Annotated[
        list[str] | None,
        typer.Argument(help="PATH=VALUE: model.threshold=0.97, detectors.robocall.mode=shadow; =default puts back."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A whole policy as JSON, instead of the one in force.")] = None,
    base: Annotated[str | None, typer.Option("--from", help="Begin with this version, as to go back to it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Change the policy in force, as a new version of its own; a member or value that there is not is refused."""
    import orjson

    from streamer.desk import rules

    if file is not None and base is not None:
        raise DeskError("--file and --from exclude each other")
    if not changes and file is None and base is None:
        raise DeskError("nothing to change: PATH=VALUE, --file or --from")

    def edit(found: rules.Standing) -> Any:
        policy = found.policy
        if base is not None:
            if base not in found.versions and base != rules.DEFAULT:
                raise DeskError(f"there is no version {base!r}; there are {', '.join(found.versions) or 'none'}")
            policy = found.versions.get(base) or rules.whole({"version": rules.DEFAULT})
        if file is not None:
            try:
                tree = orjson.loads(file.read_bytes())
            except (OSError, orjson.JSONDecodeError) as error:
                raise DeskError(f"{file} cannot be read as JSON: {error}") from None
            if not isinstance(tree, dict):
                raise DeskError(f"{file} is no JSON object")
            policy = rules.whole({"version": "-", **tree})
        return rules.edited(policy, changes or [])

    _change(load(), edit, by, why, dry=dry_run, as_json=as_json)


@app.command(
    epilog="Example: streamer policy mode robocall op-a shadow --hours 24 --by analyst-7 --why 'redress cases'"
)
def mode(
    detector: Annotated[str, typer.Argument(help="A detector, or model.")],
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
    as_json: AsJson = False,
) -> None:
    """Set the mode that a detector runs in, for all operators or for one.

    For one operator `shadow` is a demotion and `enforce` lifts it, of behaviour detectors and the model; `off`, and
    origin detectors, are set for all operators alone.
    """
    from streamer.desk import rules

    if detector not in rules.detector_names():
        raise DeskError(f"no detector is called {detector!r}; there are {', '.join(rules.detector_names())}")
    if operator == EVERY:
        if trunk is not None or hours is not None:
            raise DeskError("--trunk and --hours are for one operator")
        path = "model.mode" if detector == "model" else f"detectors.{detector}.mode"
        _change(load(), lambda found: rules.edited(found.policy, [f"{path}={wanted}"]), by, why, as_json=as_json)
        return
    if wanted == "off" or not rules.demotable(detector):
        kind = "off" if wanted == "off" else f"the origin detector {detector}"
        raise DeskError(f"{kind} is set for all operators alone: streamer policy mode {detector} {EVERY} {wanted}")
    _of_one(load(), detector, operator, wanted, trunk, hours, by, why, as_json=as_json)


def _of_one(
    settings: Settings, detector: str, operator: str, wanted: str, trunk: str | None, hours: float | None, by: str, why: str,
    *, as_json: bool,
) -> None:  # fmt: skip
    import msgspec

    from streamer.calls.codec import encode
    from streamer.calls.decisions import Demotion
    from streamer.demotions import demotion_key
    from streamer.desk import changing, rules
    from streamer.desk.record import answerable, signed
    from streamer.kafka.sending import Outgoing, send
    from streamer.kafka.topics import Topics

    by, why = answerable(by, why)
    now, found = now_ms(), changing.standing(settings)
    until = None if hours is None else now + int(hours * 3_600_000)
    demotion = Demotion(detector=detector, operator=operator, trunk=trunk, at=now, until=until, why=f"{by}: {why}")
    gone: list[str] = []
    if wanted == "enforce":
        gone = [
            key
            for key, held in found.demotions.items()
            if (held.detector, held.operator) == (detector, operator) and trunk in {None, held.trunk}
        ]
        if not gone:
            own = rules.own_mode(found.policy, detector)
            raise DeskError(f"{rules.place_of(demotion)} is not demoted; the policy has it in {own} for all operators")
    values = dict.fromkeys(gone) if gone else {demotion_key(demotion): encode(demotion)}
    topic = Topics(settings).policy
    send(settings, [Outgoing(topic, key.encode(), value, signed(by, why), 0) for key, value in values.items()])
    own = rules.own_mode(found.policy, detector)
    if as_json:
        said = None if gone else msgspec.to_builtins(demotion)
        print_json(
            [
                {
                    "detector": detector,
                    "operator": operator,
                    "mode": wanted,
                    "lifted": gone,
                    "demotion": said,
                    "policy_mode": own,
                }
            ]
        )
        return
    for key in gone:
        typer.echo(f"lifted: {rules.place_of(found.demotions[key])}")
    if not gone:
        typer.echo(f"in shadow: {rules.place_of(demotion)}{'' if hours is None else f', for {hours:g} h'}")
    if own != "enforce":
        typer.echo(f"the policy has {detector} in {own} for all operators, which stays")


@app.command(epilog="Example: streamer policy history --since 7d")
def history(since: Since = None, as_json: AsJson = False) -> None:
    """Who changed what, when and why, as far back as the topic's compaction has left it: every version stays there.

    Of pointers and demotions Kafka keeps the last of each key, and what was lifted for a day or longer.
    """
    from streamer.desk import rules
    from streamer.desk.record import time_of, time_text
    from streamer.kafka.logs import read
    from streamer.kafka.topics import Topics

    settings = load()
    begin = time_of(since, now_ms()) if since else 0
    found = [one for one in rules.history(read(settings, Topics(settings).policy)) if one.at_ms >= begin]
    if as_json:
        print_json(one._asdict() for one in found)
        return
    for one in found:
        typer.echo(f"{time_text(one.at_ms)}  {one.done:<8}  {one.key}  by {one.by or '-'}: {one.why or '-'}")
        for line in one.what:
            typer.echo(f"    {line}")


def _change(settings: Settings, edit: Any, by: str, why: str, *, as_json: bool, dry: bool = False) -> None:
    import msgspec

    from streamer.desk import changing, rules
    from streamer.desk.record import answerable

    by, why = answerable(by, why)
    before, after = changing.change(settings, edit, by, why, now_ms(), dry=dry)
    changes = rules.differences(before, after)
    if as_json:
        print_json(
            [{"before": before.version, "written": not dry, "changes": changes, "policy": msgspec.to_builtins(after)}]
        )
        return
    typer.echo(f"{'would be' if dry else 'in force'}: version {after.version} after {before.version}")
    for line in changes:
        typer.echo(f"    {line}")
