"""Many texts as one array of bytes, for loops that read them without a Python object a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from streamer.compiled import inlined, loop

_MARK: Final = "\n"


class Texts(NamedTuple):
    """Texts end to end in UTF-8, a mark after each: `data` uint8, `ends` int64[n] the places of the marks."""

    data: Any
    ends: Any


def laid_out(texts: Sequence[str]) -> Texts:
    r"""The texts end to end.

    >>> found = laid_out(["ab", "", "é"])
    >>> found.data.tobytes(), found.ends.tolist()
    (b'ab\n\n\xc3\xa9\n', [2, 3, 6])
    """
    data = np.frombuffer((_MARK.join(texts) + _MARK).encode("utf-8", "surrogatepass"), dtype=np.uint8)
    ends = np.empty(len(texts), dtype=np.int64)
    if _find_ends(data, ends) != len(texts):  # a text holds the mark itself
        lengths = [len(text.encode("utf-8", "surrogatepass")) + 1 for text in texts]
        ends = np.cumsum(np.array(lengths, dtype=np.int64)) - 1
    return Texts(data, ends)


@inlined
def begin_of(ends: Any, which: int) -> int:
    """Where a text begins."""
    return ends[which - 1] + 1 if which > 0 else 0


@loop
def _find_ends(data: Any, ends: Any) -> int:
    found = 0
    for at in range(data.size):
        if data[at] == 10:
            if found < ends.size:
                ends[found] = at
            found += 1
    return found
