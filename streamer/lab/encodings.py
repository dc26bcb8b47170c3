"""Encodings of text in lines: which ones a file can be read in piece by piece, and what its lines end with."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final, NamedTuple

from streamer.errors import ReplayError

_BY_MARK: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Encoding(NamedTuple):
    """A codec by its name, and the line feed in it, which is one code unit."""

    name: str
    line_feed: bytes


def encoding_of(named: str, begins: bytes, path: Path) -> Encoding:
    """The encoding of a file that begins so: as it is named, or UTF-16 by its byte order mark where UTF-8 or UTF-16 is.

    Raises `ReplayError` for one in which lines cannot be found.
    """
    try:
        name = codecs.lookup(named).name.removesuffix("-sig")
        if name in {"utf-8", "utf-16"}:
            name = _BY_MARK.get(begins[:2], name)
        line_feed = "\n".encode(name)
        b"\n".decode(name, "backslashreplace")
    except (LookupError, ValueError) as error:
        raise ReplayError(f"{path}, line 1: {error}") from None
    if name == "utf-16":
        raise ReplayError(f"{path} has no byte order mark: the encoding has to be utf-16-le or utf-16-be")
    if name not in _BY_MARK.values() and line_feed != b"\n":
        raise ReplayError(
            f"{path}: lines cannot be found in the encoding {named}; utf-8, utf-16 and those can be read that write ASCII as"
            f" it is, as cp1251 and latin-1 do: iconv -f {named} -t utf-8"
        )
    return Encoding(name, line_feed)
