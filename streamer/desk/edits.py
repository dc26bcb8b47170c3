"""A policy changed as a person asks for it, by path; what differs between two; and members that are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from msgspec import Struct

from streamer.calls import codec
from streamer.calls.decisions import CasePolicy, DetectorPolicy, Policy
from streamer.detectors import DETECTORS
from streamer.detectors.base import Detector
from streamer.errors import DeskError, MessageError, near
from streamer.policy import check

KILL_SWITCH: Final = "kill_switch"
DEFAULT: Final = "default"
"""As a value: what holds when nothing is said."""
_SAID_APART: Final = ("version", "at", "by", "why")


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
    return whole(tree, base)


def edited_anew(base: Policy, held: Policy, assignments: Sequence[str]) -> Policy:
    """As `edited`, of another policy than `held`, the one in force, whose kill switch stays as it is unless it is among the changes.

    >>> edited_anew(Policy(version="a"), Policy(version="b", kill_switch=True), ["model.threshold=0.97"]).kill_switch
    True
    """
    if not any(one.partition("=")[0] == KILL_SWITCH for one in assignments):
        base = msgspec.structs.replace(base, kill_switch=held.kill_switch)
    return edited(base, assignments)


def _assign(tree: dict[str, Any], path: list[str], text: str) -> None:
    if path[0] in _SAID_APART:
        raise DeskError(f"{path[0]} is not set by hand: each change is a version of its own, with --by and --why")
    here: Any = tree
    for depth, name in enumerate(path[:-1]):
        if depth == 1 and path[0] in _OWN_RULES and name not in here:
            here[name] = msgspec.to_builtins(_OWN_RULES[path[0]](name))
        if not isinstance(here, dict) or not isinstance(here.get(name), dict):
            raise DeskError(f"a policy has no {'.'.join(path)!r}{near(name, here if isinstance(here, dict) else ())}")
        here = here[name]
    if text == DEFAULT:
        if here.pop(path[-1], None) is None:
            raise DeskError(f"{'.'.join(path)!r} is not set: nothing to put back")
        if len(path) == 3 and path[0] == "detectors" and path[2] == "cache_s":
            here["cache_s"] = _of_detector(path[1]).cache_s
        return
    try:
        here[path[-1]] = orjson.loads(text)
    except orjson.JSONDecodeError:
        here[path[-1]] = text


def _of_detector(name: str) -> DetectorPolicy:
    """A detector's rule before anything is changed: naming it alone must not change for how long its blocks are cached."""
    return DetectorPolicy(cache_s=next((detector.cache_s for detector in DETECTORS if detector.id == name), 0))


_OWN_RULES: Final[dict[str, Callable[[str], Struct]]] = {"detectors": _of_detector, "cases": lambda _: CasePolicy()}
"""What members that hold a rule a name begin with when one is named for the first time."""


def whole(tree: dict[str, Any], base: Policy | None = None) -> Policy:
    """A policy from its members. Raises `DeskError` for a member that there is not, or a value that it cannot have, or that would do
    nothing; but what does nothing in `base` already may stay, so that whoever turns a kill switch need not mend it first.
    """
    try:
        made = msgspec.convert(tree, Policy)
        check(made)
    except (msgspec.ValidationError, MessageError) as error:
        raise DeskError(f"not a policy: {error}") from None
    for member in _unknown(tree, msgspec.to_builtins(made), ""):
        raise DeskError(f"a policy has no {member}")
    for name in _idle_caches(made) - (set() if base is None else _idle_caches(base)):
        raise DeskError(
            f"detectors.{name[0]}.cache_s={name[1]} would do nothing: what {name[0]} finds is no reason to answer other calls of the caller;"
            f" blocks are repeated for {', '.join(one.id for one in DETECTORS if _may_cache(one))} and the model"
        )
    return made


def _may_cache(detector: Detector) -> bool:
    """Whether workers heed how long a policy has its blocks repeated (`streamer.policy.compile_rules`)."""
    return detector.kind == "behaviour" and detector.cache_s > 0


def _idle_caches(policy: Policy) -> set[tuple[str, int]]:
    """Detectors, with the seconds for which a policy has their blocks repeated, of which no worker heeds these."""
    given = (
        (one.id, policy.detectors[one.id].cache_s)
        for one in DETECTORS
        if one.id in policy.detectors and not _may_cache(one)
    )
    return {(name, seconds) for name, seconds in given if seconds}


def read_file(file: Path) -> Policy:
    """A whole policy from a JSON file. Raises `DeskError` when it is none."""
    try:
        tree = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise DeskError(f"{file} cannot be read as JSON: {error}") from None
    if not isinstance(tree, dict):
        raise DeskError(f"{file} is no JSON object")
    return whole({"version": "-", **tree})


def unknown_members(value: bytes) -> list[str]:
    """What a policy's record has that nobody looks at: a slip, the word of a newer version, or a name of an older one.

    >>> unknown_members(b'{"version":"a","governor":{"min_calls":50}}')
    ["'governor.min_calls'; did you mean 'min_lines'?"]
    """
    told = value.decode("utf-8", "replace")  # members that are skipped are not looked at, and may be of any bytes
    return list(_unknown(msgspec.json.decode(told), msgspec.to_builtins(codec.decode_policy(value)), ""))


def _unknown(given: Any, taken: Any, where: str) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(taken, dict):
        for name, value in given.items():
            if name in taken:
                yield from _unknown(value, taken[name], f"{where}{name}.")
            else:
                yield f"{where + name!r}{near(name, taken)}"
    elif isinstance(given, list) and isinstance(taken, list):
        for row, value in enumerate(given):
            yield from _unknown(value, taken[row], f"{where}{row}.")


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
