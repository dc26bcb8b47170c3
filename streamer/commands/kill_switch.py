"""`streamer kill-switch`: turn every action into `allow`, or back. What would have been done goes on as `shadow_action`."""

from __future__ import annotations

import typer

from streamer.commands.desk_options import AsJson, By, Why, group, now_ms, print_json
from streamer.settings import load

app = group(
    "Turn every action into allow, in every worker within a second, or back; what would have been done is still said.",
    "streamer kill-switch on --by analyst-7 --why 'wrong blocks on every trunk'",
)


@app.command(epilog="Example: streamer kill-switch on --by analyst-7 --why 'wrong blocks on every trunk'")
def on(by: By, why: Why, as_json: AsJson = False) -> None:
    """Let every call through from now on. It is no error when it is on already."""
    _turn(by, why, wanted=True, as_json=as_json)


@app.command(epilog="Example: streamer kill-switch off --by analyst-7 --why 'the list is mended'")
def off(by: By, why: Why, as_json: AsJson = False) -> None:
    """Let the policy's actions hold again. It is no error when it is off already."""
    _turn(by, why, wanted=False, as_json=as_json)


@app.command(epilog="Example: streamer kill-switch status --json")
def status(as_json: AsJson = False) -> None:
    """Say whether it is on, since when, by whom and why."""
    from streamer.desk import changing

    _tell(changing.standing(load()).policy, as_json=as_json)


def _turn(by: str, why: str, *, wanted: bool, as_json: bool) -> None:
    from streamer.desk import changing, rules
    from streamer.desk.record import answerable

    settings = load()
    by, why = answerable(by, why)
    found = changing.standing(settings)
    if found.policy.kill_switch == wanted and found.wanted in {None, found.policy.version}:
        _tell(found.policy, as_json=as_json, changed=False)
        return
    word = "true" if wanted else "false"
    _, after = changing.change(
        settings, lambda standing: rules.edited(standing.policy, [f"kill_switch={word}"]), by, why, now_ms()
    )
    _tell(after, as_json=as_json, changed=True)


def _tell(policy: object, *, as_json: bool, changed: bool | None = None) -> None:
    """Print the state; `changed` is None when nobody asked for a change."""
    from streamer.calls.decisions import Policy
    from streamer.desk.record import time_text

    assert isinstance(policy, Policy)
    if as_json:
        print_json(
            [{"kill_switch": policy.kill_switch, "changed": bool(changed), "version": policy.version, "at": policy.at,
              "by": policy.by, "why": policy.why}]
        )  # fmt: skip
        return
    state = "ON: every action is allow" if policy.kill_switch else "off"
    said = f"{time_text(policy.at or None)}, by {policy.by or '-'}: {policy.why or '-'}"
    typer.echo(f"kill switch {state}{', as before' if changed is False else ''} (policy {policy.version}, {said})")
