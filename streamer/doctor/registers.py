"""Control topics: does every record still there hold, and does what points to something find it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from streamer.calls import codec
from streamer.calls.compiled_numbers import Numbers
from streamer.calls.emergency import emergency_numbers
from streamer.calls.events import OperatorInfo
from streamer.calls.numbers import HomePlan, home_plan
from streamer.calls.plan import number_table
from streamer.calls.ranges import ranges_of
from streamer.desk.edits import unknown_members
from streamer.desk.entries import ONE_SIDE
from streamer.desk.rules import CURRENT, VERSIONED
from streamer.doctor.findings import Finding
from streamer.errors import MessageError
from streamer.in_force import InForce
from streamer.models import snapshot

_ANY_SECRET: Final = (1, 2)


class Entry(NamedTuple):
    """The last record of a key: what its topic is about (`lists`, `policy` and so on), key, value, and where it lies in words."""

    kind: str
    key: str
    value: bytes | None
    place: str


def judge(entries: Iterable[Entry], home: str, publishing: Iterable[str]) -> list[Finding]:
    """Findings on the control topics, whole and in order; `publishing` are the operators seen on `calls`."""
    plan = home_plan(home)
    numbers = Numbers(plan, _ANY_SECRET, 1, number_table(home))
    in_force = InForce(plan, numbers, 1, np.array(_ANY_SECRET, np.uint64))
    held: dict[tuple[str, str], bytes] = {}
    refused: list[tuple[Entry, MessageError]] = []
    count = 0
    for entry in entries:
        count += 1
        try:
            in_force.apply(entry.kind, entry.key, entry.value)
        except MessageError as error:
            refused.append((entry, error))
            continue
        if entry.value is None:
            held.pop((entry.kind, entry.key), None)
        else:
            held[entry.kind, entry.key] = entry.value
    kinds = Counter(kind for kind, _ in held)
    told = ", ".join(f"{kind} {kinds[kind]:,}" for kind in ("operators", "trunks", "lists", "policy", "models"))
    found = [_refused(refused) if refused else Finding("control", "ok", f"{count:,} records read; in force: {told}")]
    of_each = _policy(held), _model(held), _ranges(held, plan), _direct_trunks(held, plan), _lists(held)
    found += [finding for finding in of_each if finding is not None]
    return [*found, *_operators(held, publishing), _emergency(held, home)]


def _refused(refused: list[tuple[Entry, MessageError]]) -> Finding:
    entry, error = refused[0]
    return Finding(
        "control",
        "failed",
        f"{len(refused):,} control records are refused by every worker, first {entry.place} under {entry.key!r}: {error}",
        "publish it anew under that key as its schema in schemas/ asks, or a tombstone (null value) for the key",
    )


def _policy(held: dict[tuple[str, str], bytes]) -> Finding | None:
    pointer = held.get(("policy", CURRENT))
    if pointer is None:
        return Finding("policy", "ok", "none is published: detectors run by their own defaults")
    wanted = codec.decode_policy_pointer(pointer).version
    value = held.get(("policy", f"{VERSIONED}{wanted}"))
    if value is None:
        return Finding(
            "policy",
            "failed",
            f"{CURRENT!r} points to version {wanted!r}, which is not there: workers go on with what they had",
            "publish that version under policy@<version>, or point to one that is there",
        )
    unknown = unknown_members(value)
    if codec.decode_policy(value).kill_switch:
        return Finding(
            "policy", "warning", f"version {wanted!r}: the kill switch is on, nothing is blocked", "turn it off"
        )
    if unknown:
        return Finding(
            "policy",
            "warning",
            f"version {wanted!r}: nobody looks at {', '.join(unknown)}",
            "put the value where this version looks for it, as `streamer policy set PATH=VALUE`: a change writes known members alone",
        )
    return Finding("policy", "ok", f"version {wanted!r} is in force")


def _model(held: dict[tuple[str, str], bytes]) -> Finding | None:
    pointer = held.get(("models", f"{CURRENT}/{snapshot.CHAMPION}"))
    if pointer is None:
        return None
    named = codec.decode_model_pointer(pointer)
    wanted = f"{named.name}@{named.version}"
    offered = [
        codec.decode_model(value)
        for (kind, key), value in held.items()
        if kind == "models" and not key.startswith(f"{CURRENT}/")
    ]
    if any(snapshot.key(one) == wanted for one in offered):
        return Finding("model", "ok", f"{wanted} is in force")
    return Finding(
        "model",
        "failed",
        f"the model in force should be {wanted}, which is not there: workers go on with what they had",
        "start the trainer, which publishes a new one: `streamer trainer`",
    )


def _lists(held: dict[tuple[str, str], bytes]) -> Finding | None:
    """Entries on a side that their list is never asked for; the desk refuses such, whoever else publishes does not."""
    entries = [(key, codec.decode_list_entry(value)) for (kind, key), value in held.items() if kind == "lists"]
    idle = [(key, one.list) for key, one in entries if ONE_SIDE.get(one.list, one.side) != one.side]
    if not idle:
        return None
    key, which = idle[0]
    return Finding(
        "lists",
        "warning",
        f"{len(idle):,} {'entry does' if len(idle) == 1 else 'entries do'} nothing, first {key!r}: the list {which} is asked for {ONE_SIDE[which]} numbers alone",
        f"enter the number on the {ONE_SIDE[which]} side and remove this one: `streamer lists add|remove {which} NUMBER --side ...`",
    )


def _known(held: dict[tuple[str, str], bytes]) -> list[OperatorInfo]:
    return [codec.decode_operator(value) for (kind, _), value in held.items() if kind == "operators"]


def _ranges(held: dict[tuple[str, str], bytes], plan: HomePlan) -> Finding | None:
    """Ranges of operators that workers leave out; a trunk with such a range is refused as a whole."""
    wrong = [(one.operator, why) for one in _known(held) for why in ranges_of(one.ranges, plan)[1]]
    if not wrong:
        return None
    return Finding(
        "ranges",
        "failed",
        f"{len(wrong):,} ranges of operators are left out, first of {wrong[0][0]}: {wrong[0][1]}",
        "publish the operator anew with ranges such as +7701; until then what lies in these is nobody's",
    )


def _direct_trunks(held: dict[tuple[str, str], bytes], plan: HomePlan) -> Finding | None:
    ranged = {one.operator for one in _known(held) if ranges_of(one.ranges, plan)[0]}
    trunks = [codec.decode_trunk(value) for (kind, _), value in held.items() if kind == "trunks"]
    idle = [one for one in trunks if one.kind == "direct" and one.partner not in ranged]
    if not idle:
        return None
    return Finding(
        "trunks",
        "warning",
        f"{len(idle):,} direct trunks judge nothing, first {idle[0].operator}/{idle[0].trunk}: its partner {idle[0].partner!r} is no"
        " registered operator with ranges",
        "publish the partner on operators.v1 with its ranges, or the trunk with the partner's name there, or as `transit`",
    )


def _operators(held: dict[tuple[str, str], bytes], publishing: Iterable[str]) -> list[Finding]:
    known = _known(held)
    strangers = sorted(set(publishing) - {one.operator for one in known})
    if not strangers:
        modes = ", ".join(f"{one.operator} {one.mode}" for one in known if one.mode != "enforce") or "none"
        return [Finding("operators", "ok", f"{len(known):,} registered; not in enforce: {modes}")]
    return [
        Finding(
            "operators",
            "warning",
            f"publish calls and are not registered: {', '.join(strangers[:5])}",
            "publish each on operators.v1, with its ranges; until then the defaults of an operator hold",
        )
    ]


def _emergency(held: dict[tuple[str, str], bytes], home: str) -> Finding:
    entries = sum(kind == "lists" and key.startswith("emergency/") for kind, key in held)
    numbers = ", ".join(sorted(emergency_numbers(home), key=lambda number: (len(number), number))) or "no number"
    return Finding("emergency", "ok", f"calls to {numbers} always pass; entries of the list emergency: {entries:,}")
