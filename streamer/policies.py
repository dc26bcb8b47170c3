"""Policies as their topic leaves them: the versions that are there, and the one in force.

One is in force once the record that points to it and the version it points to have both come, in either order; while the one
that is pointed to is missing, the one before goes on.
"""

from __future__ import annotations

from typing import Final

from streamer.calls import codec
from streamer.calls.decisions import Policy
from streamer.errors import MessageError
from streamer.policy import check

DEFAULT: Final = "default"
"""The version that is in force before one was published."""
_CURRENT: Final = "current"
_VERSIONED: Final = "policy@"


class Policies:
    """See the module.

    Attributes
    ----------
    present : Policy
        In force: the same object until another one is.
    wanted : str | None
        The version that is pointed to.
    """

    def __init__(self) -> None:
        self.present = Policy(version=DEFAULT)
        self.wanted: str | None = None
        self._held: dict[str, Policy] = {}

    def get(self, version: str) -> Policy | None:
        """The policy of this version, if it is there."""
        return self._held.get(version)

    def take(self, key: str, value: bytes | None) -> str | None:
        """Take in a record that is no demotion; None is a tombstone. Gives why it was ignored, None when it was not.

        Raises `MessageError` for one that breaks the contract, which then changes nothing.
        """
        if key == _CURRENT:
            self.wanted = codec.decode_policy_pointer(value).version if value is not None else None
        elif not key.startswith(_VERSIONED):
            return None if value is None else f"{key!r} is neither `current` nor a policy's key nor a demotion's"
        elif value is None:
            self._held.pop(key.removeprefix(_VERSIONED), None)
        else:
            policy = codec.decode_policy(value)
            if key != _VERSIONED + policy.version:
                raise MessageError(
                    "out_of_range", f"policy {policy.version} under {key!r}; its key is `policy@` and its version"
                )
            check(policy)
            self._held[policy.version] = policy
        chosen = self._held.get(self.wanted, self.present) if self.wanted is not None else Policy(version=DEFAULT)
        if chosen != self.present:
            self.present = chosen
        return None
