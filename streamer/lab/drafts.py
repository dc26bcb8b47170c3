"""One simulated call before it happens."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from streamer.calls.events import FraudType

MAX_TALK_MS: Final = 3_600_000
"""Longest conversation: it bounds the calls under way."""

Ingress = Literal["subscriber", "national", "international"]
Releaser = Literal["caller", "callee", "network"]

Course = tuple[int, int, int, Releaser]
"""How a call goes: ring time and talk time in ms (0: not answered), Q.850 cause, who releases it."""

Device = tuple[str, str, str]
"""IMSI, IMEI and cell that a call of an own line comes from."""


class Draft(NamedTuple):
    """One call as its maker would have it.

    `talk_ms` above 0 means that it is answered after `ring_ms`; `line` is the index of the subscriber who calls from his
    own line, or -1; `sighting` says that the called line's operator reports the call as well, under an id of its own;
    `campaign` is the undertaking that a fraudulent call belongs to, `kind` the kind of line that an honest one comes from
    (of a fraudulent one `camouflage`, when it is only made to look honest). `device` is told where it does not follow from
    `line`. `back` is what the called does because of the call, unless it is blocked: calls back, so many ms after its end.
    """

    operator: str
    caller: str
    callee: str
    ingress: Ingress
    trunk: str | None
    country: str | None
    ring_ms: int
    talk_ms: int
    cause: int
    released_by: Releaser
    label: FraudType | None
    line: int = -1
    sighting: str = ""
    campaign: str | None = None
    kind: str | None = None
    device: Device | None = None
    diverted_from: str | None = None
    user_agent: str | None = None
    back: tuple[int, Draft] | None = None


Planned = list[tuple[int, Draft]]
"""Calls to make: how many ms from now, and each one's draft."""


def own_device(digits: str) -> Device:
    """The phone of a line with these digits, in a cell that it does not leave."""
    which = int(digits)
    return f"40101{digits[-10:]:0>10}", f"35693803{which % 10_000_000:07d}", f"401-01-{which % 4_099:05d}"


def device_of(draft: Draft) -> Device | tuple[None, None, None]:
    """The phone that a call comes from; none of a call that comes in over a trunk."""
    index = draft.line
    if draft.device or index < 0:
        return draft.device or (None, None, None)
    return f"40101{index:010d}", f"35693803{index % 10_000_000:07d}", f"401-01-{index % 4_099:05d}"
