"""The policy changed on its topic: rules, the kill switch, demotions. Changes made at one moment follow one another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from streamer.calls.codec import encode
from streamer.calls.decisions import Demotion, Mode, Policy
from streamer.demotions import brought, demotion_key
from streamer.desk import edits, rules
from streamer.desk.record import answerable, signed, time_text
from streamer.errors import DeskError
from streamer.kafka.logs import read
from streamer.kafka.sending import Outgoing, exchange, send
from streamer.kafka.topics import Topics
from streamer.settings import Settings

Edit = Callable[[rules.Standing], Policy]
"""What is in force, to what shall be."""


class Changed(NamedTuple):
    """The policy before a change and after it; the same one when it said so already."""

    before: Policy
    after: Policy


class Moved(NamedTuple):
    """What became of one operator's demotions: those lifted by key, or the new one; the mode that the policy itself says; what
    the new one took the place of, if that was in force; and those that the policy brings, which only another policy lifts.
    """

    lifted: dict[str, Demotion]
    demotion: Demotion | None
    policy_mode: Mode
    replaced: Demotion | None = None
    brought: tuple[Demotion, ...] = ()


def standing(settings: Settings) -> rules.Standing:
    """What is in force now."""
    return rules.standing(read(settings, Topics(settings).policy))


def past(settings: Settings, since_ms: int) -> list[rules.Past]:
    """What was done since then, in log order."""
    return [one for one in rules.history(read(settings, Topics(settings).policy)) if one.at_ms >= since_ms]


def change(settings: Settings, edit: Edit, by: str, why: str, now_ms: int, *, dry: bool = False) -> Changed:
    """Put in force what `edit` makes of what is; with `dry` nothing is written.

    Raises `DeskError` when `by` or `why` says nothing, and when the edit changes nothing.
    """
    made = _change(settings, edit, by, why, now_ms, dry=dry)
    if made.before is made.after:
        raise DeskError(f"that is what version {made.before.version} says already; nothing was changed")
    return made


def turn_kill_switch(settings: Settings, by: str, why: str, now_ms: int, *, wanted: bool) -> Changed:
    """Let every call through (`wanted`), or the policy's actions hold again; it may be so already."""
    word = f"kill_switch={'true' if wanted else 'false'}"
    return _change(settings, lambda found: edits.edited(found.policy, [word]), by, why, now_ms, urgent=wanted)


def _change(
    settings: Settings, edit: Edit, by: str, why: str, now_ms: int, *, dry: bool = False, urgent: bool = False
) -> Changed:
    by, why = answerable(by, why)
    topic = Topics(settings).policy
    made: list[Changed] = []

    def answer() -> Sequence[Outgoing]:
        found = standing(settings)
        if made and found.policy == made[0].after:
            return ()
        before, edited = found.policy, edit(found)
        made[:] = [Changed(before, before)]
        if not edits.differences(before, edited) and found.wanted in {None, before.version}:
            return ()
        version = rules.next_version(found.versions, time_text(now_ms)[:10])
        after = msgspec.structs.replace(edited, version=version, at=now_ms, by=by, why=why)
        made[:] = [Changed(before, after)]
        return [Outgoing(topic, key.encode(), value, signed(by, why), 0) for key, value in rules.records_of(after)]

    if dry:
        answer()
    else:
        exchange(settings, f"{topic}-desk", answer, urgent=urgent)
    return made[0]


def demote(settings: Settings, demotion: Demotion, by: str, why: str, *, replace: bool = False) -> Moved:
    """Run a detector in shadow for one operator, or one trunk of it; `why` of the demotion is made of who and why.

    Raises `DeskError` where another's demotion would end sooner than he wanted, unless `replace`.
    """
    by, why = answerable(by, why)
    found = standing(settings)
    made = msgspec.structs.replace(demotion, why=f"{by}: {why}")
    key = demotion_key(made)
    held = found.demotions.get(key)
    if held is not None and _end(held) <= made.at:
        held = None
    if held is not None and not replace and not held.why.startswith(f"{by}: ") and _end(made) < _end(held):
        until = "without end" if held.until is None else f"until {time_text(held.until)}"
        raise DeskError(
            f"{rules.place_of(held)} is in shadow {until} already ({held.why}); --replace has it end sooner"
        )
    _put(settings, {key: encode(made)}, by, why)
    return Moved({}, made, rules.own_mode(found.policy, made.detector), held)


def _end(demotion: Demotion) -> float:
    return math.inf if demotion.until is None else demotion.until


def lift(settings: Settings, detector: str, operator: str, trunk: str | None, by: str, why: str, now_ms: int) -> Moved:
    """Lift an operator's demotions of a detector, on one trunk or wherever they hold. Raises `DeskError` when there is none."""
    by, why = answerable(by, why)
    found = standing(settings)
    own_mode = rules.own_mode(found.policy, detector)

    def meant(held: Mapping[str, Demotion]) -> dict[str, Demotion]:
        return {
            key: one
            for key, one in held.items()
            if (one.detector, one.operator) == (detector, operator) and trunk in {None, one.trunk}
        }

    gone, own = meant(found.demotions), meant(brought(found.policy, now_ms))
    if not gone and own:
        places = "; ".join(map(rules.place_of, own.values()))
        raise DeskError(
            f"the policy itself has in shadow: {places}; `streamer policy set demotions=default` lifts all that it brings"
        )
    if not gone:
        place = rules.place_of(Demotion(detector=detector, operator=operator, trunk=trunk))
        raise DeskError(f"{place} is not demoted; the policy has it in {own_mode} for all operators")
    _put(settings, dict.fromkeys(gone), by, why)
    return Moved(gone, None, own_mode, brought=tuple(own.values()))


def _put(settings: Settings, values: dict[str, bytes | None], by: str, why: str) -> None:
    topic = Topics(settings).policy
    send(settings, [Outgoing(topic, key.encode(), value, signed(by, why), 0) for key, value in values.items()])
