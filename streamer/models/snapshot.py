"""A model as it travels: sealed by a digest, checked before use, older ones refused.

A snapshot is plain numbers in JSON. No pickle is ever read from a topic, so whoever can write to `models.v1` can at
worst offer a bad model, never run code.
"""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from typing import Final

import msgspec
import orjson

from streamer import features
from streamer.calls.decisions import ModelPointer, ModelSnapshot
from streamer.errors import ModelError

CHAMPION: Final = "champion"
"""Name of the model whose score goes into decisions; what is published of others (challengers) is ignored."""

SEALED: Final = (
    "name", "version", "epoch", "trained_at", "cases", "features", "edges", "weights", "bias", "metrics",
)  # fmt: skip
"""The fields that the digest covers, the same for ever."""

MAX_EDGES: Final = 62
"""Most inner bin edges of one feature."""


def key(snapshot: ModelSnapshot) -> str:
    """Record key of a snapshot on `models.v1`, which is also what a decision's `model` says.

    >>> key(ModelSnapshot(name="champion", version=7, epoch=1, trained_at=0, cases=0, features=[], edges=[],
    ...                   weights=[], bias=0.0))
    'champion@7'
    """
    return f"{snapshot.name}@{snapshot.version}"


def pointer_key(name: str) -> str:
    """Record key of the pointer that says which version of `name` is in use.

    >>> pointer_key("champion")
    'current/champion'
    """
    return f"current/{name}"


def pointer(snapshot: ModelSnapshot) -> ModelPointer:
    """The pointer record that puts `snapshot` in use."""
    return ModelPointer(name=snapshot.name, version=snapshot.version, epoch=snapshot.epoch)


def digest(snapshot: ModelSnapshot) -> str:
    """SHA-256, in hexadecimal, of the `SEALED` fields as canonical JSON (keys sorted, no blanks) with an empty `sha256`.

    Not of all fields: one that a newer version adds would make its models look damaged to every older one.
    """
    content = {name: msgspec.to_builtins(getattr(snapshot, name)) for name in SEALED} | {"sha256": ""}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def seal(snapshot: ModelSnapshot) -> ModelSnapshot:
    """The same snapshot with its digest in `sha256`; raises `ModelError` when its layout is wrong."""
    check_layout(snapshot)
    return msgspec.structs.replace(snapshot, sha256=digest(snapshot))


def verify(snapshot: ModelSnapshot) -> None:
    """Raises `ModelError` unless the digest fits the content and the layout fits this release's features."""
    if digest(snapshot) != snapshot.sha256:
        raise ModelError(f"{key(snapshot)}: its content does not match its sha256; it was damaged or altered")
    check_layout(snapshot)


def check_layout(snapshot: ModelSnapshot) -> None:
    """Raises `ModelError` unless features are known, learnable and named once, edges rise, all lengths and numbers fit."""
    what = key(snapshot)
    names = snapshot.features
    if not len(names) == len(snapshot.edges) == len(snapshot.weights):
        raise ModelError(
            f"{what}: {len(names)} features, {len(snapshot.edges)} rows of edges, "
            f"{len(snapshot.weights)} rows of weights; there must be as many of each"
        )
    if len(set(names)) != len(names):
        raise ModelError(f"{what}: a feature is named twice")
    if not math.isfinite(snapshot.bias):
        raise ModelError(f"{what}: the bias is not finite")
    for name, edges, weights in zip(names, snapshot.edges, snapshot.weights, strict=True):
        if name not in features.LEARNABLE:
            raise ModelError(f"{what}: {name} is not a feature that a model may learn from")
        if len(edges) > MAX_EDGES:
            raise ModelError(f"{what}: {name} has {len(edges)} edges; at most {MAX_EDGES}")
        if len(weights) != len(edges) + 2:
            raise ModelError(
                f"{what}: {name} has {len(edges)} edges and {len(weights)} weights; needs two more weights"
            )
        if not all(map(math.isfinite, edges)) or any(a >= b for a, b in pairwise(edges)):
            raise ModelError(f"{what}: the edges of {name} are not finite and rising")
        if not all(map(math.isfinite, weights)):
            raise ModelError(f"{what}: a weight of {name} is not finite")


def unknown_features(snapshot: ModelSnapshot) -> list[str]:
    """Those of its features that this version has not got: it was made by or for a newer one."""
    return [name for name in snapshot.features if name not in features.INDEX]


def accepts(current: tuple[int, int] | None, offered: tuple[int, int]) -> bool:
    """Whether a scorer that followed a pointer of (epoch, version) `current` follows one of `offered`.

    A lower epoch comes from a trainer that has lost its lease and is refused, whatever its version. Within an epoch
    the pointer may name any version, of an earlier epoch too: an analyst may go back to an older one.

    >>> accepts(None, (1, 1)), accepts((2, 9), (1, 10)), accepts((2, 9), (3, 10)), accepts((2, 9), (2, 8))
    (True, False, True, True)
    """
    return current is None or offered[0] >= current[0]
