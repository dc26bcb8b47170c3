"""How the hot loops are compiled: once, kept in a cache on disk, and without counting references to arrays.

Numba counts the references to every array that is looked up in a tuple, sliced or handed on, each time with two locked
instructions; here, where a pass holds some fifty arrays, that was more than half of its time. The loops only borrow
arrays that their Python callers own, so there is nothing to count. In return they cannot make arrays: what a loop
needs to write to, it is given.
"""

from __future__ import annotations

from typing import Any, Final

from numba import njit

_compile: Final[Any] = njit

loop: Final[Any] = _compile(cache=True, _nrt=False)
"""Compile a function that makes no array."""

inlined: Final[Any] = _compile(inline="always", _nrt=False)
"""Compile a function of a line or two into each of its callers."""
