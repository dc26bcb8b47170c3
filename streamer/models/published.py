"""Models as their topic leaves them: the versions that are there, and the one in force.

One is in force once the record that points to it and the version it points to have both come, in either order; while the one
that is pointed to is missing, the one before goes on. A pointer may name any version that is there, an older one too.
"""

from __future__ import annotations

from typing import Final

from streamer.calls import codec
from streamer.calls.decisions import ModelPointer, ModelSnapshot
from streamer.errors import MessageError, ModelError
from streamer.models.snapshot import CHAMPION, accepts, key, pointer_key, unknown_features, verify

MOST: Final = 1_024
"""So many versions are held, those that were written last: more than trainers leave there. They are held as the bytes that they came
in, decoded they would take five times the room."""
_VERSIONED: Final = f"{CHAMPION}@"


class Published:
    """See the module. What is published of another model than the champion is ignored.

    Attributes
    ----------
    present : ModelSnapshot | None
        In force: the same object until another one is; None before one was published.
    """

    def __init__(self) -> None:
        self.present: ModelSnapshot | None = None
        self._pointer: ModelPointer | None = None
        self._followed: tuple[int, int] | None = None
        self._value = b""
        self._held: dict[str, bytes] = {}

    @property
    def wanted(self) -> str | None:
        """The version that is pointed to, as `name@version`."""
        return None if self._pointer is None else f"{self._pointer.name}@{self._pointer.version}"

    def take(self, under: str, value: bytes | None) -> str | None:
        """Take in the record under a key; None is a tombstone. Gives why it was ignored, None when it was not.

        Raises `MessageError` for one that breaks the contract, which then changes nothing.
        """
        if under == pointer_key(CHAMPION):
            if value is None:
                return None
            pointer = codec.decode_model_pointer(value)
            if pointer.name != CHAMPION:
                asked = f"{pointer.name}@{pointer.version}"
                raise MessageError("out_of_range", f"{under!r} points to {asked!r}, which is not the {CHAMPION}")
            self._pointer = pointer
        elif not under.startswith(_VERSIONED):
            return None if value is None else f"{under!r} is about a model that is not scored with"
        elif value is None:
            self._held.pop(under, None)
            return None
        else:
            offered, present = _sound(under, value), self.present
            if present is not None and key(present) == under and offered.epoch < present.epoch:
                return f"{under} is in force as epoch {present.epoch} made it, not as epoch {offered.epoch} did"
            self._held.pop(under, None)
            self._held[under] = value
            if len(self._held) > MOST:
                del self._held[next(iter(self._held))]
        self._follow()
        return None

    def _follow(self) -> None:
        """Put in force what is pointed to, if it is there and no trainer that lost its lease points to it."""
        pointer = self._pointer
        value = self._held.get(f"{pointer.name}@{pointer.version}") if pointer is not None else None
        if pointer is None or value is None or not accepts(self._followed, (pointer.epoch, pointer.version)):
            return
        self._followed = (pointer.epoch, pointer.version)
        if value != self._value:
            self._value, self.present = value, codec.decode_model(value)


def _sound(under: str, value: bytes) -> ModelSnapshot:
    """The snapshot of a record under its key; raises `MessageError` for one that is damaged, does not fit this release or has another key."""
    offered = codec.decode_model(value)
    try:
        verify(offered)
    except ModelError as error:
        reason = "unknown_value" if unknown_features(offered) else "out_of_range"
        raise MessageError(reason, str(error)) from None
    if under != key(offered):
        raise MessageError("out_of_range", f"{key(offered)} under {under!r}, which is not its key")
    return offered
