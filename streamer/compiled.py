"""How the hot loops are compiled: once, kept in a cache on disk, and without counting references to arrays.

Numba counts the references to every array that is looked up in a tuple, sliced or handed on, each time with two locked
instructions; here, where a pass holds some fifty arrays, that was more than half of its time. The loops only borrow
arrays that their Python callers own, so there is nothing to count. In return they cannot make arrays: what a loop
needs to write to, it is given.
"""

from __future__ import annotations

from operator import is_
from typing import Any, ClassVar, Final

from numba import njit, typeof

_compile: Final[Any] = njit
_type_of: Final[Any] = typeof

loop: Final[Any] = _compile(cache=True, _nrt=False)
"""Compile a function that makes no array."""

inlined: Final[Any] = _compile(inline="always", _nrt=False)
"""Compile a function of a line or two into each of its callers."""


class Straight:
    """A loop that is entered without a look at the types of its arguments.

    Numba picks a loop's version by the types of all arrays that it is given, which takes some 20 µs for a hundred of them, as long
    as a pass over ten calls. Here they are looked at when one of `seldom`, tuples of arrays, is another object than last
    time; what else is given has to be of the same types at every call.
    """

    checked: ClassVar[bool] = False
    """Whether the types of what else is given are looked at all the same, and others than at the call before refused: for tests."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self._known: tuple[Any, ...] = ()
        self._types: tuple[Any, ...] = ()
        self._enter: Any = None

    def __call__(self, seldom: tuple[Any, ...], *given: Any) -> Any:
        """What the loop returns for `seldom` and then `given`."""
        known = self._known
        if len(known) == len(seldom) and all(map(is_, known, seldom)):
            if self.checked and self._types[len(seldom) :] != _types_of(given):
                raise TypeError(f"entered with {_types_of(given)}, before with {self._types[len(seldom) :]}")
            return self._enter(*seldom, *given)
        found = self._function(*seldom, *given)
        self._types = _types_of((*seldom, *given))
        self._enter, self._known = self._function.overloads[self._types].entry_point, seldom
        return found


def _types_of(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(_type_of, arguments))
