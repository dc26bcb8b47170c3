"""What is in force: lists, subscribers' facts, operators, policy and model, changed by control messages.

A record that breaks the contract is refused with a `MessageError` and changes nothing. A policy or model is in force once
the record that points to it and the version it points to have both come, in either order.

A newer version may publish what this one does not know. An unknown field is not looked at, an unknown value or name refuses
its record, whose last version stays in force, and a record under a key of an unknown form is ignored and told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from streamer.calls import codec
from streamer.calls.compiled_numbers import Numbers
from streamer.calls.decisions import MODES, Policy
from streamer.calls.numbers import HomePlan, normalise, plain_id, utf8
from streamer.calls.partitioner import partition_of
from streamer.calls.ranges import ranges_of
from streamer.demotions import PREFIX, Demotions
from streamer.errors import MessageError
from streamer.models import scorer, snapshot
from streamer.models.published import Published
from streamer.policies import DEFAULT, Policies
from streamer.policy import compile_rules
from streamer.registers import facts, lists, operators, signals, trunks
from streamer.windows.hashing import Secret

_MODEL_BITS: Final = 32


class Versions:
    """Every policy and model that a verdict may have been made with. A verdict names both by one word, so none ever moves.

    `now` is the word of those in force. A model is named as `name@version`; None stands for no model.
    """

    def __init__(self) -> None:
        self._policies = [Policy(version=DEFAULT)]
        self._models: list[str | None] = [None]
        self.now = 0

    def policy_of(self, word: int) -> Policy:
        """The policy that a word names."""
        return self._policies[word >> _MODEL_BITS]

    def model_of(self, word: int) -> str | None:
        """The model that a word names."""
        return self._models[word & (1 << _MODEL_BITS) - 1]

    def word_of(self, policy: Policy, model: str | None) -> int:
        """The word of a policy and a model; new ones are remembered."""
        if policy not in self._policies:
            self._policies.append(policy)
        if model not in self._models:
            self._models.append(model)
        return self._policies.index(policy) << _MODEL_BITS | self._models.index(model)

    def policy_named(self, version: str) -> Policy | None:
        """The newest policy of this version that a verdict may have been made with."""
        return next((policy for policy in reversed(self._policies) if policy.version == version), None)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.policy_of(self.now)

    @property
    def model(self) -> str | None:
        """The model in force."""
        return self.model_of(self.now)


_OF_WAYS: Final = frozenset({"lists", "operators", "policy", "trunks"})


class InForce:
    """The registers and their compiled forms.

    Attributes
    ----------
    lists, facts, operators, trunks, signals
        The registers; each has its `compiled` form.
    rules, tables
        Policy and model as the compiled pass reads them.
    versions : Versions
        Every policy and model that was in force, and which are.
    demotions : Demotions
        What is demoted where.
    told_of_ways : int
        How many records there were that may change what is known of an operator, a trunk, or what is demoted there.
    """

    def __init__(self, plan: HomePlan, numbers: Numbers, partitions: int, secret: Secret) -> None:
        self._plan = plan
        self._partitions = partitions
        self.lists = lists.Register(secret, numbers.ids)
        self.facts = facts.Register(secret, numbers.ids)
        self.operators = operators.Register(secret)
        self.trunks = trunks.Register(secret)
        self.told_of_ways = 0
        self.signals = signals.Register(secret)
        self.demotions = Demotions(self.operators)
        self.versions = Versions()
        self._policies = Policies()
        self._published = Published()
        self.tables = scorer.no_model()
        self.rules = compile_rules(self.versions.policy, self.demotions.until)

    @property
    def awaited(self) -> Mapping[str, str]:
        """The policy (`policy`) and the model (`models`) that a pointer asks for and that are not in force."""
        wanted = {
            "policy": (self._policies.wanted, self.versions.policy.version),
            "models": (self._published.wanted, self.versions.model),
        }
        return {kind: asked for kind, (asked, held) in wanted.items() if asked is not None and asked != held}

    @property
    def held_back(self) -> Mapping[str, int]:
        """How many operators run in `shadow` and in `off`, by mode."""
        counts = np.bincount(self.operators.compiled.mode, minlength=len(MODES))
        return {mode: int(counts[number]) for number, mode in enumerate(MODES) if mode != "enforce"}

    def policy_named(self, version: str) -> Policy | None:
        """The policy of this version, if it is known."""
        return self._policies.get(version) or self.versions.policy_named(version)

    def apply(self, kind: str, key: str, value: bytes | None) -> str | None:
        """Take in one record of a control topic; None is a tombstone. Gives why it was ignored, None when it was not.

        `kind`: lists, policy, operators, trunks, models, subscribers.location (line, sim, device, holder, network).
        Raises `MessageError` for a record that breaks the contract, which then changes nothing.
        """
        if kind in _OF_WAYS:
            self.told_of_ways += 1
        try:
            return self._apply(kind, key, value)
        except (TypeError, OverflowError, ArithmeticError) as error:
            raise MessageError("out_of_range", f"{kind} record under {key!r}: {error}") from error

    def _apply(self, kind: str, key: str, value: bytes | None) -> str | None:
        if kind == "policy":
            return self._apply_policy(key, value)
        if kind == "models":
            return self._apply_model(key, value)
        if kind == "lists":
            self._apply_list(key, value)
        elif kind == "operators":
            return self._apply_operator(key, value)
        elif kind.startswith("subscribers."):
            self._apply_fact(kind.removeprefix("subscribers."), key, value)
        elif kind == "trunks":
            self._apply_trunk(key, value)
        elif kind == "signals":
            self._apply_signal(key, value)
        else:
            raise ValueError(f"no control topic is called {kind!r}")
        return None

    def _apply_list(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.lists.remove(key)
            return
        entry = codec.decode_list_entry(value)
        wrong = lists.check(entry)
        if wrong is not None:
            raise MessageError("out_of_range", wrong)
        self.lists.put(key, entry)

    def _apply_policy(self, key: str, value: bytes | None) -> str | None:
        if key.startswith(PREFIX):
            return self._apply_demotion(key, value)
        ignored = self._policies.take(key, value)
        if self._policies.present != self.versions.policy:
            self._enforce(self._policies.present)
        return ignored

    def _apply_demotion(self, key: str, value: bytes | None) -> str | None:
        if value is None:
            self.demotions.remove(key)
        else:
            demotion = codec.decode_demotion(value)
            if not self.demotions.put(key, demotion):
                return f"{key!r}: there is no detector {demotion.detector!r} that can be demoted"
        self._follow_demotions()
        return None

    def _enforce(self, policy: Policy) -> None:
        self.versions.now = self.versions.word_of(policy, self.versions.model)
        self.demotions.bring(policy.demotions)
        self.rules = compile_rules(policy, self.demotions.until)

    def _follow_demotions(self) -> None:
        if self.rules.demoted_until is not self.demotions.until:
            self.rules = self.rules._replace(demoted_until=self.demotions.until)

    def _apply_operator(self, key: str, value: bytes | None) -> str | None:
        """Ranges that can never match are left out: refusing the record would lose the operator's mode with them."""
        if value is None:
            self.operators.remove(key)
            return None
        info = codec.decode_operator(value)
        ranges, wrong = ranges_of(info.ranges, self._plan)
        self.operators.put(msgspec.structs.replace(info, ranges=ranges))
        self.demotions.seat()
        self._follow_demotions()
        return f"of {info.operator}, {wrong[0]}" if wrong else None

    def _apply_trunk(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.trunks.remove(*(key.split("/", 1) if "/" in key else (key, "")))
            self.signals.remove_over(key)
            return
        info = codec.decode_trunk(value)
        if key != f"{info.operator}/{info.trunk}":
            raise MessageError(
                "out_of_range",
                f"trunk {info.trunk} of {info.operator} under {key!r}; its key is the operator, `/` and the trunk",
            )
        ranges, wrong = ranges_of(info.ranges, self._plan)
        if wrong:
            raise MessageError("out_of_range", f"trunk {key}: {wrong[0]}")
        partner = self.operators.row(info.partner) if info.kind == "direct" and info.partner else -1
        if not self.trunks.put(msgspec.structs.replace(info, ranges=ranges), partner):
            raise MessageError("out_of_range", f"trunk {key}: there are {trunks.CAPACITY - 1:,} already")

    def _apply_signal(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.signals.remove(key)
            return
        signal = codec.decode_signal(value)
        if key != signal.key:
            raise MessageError("out_of_range", f"a signal about {signal.key!r} under {key!r}")
        subject = signals.subject_of(signal, self.trunks.rows)
        if subject:
            self.signals.put(key, signal, subject)
        else:
            self.signals.remove(key)

    def _apply_fact(self, fact: str, key: str, value: bytes | None) -> None:
        if value is None:
            self.facts.forget(key, fact)
            return
        found = codec.decode_fact(value)
        if found.fact != fact:
            raise MessageError("out_of_range", f"a {found.fact!r} fact on the topic of {fact!r} facts")
        owner = self.operators.row(found.owner) if found.owner else -1
        number = normalise(found.number, self._plan)
        by_range = int(operators.owner_by_range(self.operators.compiled, plain_id(number) or 0))
        partition = partition_of(utf8(number), self._partitions)
        self.facts.put(partition, found, owner, self.operators.row(found.operator), by_range)

    def _apply_model(self, key: str, value: bytes | None) -> str | None:
        before = self._published.present
        ignored = self._published.take(key, value)
        present = self._published.present
        if present is not None and present is not before:
            self.tables = scorer.tables(present)
            self.versions.now = self.versions.word_of(self.versions.policy, snapshot.key(present))
        return ignored
