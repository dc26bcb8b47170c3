"""Every reason that a compiled verdict can carry, and how all of one verdict are a word.

A word has a field for each source of reasons (lists, the model, each detector, input), as wide as the number of its causes asks
for: 0 for none, else which. A source gives one reason a call at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from streamer.detectors import DETECTORS

WORD_BITS: Final = 63


class Field(NamedTuple):
    """The field of a source: where it begins, and the reason that each of its values from 1 on stands for."""

    at: int
    names: tuple[str, ...]

    @property
    def mask(self) -> int:
        """All its bits, where they do not yet lie in the word."""
        return (1 << len(self.names).bit_length()) - 1


class Coding:
    """Words of the reasons with these names, `<source>.<cause>` each; fields lie as the sources first come, values as the causes do.

    >>> coding = Coding(["model.score", "wangiri.one_ring", "wangiri.called_back"])
    >>> coding.bits, coding.word_of(["wangiri.called_back", "model.score", "list.block"])
    (3, 5)
    >>> coding.names_of(5)
    ['model.score', 'wangiri.called_back']
    """

    def __init__(self, names: Sequence[str]) -> None:
        causes: dict[str, dict[str, None]] = {}
        for name in names:
            causes.setdefault(name.partition(".")[0], {})[name] = None
        self.fields: dict[str, Field] = {}
        self.bits = 0
        for source, found in causes.items():
            field = self.fields[source] = Field(self.bits, tuple(found))
            self.bits += field.mask.bit_length()

    def names_of(self, word: int) -> list[str]:
        """The reasons in a word, in the order of the fields."""
        values = ((field, word >> field.at & field.mask) for field in self.fields.values())
        return [field.names[value - 1] for field, value in values if value]

    def word_of(self, names: Iterable[str]) -> int:
        """The word of those of these reasons that are known; the first of a source stands."""
        word = 0
        for name in names:
            field = self.fields.get(name.partition(".")[0])
            if field is not None and name in field.names and not word >> field.at & field.mask:
                word |= field.names.index(name) + 1 << field.at
        return word


REASONS: Final[tuple[str, ...]] = (
    "list.block",
    "model.score",
    *(f"{detector.id}.{cause.name}" for detector in DETECTORS for cause in detector.causes),
    "input.throttled",
)
"""Every reason that a compiled verdict can carry."""

CODING: Final = Coding(REASONS)
"""How this version writes them."""

THROTTLED: Final = CODING.word_of(["input.throttled"])
"""The word of a set-up that was let through unjudged, since its operator had its share while the input lagged."""


@lru_cache(4_096)
def names_of(word: int) -> tuple[str, ...]:
    """The reasons in a word of this version, in the order of `REASONS`."""
    return tuple(CODING.names_of(word))


assert CODING.bits <= WORD_BITS, "the reasons of a verdict fit into a word"
