"""The policy as its log leaves it, and changes to it as a person makes them: by path, checked, each a version of its own.

A policy is in force once the record `current` points to it and it is there; one that is pointed to but missing leaves
the one before in force, as in the workers. A version is never overwritten.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple

import msgspec
import orjson

from streamer.calls import codec
from streamer.calls.decisions import Demotion, Policy, PolicyPointer
from streamer.demotions import PREFIX, demotion_key, named_by
from streamer.desk.record import signature
from streamer.detectors import DETECTORS
from streamer.errors import DeskError, MessageError
from streamer.kafka.logs import LogRecord
from streamer.policy import check

CURRENT: Final = "current"
VERSIONED: Final = "policy@"
DEFAULT: Final = "default"
"""As a value: what holds when nothing is said."""
_SAID_APART: Final = ("version", "at", "by", "why")


class Past(NamedTuple):
    """One record of the past. `done`: written, in force, removed, demoted, lifted or refused; `what` says it in words."""

    at_ms: int
    done: Literal["written", "in force", "removed", "demoted", "lifted", "refused"]
    key: str
    by: str
    why: str
    what: list[str]


class Standing:
    """What a policy topic's records, taken in one after another, leave in force.

    Attributes
    ----------
    policy : Policy
        In force.
    wanted : str | None
        The version that is pointed to; another than the one in force when that is missing.
    versions : dict[str, Policy]
        Every version that is there.
    demotions : dict[str, Demotion]
        By their keys.
    """

    def __init__(self) -> None:
        self.policy = Policy(version=DEFAULT)
        self.wanted: str | None = None
        self.versions: dict[str, Policy] = {}
        self.demotions: dict[str, Demotion] = {}
        self._last: Policy | None = None

    def take(self, record: LogRecord) -> Past:
        """Take in the next record, as the workers do; gives what it did."""
        by, why = signature(record.headers)
        key = record.key_text
        try:
            done, by, why, what = self._take(key, record.value, by, why)
        except MessageError as error:
            return Past(record.at_ms, "refused", key, by, why, [str(error)])
        self._settle()
        return Past(record.at_ms, done, key, by, why, what)

    def _take(self, key: str, value: bytes | None, by: str, why: str) -> tuple[Any, str, str, list[str]]:
        if key.startswith(PREFIX):
            if value is None:
                return "lifted", by, why, self._lift(key)
            demotion = codec.decode_demotion(value)
            if key != demotion_key(demotion):
                raise MessageError("out_of_range", f"its key would be {demotion_key(demotion)!r}")
            self.demotions[key] = demotion
            return "demoted", by or "governor", why or demotion.why, [place_of(demotion)]
        if key == CURRENT:
            self.wanted = codec.decode_policy_pointer(value).version if value is not None else None
            return "in force", by, why, [f"version {self.wanted}" if self.wanted else "the defaults"]
        version = key.removeprefix(VERSIONED)
        if value is None:
            self.versions.pop(version, None)
            return "removed", by, why, [f"version {version}"]
        policy = codec.decode_policy(value)
        check(policy)
        before, self._last = self._last or Policy(version=DEFAULT), policy
        self.versions[policy.version] = policy
        return "written", policy.by or by, policy.why or why, differences(before, policy)

    def _lift(self, key: str) -> list[str]:
        gone, named = self.demotions.pop(key, None), named_by(key)
        if gone is not None:
            return [place_of(gone)]
        return [key if named is None else place_of(Demotion(detector=named[0], operator=named[1], trunk=named[2]))]

    def _settle(self) -> None:
        self.policy = self.versions.get(self.wanted, self.policy) if self.wanted else Policy(version=DEFAULT)


def standing(records: Iterable[LogRecord]) -> Standing:
    """What the log leaves in force."""
    found = Standing()
    for record in records:
        found.take(record)
    return found


def history(records: Iterable[LogRecord]) -> Iterator[Past]:
    """What was done, in log order, as far back as compaction has left it."""
    found = Standing()
    for record in records:
        yield found.take(record)


def place_of(demotion: Demotion) -> str:
    """Where a demotion holds, in words.

    >>> place_of(Demotion(detector="robocall", operator="op-a", trunk=""))
    'robocall of op-a, calls without a trunk'
    """
    where = {None: "", "": ", calls without a trunk"}.get(demotion.trunk, f", trunk {demotion.trunk}")
    return f"{demotion.detector} of {demotion.operator}{where}"


def next_version(known: Iterable[str], day: str) -> str:
    """The name of a new version: the day and a number that was not used on it.

    >>> next_version(["2026-11-24.1", "2026-11-24.9", "by-hand"], "2026-11-24")
    '2026-11-24.10'
    """
    used = [int(found[1]) for name in known if (found := re.fullmatch(re.escape(day) + r"\.(\d{1,9})", name))]
    return f"{day}.{max(used, default=0) + 1}"


def edited(base: Policy, assignments: Iterable[str]) -> Policy:
    """`base` with members changed: ``detectors.robocall.mode=shadow``, ``model.threshold=0.97``, ``governor=default``.

    A value is JSON, or text as it stands; ``default`` takes the member out. Raises `DeskError` for a member that there is
    not, or a value that it cannot have.

    >>> edited(Policy(version="a"), ["model.threshold=0.97"]).model.threshold
    0.97
    """
    tree: dict[str, Any] = msgspec.to_builtins(base)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise DeskError(f"{assignment!r} is no change: PATH=VALUE, as model.threshold=0.97")
        _assign(tree, path.split("."), text)
    return whole(tree)


def _assign(tree: dict[str, Any], path: list[str], text: str) -> None:
    if path[0] in _SAID_APART:
        raise DeskError(f"{path[0]} is not set by hand: each change is a version of its own, with --by and --why")
    here: Any = tree
    for depth, name in enumerate(path[:-1]):
        if path[:depth] == ["detectors"] and name not in here:
            here[name] = _own_rule(name)
        if not isinstance(here, dict) or not isinstance(here.get(name), dict):
            raise DeskError(f"a policy has no {'.'.join(path)!r}{_near(name, here)}")
        here = here[name]
    if text == DEFAULT:
        if here.pop(path[-1], None) is None:
            raise DeskError(f"{'.'.join(path)!r} is not set: nothing to put back")
        if len(path) == 3 and path[0] == "detectors" and path[2] == "cache_s":
            here["cache_s"] = _own_rule(path[1])["cache_s"]
        return
    try:
        here[path[-1]] = orjson.loads(text)
    except orjson.JSONDecodeError:
        here[path[-1]] = text


def _own_rule(name: str) -> dict[str, Any]:
    """A detector's rule before anything is changed: naming it alone must not change for how long its blocks are cached."""
    return {"cache_s": next((detector.cache_s for detector in DETECTORS if detector.id == name), 0)}


