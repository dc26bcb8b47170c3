"""What a target is: a decoder, what has to hold for any bytes it is given, and inputs to begin with."""

import re
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|\d+|: .*", re.DOTALL)


class Target(NamedTuple):
    """`run` gives what came of an input, in few words: an input that comes to something new is worth keeping. Whatever it
    raises is a finding. `share` is weighed against those of the other targets. One that runs compiled loops is not guided
    by atheris, under which numba cannot compile.
    """

    name: str
    run: Callable[[bytes], Hashable]
    seeds: Callable[[], Sequence[bytes]]
    share: int
    property: str
    tokens: tuple[bytes, ...] = ()
    mutate: Callable[..., bytes] | None = None
    compiled: bool = False


def shape(error: object) -> str:
    """An error's text without the values in it."""
    return _VALUES.sub("_", str(error))[:80]
