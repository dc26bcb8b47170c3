"""What is committed with an input offset: where the state lies that goes with it.

Kafka keeps a few bytes of metadata with each committed offset, and takes or refuses both together, by the generation of
the group. So the one commit says how far the input was judged *and* which records of `state.v1` hold what came of it: no
worker can ever see one without the other, and a worker that was expelled can change neither.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from streamer.errors import StateError

LONGEST: Final = 4_000
"""Bytes; Kafka keeps at most 4,096 (`offset.metadata.max.bytes`)."""

Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Pointer(Struct, frozen=True, forbid_unknown_fields=True):
    """`state`: first and last offset of each run of records in the partition of `state.v1` that together are the state,
    rising. `said`: the offset in the partition of `decisions.v1` before which nothing was said of records at or after the
    committed offset.
    """

    state: list[tuple[Offset, Offset]]
    said: Offset

    def __contains__(self, offset: int) -> bool:
        """Whether a record of `state.v1` belongs to the state."""
        return any(first <= offset <= last for first, last in self.state)

    def __len__(self) -> int:
        """How many records of `state.v1` belong to the state."""
        return sum(last - first + 1 for first, last in self.state)


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Pointer).decode


def written(pointer: Pointer) -> str:
    """As it is committed.

    >>> written(Pointer([(3, 5), (9, 9)], 77))
    '{"state":[[3,5],[9,9]],"said":77}'
    """
    return _encode(pointer).decode()


def read(partition: int, metadata: str | None) -> Pointer | None:
    """What was committed with an offset; None when nothing was. Raises `StateError` for what no worker of this version wrote."""
    if not metadata:
        return None
    try:
        found = _decode(metadata)
    except msgspec.DecodeError as error:
        raise StateError(
            f"partition {partition}: the metadata of the committed offset is not understood: {error}; begin with the version "
            "that wrote it, or set begin_empty"
        ) from None
    edges = [edge for span in found.state for edge in span]
    if edges != sorted(edges):
        raise StateError(f"partition {partition}: the committed offset names state out of order: {metadata}")
    return found


def since(metadata: str | None, pointer: Pointer | None, low: int, high: int) -> int:
    """Where in the log of decisions, of which there is what lies from `low` to before `high`, those begin that may answer records
    from the committed offset on.

    Nothing was said where nothing was committed with it. The whole log is read where what was is not understood (`pointer` is
    None), or where it points beyond the end: the topic was made anew, or lost its end.

    >>> since(written(Pointer([], 5)), Pointer([], 5), 3, 9), since("unheard of", None, 3, 9), since("", None, 3, 9)
    (5, 3, 9)
    >>> since(written(Pointer([], 5)), Pointer([], 5), 0, 4)
    0
    """
    if not metadata:
        return high
    return max(low, pointer.said) if pointer is not None and pointer.said <= high else low
