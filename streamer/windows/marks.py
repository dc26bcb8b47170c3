"""Which of many rows are wanted, a byte each, and where the few lie that are."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamer.compiled import loop, lowest_bit

_WORD: Final = 8


def none(rows: int) -> Any:
    """bool[m >= rows], none marked; with the rest that there may be it fills whole words."""
    return np.zeros(rows + -rows % _WORD, np.bool_)


def places(marked: Any) -> Any:
    """int64[n]: where what `none` gave is marked, rising. Where few are, a quarter of numpy's time."""
    found = np.empty(np.count_nonzero(marked), np.int64)
    _places(marked.view(np.uint64), found)
    return found


@loop
def _places(words: Any, found: Any) -> None:
    n = 0
    for at in range(words.shape[0]):
        word = words[at]
        while word != np.uint64(0):
            found[n] = at * _WORD + lowest_bit(word) // 8
            n += 1
            word &= word - np.uint64(1)
