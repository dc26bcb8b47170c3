"""Records of `calls.v1`, a batch at a time, as columns: what all sound ones say, and which are refused and why."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from streamer.calls import compiled_reading as compiled
from streamer.calls import members
from streamer.calls.codec import MAX_BYTES, decode_call
from streamer.calls.events import CallEvent
from streamer.calls.texts import NAMES, PADDING, Texts, laid_out, spans_of
from streamer.compiled import Straight
from streamer.errors import MessageError


class Calls(NamedTuple):
    """`rows` of n sound records in their batch; `texts` and `integers` int64[n, 5] of them, see
    `streamer.calls.members`; and of those that are `refused` the row, the reason's code, and what is wrong.
    """

    rows: list[int]
    texts: Texts
    integers: Any
    refused: list[tuple[int, str, str]]


class Reader:
    """Reads batches; remembers in which order publishers write, which never changes what is read."""

    def __init__(self) -> None:
        self._guesses = np.zeros(compiled.MEMBERS, np.int64)
        self._read = Straight(compiled.read_records)

    def read(self, values: Sequence[bytes | None]) -> Calls:
        """The records of a batch."""
        n = len(values)
        # What is too large is refused by the codec, and not copied before.
        given = [b"" if value is None or len(value) > MAX_BYTES else value for value in values]
        whole = b"".join([*given, PADDING])
        bounds = np.fromiter(itertools.accumulate(map(len, given), initial=0), np.int64, n + 1)
        texts = Texts(np.frombuffer(whole, np.uint8), spans_of(n))
        integers = members.unsaid(n)
        if not self._read((), texts.data, bounds, self._guesses, integers, texts.spans):
            return Calls(list(range(n)), texts, integers, [])
        return _completed(values, whole, texts.spans, integers)


def _completed(values: Sequence[bytes | None], whole: bytes, spans: Any, integers: Any) -> Calls:
    """What was read, and what the codec reads of what was left, which goes into `spans` and `integers` too."""
    events: dict[int, CallEvent] = {}
    refused = []
    for row in np.flatnonzero(integers[:, members.KIND] == members.LEFT).tolist():
        try:
            events[row] = decode_call(values[row])
        except MessageError as error:  # not kept: it holds all that was at hand where it was raised
            refused.append((row, error.reason, str(error)))
    rows = list(events)
    found = laid_out(
        {which: [getattr(event, name, None) for event in events.values()] for which, name in enumerate(NAMES)}
    )
    for row, event in events.items():
        integers[row] = _integers_of(event)
    spans[:, rows] = np.where(found.spans < 0, -1, found.spans + len(whole))
    texts = Texts(np.frombuffer(whole + found.data.tobytes(), np.uint8), spans)
    if not refused:
        return Calls(list(range(len(values))), texts, integers, [])
    sound = np.flatnonzero(integers[:, members.KIND] != members.LEFT)
    # Of the layout of all others, so that no loop is compiled for another one while calls come.
    return Calls(sound.tolist(), texts._replace(spans=np.ascontiguousarray(spans[:, sound])), integers[sound], refused)


def _integers_of(event: CallEvent) -> Any:
    (found,) = members.unsaid(1)
    found[members.KIND] = members.KIND_OF[type(event)]
    for name, column in members.COLUMN.items():
        value = getattr(event, name, None)
        if value is not None:
            found[column] = members.CODES[name][value] if name in members.CODES else value
    return found
