"""The members of call events as tables for a compiled loop: their names, limits and words are those of the structs."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import inspect

from streamer.calls.codec import MAX_BYTES
from streamer.calls.events import Answer, End, Setup
from streamer.calls.texts import NAMES

KIND, AT = 0, 1
INGRESS, ATTESTATION, CACHED = 2, 3, 4
RING, TALK, CAUSE = 2, 3, 4
"""Columns of the integers of a call: an answer has the first three, a set-up and an end have all."""
LEFT, SETUP, ANSWER, END = range(4)
"""Kinds; `LEFT`: not read."""
_UNSAID: Final = (LEFT, 0, -1, 0, -1)
"""A call of which nothing is said: no ringing time, no attestation or talk, no cause and not whether it is cached."""
_UNSAID_ROW: Final = np.array(_UNSAID, np.int64)
KIND_OF: Final[dict[type[msgspec.Struct], int]] = {Setup: SETUP, Answer: ANSWER, End: END}
CODES: Final[dict[str, dict[str, int]]] = {
    "type": {str(kind.__struct_config__.tag): code for kind, code in KIND_OF.items()},
    "ingress": {"subscriber": 0, "national": 1, "international": 2},
    "attestation": {"C": 1, "B": 2, "A": 3},
}
"""What is kept of members that say one of a few words."""
COLUMN: Final = {
    "type": KIND, "at": AT, "ingress": INGRESS, "attestation": ATTESTATION, "cached": CACHED,
    "ring_ms": RING, "talk_ms": TALK, "cause": CAUSE,
}  # fmt: skip
"""Where members go that are kept as integers, of truths 1 and 0."""

TEXT, NUMBER, WORD, TRUTH = range(4)
"""Forms of values."""
FORM, LEAST, MOST, NULL, TO_COLUMN, TO_TEXT, FIRST_WORD, LAST_WORD, LENGTH = range(9)
"""Columns of the table of members: the form; the fewest and most characters of a text, the most of a number; whether null is
one; to which column of the integers and which text it goes, -1 for none; its words; and the bytes of its name with the quote behind it."""
_NOWHERE: Final = -1


def unsaid(n: int) -> Any:
    """int64[n, 5]: the integers of n calls of which nothing is said."""
    found: Any = np.empty((n, len(_UNSAID)), np.int64)
    found[:] = _UNSAID_ROW  # np.full takes four times as long
    return found


class Spellings(NamedTuple):
    """Names, each with the quote behind it, as little-endian words: those with their masks uint64[n, 4]."""

    words: list[list[int]]

    def add(self, name: str) -> int:
        """Enter one; gives its bytes."""
        data = name.encode("ascii") + b'"'
        assert len(data) <= 16, "two words hold no longer name"
        mask = b"\xff" * len(data)
        halves = [int.from_bytes(part, "little") for part in (data[:8], data[8:], mask[:8], mask[8:])]
        self.words.append(halves)
        return len(data)

    def table(self) -> Any:
        """All of them."""
        return np.array(self.words, np.uint64)


def _member(name: str, kind: Any, words: Spellings, codes: list[list[int]]) -> list[int]:
    """The row of one member in the table; its words are entered."""
    null = False
    if isinstance(kind, inspect.UnionType):
        assert isinstance(kind.types[-1], inspect.NoneType)
        kind, null = kind.types[0], True
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    form, least, most, first = TRUTH, 0, 0, len(codes)
    if isinstance(kind, inspect.StrType):
        assert kind.pattern is None
        form, least, most = TEXT, kind.min_length or 0, MAX_BYTES if kind.max_length is None else kind.max_length
    elif isinstance(kind, inspect.IntType):
        assert (kind.ge, kind.gt, kind.lt, kind.multiple_of) == (0, None, None, None)
        assert kind.le is not None
        form, most = NUMBER, kind.le
    elif isinstance(kind, inspect.LiteralType):
        form = WORD
        codes += [[CODES[name][word] if name in CODES else 0, words.add(word)] for word in map(str, kind.values)]
    else:
        assert isinstance(kind, inspect.BoolType), "what is no text, number, word or truth has to be read otherwise"
    assert form != NUMBER or name in COLUMN, "a number has a column"
    text = NAMES.index(name) if name in NAMES else _NOWHERE
    return [form, least, most, int(null), COLUMN.get(name, _NOWHERE), text, first, len(codes)]


def tables() -> tuple[Any, ...]:
    """Members by number: their names and int64[m, 9]; all words, their codes and lengths, int64[w, 2]; and by kind the members that there
    may be and those that there have to be, as bits, int64[4].
    """
    names, words, codes = Spellings([]), Spellings([]), list[list[int]]()
    kinds: dict[str, Any] = {"type": inspect.LiteralType(tuple(str(word) for word in CODES["type"]))}
    may, must = [0, 1, 1, 1], [0, 1, 1, 1]
    for struct, code in KIND_OF.items():
        found = inspect.type_info(struct)
        assert isinstance(found, inspect.StructType)
        assert found.tag_field == "type"
        for field in found.fields:
            assert kinds.setdefault(field.encode_name, field.type) == field.type, (
                "a member means the same in every kind"
            )
            bit = 1 << list(kinds).index(field.encode_name)
            may[code] |= bit
            must[code] |= bit if field.required else 0
    rows = [[*_member(name, kind, words, codes), names.add(name)] for name, kind in kinds.items()]
    return names.table(), np.array(rows), words.table(), np.array(codes), np.array(may), np.array(must)
