"""A policy changed on the topic: read, changed, written as a version of its own, and looked at for a change at the same time."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from streamer.calls.decisions import Policy
from streamer.desk import rules
from streamer.desk.record import signed, time_text
from streamer.errors import DeskError
from streamer.kafka.logs import read
from streamer.kafka.sending import Outgoing, send
from streamer.kafka.topics import Topics
from streamer.settings import Settings


def standing(settings: Settings) -> rules.Standing:
    """What is in force now."""
    return rules.standing(read(settings, Topics(settings).policy))


def change(
    settings: Settings, edit: Callable[[rules.Standing], Policy], by: str, why: str, now_ms: int, *, dry: bool = False
) -> tuple[Policy, Policy]:
    """The policy before and after `edit` of what is in force; with `dry` nothing is written.

    Raises `DeskError` when the edit changes nothing, and when somebody else changed the policy at the same moment: the
    later of the two is in force then, and whoever is told has to look.
    """
    found = standing(settings)
    before, made = found.policy, edit(found)
    if not rules.differences(before, made) and found.wanted == before.version:
        raise DeskError(f"that is what version {before.version} says already; nothing was changed")
    version = rules.next_version(found.versions, time_text(now_ms)[:10])
    after = msgspec.structs.replace(made, version=version, at=now_ms, by=by, why=why)
    if dry:
        return before, after
    topic = Topics(settings).policy
    records = rules.records_of(after)
    send(settings, [Outgoing(topic, key.encode(), value, signed(by, why), 0) for key, value in records])
    meanwhile = standing(settings)
    others = meanwhile.versions.keys() - found.versions.keys() - {version}
    if meanwhile.policy != after or others:
        raise DeskError(
            f"somebody else changed the policy at the same moment ({', '.join(sorted(others)) or meanwhile.policy.version}); "
            f"in force is {meanwhile.policy.version} by {meanwhile.policy.by}: look at `streamer policy history`"
        )
    return before, after
