"""How the hot loops are compiled: once, kept in a cache on disk, and without counting references to arrays.

Numba counts the references to every array that is looked up in a tuple, sliced or handed on, each time with two locked
instructions; here, where a pass holds some fifty arrays, that was more than half of its time. The loops only borrow
arrays that their Python callers own, so there is nothing to count. In return they cannot make arrays: what a loop
needs to write to, it is given.
"""

from __future__ import annotations

from operator import is_
from typing import Any, ClassVar, Final

from llvmlite import ir
from numba import njit, typeof, types
from numba.core import imputils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np import arrayobj

_compile: Final[Any] = njit
_type_of: Final[Any] = typeof
_array: Final[Any] = arrayobj.make_array
_given_back: Final[Any] = imputils.impl_ret_untracked

loop: Final[Any] = _compile(cache=True, _nrt=False, forceinline=True)
"""Compile a function that makes no array. Where another loop calls it, it becomes a part of that one: left to itself the compiler keeps
most of them apart, and then each call hands over dozens of arrays, which was three tenths of a pass."""

inlined: Final[Any] = _compile(inline="always", _nrt=False)
"""Compile a function of a line or two into each of its callers."""


def _must_be_bytes(data: Any) -> None:
    if not (isinstance(data, types.Array) and (data.dtype, data.ndim, data.layout) == (types.uint8, 1, "C")):
        raise TypingError(f"bytes that lie one behind another, not {data}")


def _word_at(typing: Any, data: Any, at: Any) -> Any:
    _must_be_bytes(data)

    def load(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = _array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(held.data, [arguments[1]])
        word = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)
        return _given_back(context, builder, signature.return_type, word)

    return types.uint64(data, types.int64), load


def _put_word(typing: Any, data: Any, at: Any, word: Any) -> Any:
    _must_be_bytes(data)

    def store(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = _array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(held.data, [arguments[1]])
        builder.store(arguments[2], builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), store


def _lowest_bit(typing: Any, word: Any) -> Any:
    def count(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))
        return _given_back(context, builder, signature.return_type, found)

    return types.int64(types.uint64), count


word_at: Final[Any] = intrinsic(_word_at)
"""Within a loop, `word_at(data, at)`: uint64, the eight bytes of a uint8[n] from one on, the first one lowest. Whoever calls it sees
to it that there are eight."""

put_word: Final[Any] = intrinsic(_put_word)
"""Within a loop, `put_word(data, at, word)`: write a uint64 as eight bytes from one on, the lowest first, where there is room for them."""

lowest_bit: Final[Any] = intrinsic(_lowest_bit)
"""Within a loop, `lowest_bit(word)`: the place of the lowest bit that is set of a uint64 other than 0."""


class Straight:
    """A loop that is entered without a look at the types of its arguments.

    Numba picks a loop's version by the types of all arrays that it is given, which takes some 20 µs for a hundred of them, as long
    as a pass over ten calls. Here they are looked at when one of `seldom`, arrays or tuples of them, is another object than last
    time. What else is given has to be of the same types at every call, or memory is written over: arrays of the same dtype and
    number of dimensions, as contiguous and as writable as before. Whoever takes a part of an array gives leading rows, or a copy.
    """

    checked: ClassVar[bool] = False
    """Whether the types of what else is given are looked at all the same, and others than at the call before refused: for tests."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self._known: tuple[Any, ...] | None = None
        self._types: tuple[Any, ...] = ()
        self._enter: Any = None

    def __call__(self, seldom: tuple[Any, ...], *given: Any) -> Any:
        """What the loop returns for `seldom` and then `given`."""
        known = self._known
        if known is not None and len(known) == len(seldom) and all(map(is_, known, seldom)):
            if self.checked and self._types[len(seldom) :] != _types_of(given):
                raise TypeError(f"entered with {_types_of(given)}, before with {self._types[len(seldom) :]}")
            return self._enter(*seldom, *given)
        found = self._function(*seldom, *given)
        self._types = _types_of((*seldom, *given))
        self._enter, self._known = self._function.overloads[self._types].entry_point, seldom
        return found


def _types_of(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(_type_of, arguments))
