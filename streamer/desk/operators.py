"""How far verdicts go at one operator: the mode in his record on the operators' topic, changed and turned back by hand.

The kill switch of one operator is his mode `shadow`: every action is `allow`, what would have been done is still said. The
record says what the mode was before in the header `kill-switch`, so that turning it off puts back that and nothing else;
whoever publishes the operator anew, with a mode of his own, ends it too.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from streamer.calls import codec
from streamer.calls.decisions import MODES, Mode
from streamer.desk.record import answerable, signature, signed
from streamer.errors import DeskError, MessageError
from streamer.kafka.logs import LogRecord, read
from streamer.kafka.sending import Outgoing, exchange
from streamer.kafka.topics import Topics
from streamer.settings import Settings

KILL_SWITCH: Final = "kill-switch"


class Registered(NamedTuple):
    """An operator as he stands: his mode, since when (ms), by whom and why as far as that is said, the mode that his kill
    switch took the place of (None: it is off), and the whole record.
    """

    operator: str
    mode: Mode
    at_ms: int
    by: str
    why: str
    before: Mode | None
    value: bytes


def registered(records: Iterable[LogRecord]) -> dict[str, Registered]:
    """The operators that the log leaves registered, by name; records that workers refuse change nothing."""
    found: dict[str, Registered] = {}
    for record in records:
        if record.value is None:
            found.pop(record.key_text, None)
            continue
        try:
            info = codec.decode_operator(record.value)
        except MessageError:
            continue
        by, why = signature(record.headers)
        said = dict(record.headers).get(KILL_SWITCH)
        before = next((mode for mode in MODES if said == mode.encode()), None)
        found[info.operator] = Registered(info.operator, info.mode, record.at_ms, by, why, before, record.value)
    return found


def turned(one: Registered, *, wanted: bool) -> tuple[Mode, Mode | None]:
    """The mode that the kill switch gives an operator, and the one to put back later (None: it is off).

    Raises `DeskError` when it is to be turned off where nobody turned it on, although his mode lets every call through.
    """
    if wanted:
        return ("shadow", one.mode) if one.mode == "enforce" else (one.mode, one.before)
    if one.before is None and one.mode != "enforce":
        raise DeskError(
            f"{one.operator} is in {one.mode} by his own record, not by a kill switch: "
            f"streamer policy mode all {one.operator} enforce"
        )
    return one.before or one.mode, None


def with_mode(value: bytes, mode: Mode) -> bytes:
    """An operator's record with another mode and all else as it was, members that this version does not know among it.

    >>> with_mode(b'{"operator":"op-a","newer":[1]}', "shadow")
    b'{"operator":"op-a","newer":[1],"mode":"shadow"}'
    """
    tree = msgspec.json.decode(value.decode("utf-8", "replace"), type=dict[str, msgspec.Raw])
    return msgspec.json.encode(tree | {"mode": mode})


def known(settings: Settings) -> dict[str, Registered]:
    """The operators that are registered now."""
    return registered(read(settings, Topics(settings).operators))


def turn_kill_switch(
    settings: Settings, operator: str, by: str, why: str, now_ms: int, *, wanted: bool, register: bool = False
) -> tuple[Registered, bool]:
    """Let every call of an operator through, or put back the mode that he had; gives how he stands, and whether that is new.

    Raises `DeskError` for one who is not registered (with `register` he is, with the defaults), and as `turned`.
    """
    return _change(
        settings, operator, by, why, now_ms, lambda one: turned(one, wanted=wanted), register=register, urgent=wanted
    )


def set_mode(
    settings: Settings, operator: str, mode: Mode, by: str, why: str, now_ms: int, *, register: bool = False
) -> tuple[Registered, bool]:
    """Give an operator another mode; what a kill switch would have put back is forgotten. Otherwise as `turn_kill_switch`."""
    return _change(settings, operator, by, why, now_ms, lambda _: (mode, None), register=register)


def _change(
    settings: Settings,
    operator: str,
    by: str,
    why: str,
    now_ms: int,
    decide: Callable[[Registered], tuple[Mode, Mode | None]],
    *,
    register: bool,
    urgent: bool = False,
) -> tuple[Registered, bool]:
    by, why = answerable(by, why)
    topic = Topics(settings).operators
    made: list[tuple[Registered, bool]] = []

    def answer() -> Sequence[Outgoing]:
        there = known(settings)
        if made and operator in there and there[operator]._replace(at_ms=now_ms) == made[0][0]:
            return ()
        one = there.get(operator) or _newcomer(operator, there, register=register)
        mode, before = decide(one)
        if (mode, before) == (one.mode, one.before) and operator in there:
            made[:] = [(one, False)]
            return ()
        value = with_mode(one.value, mode)
        made[:] = [(Registered(operator, mode, now_ms, by, why, before, value), True)]
        kept = () if before is None else ((KILL_SWITCH, before.encode()),)
        return [Outgoing(topic, operator.encode(), value, (*signed(by, why), *kept))]

    exchange(settings, f"{topic}-desk", answer, urgent=urgent)
    return made[0]


def _newcomer(operator: str, there: Iterable[str], *, register: bool) -> Registered:
    if not register:
        near = difflib.get_close_matches(operator, list(there), n=1)
        meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(there)) or 'none'}"
        raise DeskError(
            f"no operator {operator!r} is registered ({meant}); --register enters a new one, with the defaults"
        )
    value = msgspec.json.encode({"operator": operator})
    try:
        info = codec.decode_operator(value)
    except MessageError as error:
        raise DeskError(f"{operator!r} cannot be an operator: {error}") from None
    return Registered(operator, info.mode, 0, "", "", None, value)
