"""The policy as its log leaves it, and its past; each change is a version of its own.

A policy is in force once the record `current` points to it and it is there; one that is pointed to but missing leaves
the one before in force, as in the workers. A version is never overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple

from streamer.calls import codec
from streamer.calls.decisions import Demotion, Mode, Policy, PolicyPointer
from streamer.demotions import PREFIX, demotion_key, named_by
from streamer.desk.edits import DEFAULT, differences, unknown_members
from streamer.desk.record import signature
from streamer.detectors import DETECTORS
from streamer.errors import DeskError, MessageError
from streamer.grounds import RULES, in_force
from streamer.kafka.logs import LogRecord
from streamer.policy import check

CURRENT: Final = "current"
VERSIONED: Final = "policy@"


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
    unknown : dict[str, list[str]]
        Members that nobody looks at, by the version that has them, each with the known one nearest to it.
    """

    def __init__(self) -> None:
        self.policy = Policy(version=DEFAULT)
        self.wanted: str | None = None
        self.versions: dict[str, Policy] = {}
        self.demotions: dict[str, Demotion] = {}
        self.unknown: dict[str, list[str]] = {}
        self._last: Policy | None = None

    def version(self, name: str) -> Policy:
        """A version by its name, the defaults too. Raises `DeskError` when it is not there."""
        found = self.versions.get(name)
        if found is None and name == DEFAULT:
            return Policy(version=DEFAULT)
        if found is None:
            raise DeskError(f"there is no version {name!r}; there are {', '.join(self.versions) or 'none'}")
        return found

    @property
    def kill_switch_since(self) -> Policy:
        """The version since which the kill switch is as it is: of those up to the one in force the last that turned it; the
        defaults where none did.
        """
        since = Policy(version=DEFAULT)
        for one in self.versions.values():
            since = one if one.kill_switch != since.kill_switch else since
            if one.version == self.policy.version:
                break
        return since if since.kill_switch == self.policy.kill_switch else self.policy

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
            self.unknown.pop(version, None)
            return "removed", by, why, [f"version {version}"]
        policy = codec.decode_policy(value)
        check(policy)
        if key != VERSIONED + policy.version:
            raise MessageError("out_of_range", f"its key would be {VERSIONED + policy.version!r}")
        before, self._last = self._last or Policy(version=DEFAULT), policy
        self.versions[policy.version] = policy
        self.unknown[policy.version] = unknown_members(value)
        said = [f"not looked at: {member}" for member in self.unknown[policy.version]]
        return "written", policy.by or by, policy.why or why, [*differences(before, policy), *said]

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


def own_mode(policy: Policy, name: str) -> Mode:
    """The mode that the policy itself has a detector (or `model`) run in."""
    if name == "model":
        return policy.model.mode
    rule = policy.detectors.get(name)
    return rule.mode if rule else "enforce"


def modes(policy: Policy) -> dict[str, Mode]:
    """The mode of every detector and of the model, as the policy says."""
    return {name: own_mode(policy, name) for name in detector_names()}


def thresholds_of_cases(policy: Policy) -> dict[str, dict[str, float] | None]:
    """Of every rule of cases the bounds in force, by the names of the rule and its figures; None where it opens none."""
    held = {rule.name: rule.thresholds for rule in in_force(policy.cases)}
    return {rule.name: held.get(rule.name) for rule in RULES}
