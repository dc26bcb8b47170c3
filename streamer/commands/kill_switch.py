"""`streamer kill-switch`: turn every action into `allow`, or back. What would have been done goes on as `shadow_action`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streamer.commands.desk_options import AsJson, By, Register, Why, group, now_ms
from streamer.commands.printing import print_json, print_table, say
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.calls.decisions import Policy
    from streamer.desk.operators import Registered

app = group(
    "Turn every action into allow, in every worker within a second, or back; what would have been done is still said.",
    "streamer kill-switch on --by analyst-7 --why 'wrong blocks on every trunk'",
)

Operator = Annotated[str | None, typer.Option(help="Of this operator's calls alone.")]


@app.command(epilog="Example: streamer kill-switch on --operator op-a --by analyst-7 --why 'wrong blocks of op-a'")
def on(by: By, why: Why, operator: Operator = None, register: Register = False, as_json: AsJson = False) -> None:
    """Let every call through from now on, of all operators or of one. It is no error when it is on already."""
    _turn(by, why, operator, wanted=True, register=register, as_json=as_json)


@app.command(epilog="Example: streamer kill-switch off --by analyst-7 --why 'the list is mended'")
def off(by: By, why: Why, operator: Operator = None, as_json: AsJson = False) -> None:
    """Let the policy's actions hold again. It is no error when it is off already.

    Of one operator: his mode becomes again what it was before his kill switch was turned on.
    """
    _turn(by, why, operator, wanted=False, register=False, as_json=as_json)


@app.command(epilog="Example: streamer kill-switch status --json")
def status(as_json: AsJson = False) -> None:
    """Say whether it is on, since when, by whom and why; and which operators are not in `enforce`."""
    from streamer.desk import changing, operators
    from streamer.desk.record import time_text

    settings = load()
    found = changing.standing(settings)
    policy, since = found.policy, found.kill_switch_since
    held = [one for one in operators.known(settings).values() if one.mode != "enforce"]
    if as_json:
        print_json(
            [{**_of_all(policy, since, changed=False), "operators": [_of_one(one, changed=False) for one in held]}]
        )
        return
    _tell_all(policy, since)
    if held:
        rows = [(one.operator, one.mode, one.before, time_text(one.at_ms), one.by, one.why) for one in held]
        print_table(("operator", "mode", "kill switch, before it", "since", "by", "why"), rows)


def _turn(by: str, why: str, operator: str | None, *, wanted: bool, register: bool, as_json: bool) -> None:
    from streamer.desk import changing, operators
    from streamer.desk.record import time_text

    settings, now = load(), now_ms()
    if operator is None:
        before, policy = changing.turn_kill_switch(settings, by, why, now, wanted=wanted)
        turned = policy if policy is not before else changing.standing(settings).kill_switch_since
        if as_json:
            print_json([_of_all(policy, turned, changed=policy is not before)])
        else:
            _tell_all(policy, turned, as_before=policy is before)
        return
    one, changed = operators.turn_kill_switch(settings, operator, by, why, now, wanted=wanted, register=register)
    if as_json:
        print_json([_of_one(one, changed=changed)])
        return
    state = "ON: every action is allow"
    if one.before is None:
        state = "off" if one.mode == "enforce" else "off, but every action is allow all the same"
    since = f"{time_text(one.at_ms)}, by {one.by or '-'}: {one.why or '-'}"
    say(f"kill switch of {operator} {state}{'' if changed else ', as before'} (mode {one.mode}, {since})")


def _of_all(policy: Policy, since: Policy, *, changed: bool) -> dict[str, object]:
    return {"kill_switch": policy.kill_switch, "changed": changed, "version": policy.version, "since": since.version,
            "at": since.at, "by": since.by, "why": since.why}  # fmt: skip


def _of_one(one: Registered, *, changed: bool) -> dict[str, object]:
    return {"operator": one.operator, "kill_switch": one.before is not None, "changed": changed, "mode": one.mode,
            "mode_before": one.before, "at": one.at_ms, "by": one.by, "why": one.why}  # fmt: skip


def _tell_all(policy: Policy, since: Policy, *, as_before: bool = False) -> None:
    from streamer.desk.record import time_text

    state = "ON: every action is allow" if policy.kill_switch else "off"
    told = "never turned on"
    if since.kill_switch or since.by or since.at:
        told = f"policy {since.version}, {time_text(since.at or None)}, by {since.by or '-'}: {since.why or '-'}"
    say(f"kill switch {state}{', as before' if as_before else ''} ({told})")