def whole(tree: dict[str, Any]) -> Policy:
    """A policy from its members. Raises `DeskError` for a member that there is not, or a value that it cannot have."""
    try:
        made = msgspec.convert(tree, Policy)
        check(made)
    except (msgspec.ValidationError, MessageError) as error:
        raise DeskError(f"not a policy: {error}") from None
    _refuse_unknown(tree, msgspec.to_builtins(made), "")
    return made


def _refuse_unknown(given: Any, taken: Any, where: str) -> None:
    if isinstance(given, dict) and isinstance(taken, dict):
        for name, value in given.items():
            if name not in taken:
                raise DeskError(f"a policy has no {where + name!r}{_near(name, taken)}")
            _refuse_unknown(value, taken[name], f"{where}{name}.")
    elif isinstance(given, list) and isinstance(taken, list):
        for row, value in enumerate(given):
            _refuse_unknown(value, taken[row], f"{where}{row}.")


def _near(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known) if isinstance(known, dict) else [], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def differences(before: Policy, after: Policy) -> list[str]:
    """What another policy changes, a line each: path, old and new value.

    >>> differences(Policy(version="a"), Policy(version="b", kill_switch=True))
    ['kill_switch: false -> true']
    """
    old, new = _flat(msgspec.to_builtins(before)), _flat(msgspec.to_builtins(after))
    return [
        f"{path}: {_shown(old.get(path))} -> {_shown(new.get(path))}"
        for path in sorted(old.keys() | new.keys())
        if path not in _SAID_APART and old.get(path) != new.get(path)
    ]


def _flat(tree: dict[str, Any], where: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{where}{name}.") if isinstance(value, dict) else {where + name: value}
    return flat


def _shown(value: Any) -> str:
    return DEFAULT if value is None else orjson.dumps(value).decode()


def records_of(policy: Policy) -> list[tuple[str, bytes]]:
    """Keys and values that put a policy in force, in the order in which they have to lie in the log."""
    pointer = PolicyPointer(version=policy.version)
    return [(f"{VERSIONED}{policy.version}", codec.encode(policy)), (CURRENT, codec.encode(pointer))]


def detector_names() -> list[str]:
    """Every name that a mode can be set for: the detectors, and `model`."""
    return [*(detector.id for detector in DETECTORS), "model"]


def demotable(name: str) -> bool:
    """Whether a demotion of it is heeded: of behaviour detectors and the model, never of origin detectors."""
    return name == "model" or any(detector.id == name and detector.kind == "behaviour" for detector in DETECTORS)


def own_mode(policy: Policy, name: str) -> str:
    """The mode that the policy itself has a detector (or `model`) run in."""
    if name == "model":
        return policy.model.mode
    rule = policy.detectors.get(name)
    return rule.mode if rule else "enforce"


def modes(policy: Policy) -> dict[str, str]:
    """The mode of every detector and of the model, as the policy says."""
    return {name: own_mode(policy, name) for name in detector_names()}
